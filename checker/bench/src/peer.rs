//! porcupine-rs, Porcupine's algorithm in Rust, on the same file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use checker::history::{History, NEVER, Operation as Recorded, Outcome, ValueId};
use porcupine_rs::{CheckResult, Model, Operation};

/// It may take so long.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct CasRegister;

#[derive(Clone, Copy, Debug)]
enum Step {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
    /// A cas of which nobody knows whether it happened.
    MaybeCas(u32, u32),
}

impl Model for CasRegister {
    type State = u32;
    type Op = (u32, Step);
    type Metadata = ();

    fn partition_operations(history: &[Operation<Self>]) -> Vec<Vec<Operation<Self>>> {
        let mut keys: BTreeMap<u32, Vec<Operation<Self>>> = BTreeMap::new();
        for operation in history {
            keys.entry(operation.op.0).or_default().push(operation.clone());
        }
        keys.into_values().collect()
    }

    fn init() -> u32 {
        ValueId::NIL.number()
    }

    fn step(state: &u32, (_, step): &(u32, Step)) -> (bool, u32) {
        match *step {
            Step::Read(value) => (value == *state, *state),
            Step::Write(value) => (true, value),
            Step::Cas(old, new) => (old == *state, new),
            Step::MaybeCas(old, new) => (true, if old == *state { new } else { *state }),
        }
    }
}

/// Its verdict on a file, and how long its check took, in seconds.
pub fn judge(path: &Path) -> Result<(&'static str, f64), Box<dyn std::error::Error>> {
    let history = History::read(path)?;
    let read = history.function("read");
    let cas = history.function("cas");
    let operations: Vec<_> = history
        .operations()
        .iter()
        .filter_map(|operation| operation_of(&history, operation, read, cas))
        .collect();
    drop(history);
    let began = Instant::now();
    let verdict = match porcupine_rs::check_operations_timeout::<CasRegister>(&operations, LIMIT) {
        CheckResult::Ok => "valid",
        CheckResult::Illegal => "invalid",
        CheckResult::Unknown => "over 20 s",
    };
    Ok((verdict, began.elapsed().as_secs_f64()))
}

/// What failed and what nobody can have noticed is left out, which is the best that a user of the peer can do.
fn operation_of(
    history: &History,
    operation: &Recorded,
    read: Option<u8>,
    cas: Option<u8>,
) -> Option<Operation<CasRegister>> {
    let function = Some(operation.function);
    let known = operation.outcome == Outcome::Ok;
    if operation.outcome == Outcome::Fail || function == read && !known {
        return None;
    }
    let value = operation.value;
    let step = if function == read {
        Step::Read(value.number())
    } else if function == cas {
        let (old, new) = history.values().pair(value)?;
        let (old, new) = (old.number(), new.number());
        if known { Step::Cas(old, new) } else { Step::MaybeCas(old, new) }
    } else {
        Step::Write(value.number())
    };
    let end = operation.completed;
    Some(Operation {
        client_id: Some(operation.process),
        call_time: operation.invoked.into(),
        return_time: if end == NEVER { i64::MAX } else { end.into() },
        op: (operation.key.number(), step),
        metadata: None,
    })
}

//! Linearizability of registers: is there one order of the operations that respects real time and in which every result is right?
//!
//! Keys are independent objects (locality, Herlihy and Wing 1990), so each is judged alone, several at a time. For one key, `prepare.rs`
//! turns operations into what they demand of the register, and `search.rs` follows the events while it keeps the set of all
//! situations that the register may be in.
//!
//! *info* operations may take effect at any time from their invocation on, or never. They are part of the search from the start, and those
//! that nobody can have observed cost nothing.

mod budget;
mod prepare;
mod search;

#[cfg(test)]
mod oracle;

use std::collections::BTreeMap;

use rayon::prelude::*;

use self::budget::Budget;
pub use self::budget::Limits;
pub(crate) use self::prepare::{Key, ValueId};
use self::search::Found;
use crate::explain;
use crate::history::{History, Operation};
use crate::verdict::{CheckReport, Verdict, Violation};

/// Name of the check.
pub const NAME: &str = "linearizable";

/// Judges every key of a history of registers. Operations that a register does not have must not be in it.
pub fn check(history: &History, limits: &Limits) -> CheckReport {
    let keys = by_key(&history.operations);
    if keys.values().flatten().all(|operation| operation.completed.is_none()) {
        return report(
            Verdict::Unknown,
            "no operation completed: nothing was proved".into(),
            vec![],
        );
    }
    let budget = Budget::new(limits);
    let judged: Vec<_> =
        keys.par_iter().map(|(key, operations)| judge(key, operations, &budget)).collect();
    summarise(history, judged)
}

/// What was found about one key.
enum Judged {
    Linearizable,
    Violated(Violation),
    Undecided(String),
}

fn by_key(operations: &[Operation]) -> BTreeMap<Option<&str>, Vec<&Operation>> {
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for operation in operations {
        keys.entry(operation.key.as_deref()).or_default().push(operation);
    }
    keys
}

fn judge(name: &Option<&str>, operations: &[&Operation], budget: &Budget) -> Judged {
    let key = Key::prepare(operations);
    match search::search(&key, budget) {
        Ok(Found::Linearizable) => Judged::Linearizable,
        Ok(Found::Stuck { at, possible }) => {
            Judged::Violated(explain::register(*name, &key, operations, at, &possible))
        }
        Err(exhausted) => {
            let name = name.map_or_else(|| "the history".to_string(), |name| format!("key {name}"));
            Judged::Undecided(format!("{name}: {exhausted}"))
        }
    }
}

fn summarise(history: &History, judged: Vec<Judged>) -> CheckReport {
    let (keys, operations) = (judged.len(), history.operations.len());
    let (mut violations, mut undecided) = (Vec::new(), Vec::new());
    for key in judged {
        match key {
            Judged::Linearizable => {}
            Judged::Violated(violation) => violations.push(violation),
            Judged::Undecided(reason) => undecided.push(reason),
        }
    }
    violations.sort_by_key(|violation| violation.time);
    let scope = format!("{operations} operations on {}", counted(keys, "key"));
    if !violations.is_empty() {
        let detail = format!("{scope}; {} not linearizable", counted(violations.len(), "key"));
        report(Verdict::Invalid, detail, violations)
    } else if let Some(first) = undecided.first() {
        let detail =
            format!("{scope}; {} undecided, first {first}", counted(undecided.len(), "key"));
        report(Verdict::Unknown, detail, vec![])
    } else {
        report(Verdict::Valid, scope, vec![])
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn report(verdict: Verdict, detail: String, violations: Vec<Violation>) -> CheckReport {
    CheckReport { name: NAME.into(), verdict, detail, violations }
}

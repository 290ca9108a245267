//! A lock without tokens: free or held. Who holds it is not tracked, as in Knossos: a process that crashed may have handed it on.

use super::specification::{Recorded, Specification, Unreadable};
use crate::history::Values;

/// See [`super::Model::Mutex`].
pub(crate) struct Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Acquire,
    Release,
}

impl Specification for Mutex {
    /// Whether it is held.
    type State = bool;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        Ok(match recorded.function {
            "acquire" => Some(Operation::Acquire),
            "release" => Some(Operation::Release),
            _ => None,
        })
    }

    fn new(_certain: &[&Operation], _possible: &[&Operation]) -> Self {
        Self
    }

    fn initial(&self) -> bool {
        false
    }

    fn step(&self, held: &bool, operation: &Operation) -> Option<bool> {
        match operation {
            Operation::Acquire => (!held).then_some(true),
            Operation::Release => held.then_some(false),
        }
    }

    fn words(&self, held: &bool, _values: &Values) -> String {
        if *held { "held" } else { "free" }.into()
    }
}

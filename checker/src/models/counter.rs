//! A counter: `add` of any integer, from 0, and `read`.

use super::specification::{Recorded, Specification, Unreadable};
use crate::history::Values;

/// See [`super::Model::Counter`].
pub(crate) struct Counter {
    /// Whether something may have taken away from it.
    shrinks: bool,
    /// Whether anybody read it.
    is_read: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Add(i64),
    Read(i64),
}

impl Specification for Counter {
    /// The sum, in more bits than any recording can overflow.
    type State = i128;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        Ok(match recorded.function {
            "add" => Some(Operation::Add(recorded.integer()?)),
            "read" if recorded.is_certain => Some(Operation::Read(recorded.integer()?)),
            _ => None,
        })
    }

    fn new(certain: &[&Operation], possible: &[&Operation]) -> Self {
        let shrinks = |operation: &&Operation| matches!(operation, Operation::Add(..0));
        let reads = |operation: &&Operation| matches!(operation, Operation::Read(_));
        Self {
            shrinks: certain.iter().chain(possible).any(shrinks),
            is_read: certain.iter().any(reads),
        }
    }

    fn initial(&self) -> i128 {
        0
    }

    fn step(&self, sum: &i128, operation: &Operation) -> Option<i128> {
        match operation {
            Operation::Add(number) => Some(sum + i128::from(*number)),
            Operation::Read(seen) => (*sum == i128::from(*seen)).then_some(*sum),
        }
    }

    fn words(&self, sum: &i128, _values: &Values) -> String {
        sum.to_string()
    }

    fn is_observer(operation: &Operation) -> bool {
        matches!(operation, Operation::Read(_))
    }

    /// The order of additions does not matter, except to who reads between them.
    fn is_useful<'a>(
        &'a self,
        sum: &i128,
        _target: &'a Operation,
        mut wanting: impl Iterator<Item = &'a Operation>,
    ) -> bool {
        wanting.any(|operation| match operation {
            Operation::Read(seen) => self.shrinks || *sum <= i128::from(*seen),
            Operation::Add(_) => true,
        })
    }

    fn is_observable(&self, _operation: &Operation) -> bool {
        self.is_read
    }
}

//! A queue, first in, first out. A `dequeue` or `peek` of nothing found it empty.

use std::collections::{HashSet, VecDeque};

use rustc_hash::FxBuildHasher;

use super::specification::{Recorded, Specification, Unreadable, listed};
use crate::history::{ValueId, Values};

/// See [`super::Model::Queue`].
pub(crate) struct Queue {
    /// What somebody certainly took or saw.
    seen: HashSet<ValueId, FxBuildHasher>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Enqueue(ValueId),
    Dequeue(ValueId),
    /// Takes whatever is in front, if there is anything.
    DequeueAny,
    Peek(ValueId),
    /// Found it empty.
    Empty,
}

impl Specification for Queue {
    /// From the front on.
    type State = VecDeque<ValueId>;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        let value = recorded.value;
        Ok(match recorded.function {
            "enqueue" if value == ValueId::NIL => return Err(Unreadable("needs an element")),
            "enqueue" => Some(Operation::Enqueue(value)),
            "dequeue" | "peek" if recorded.is_certain && value == ValueId::NIL => {
                Some(Operation::Empty)
            }
            "dequeue" if recorded.is_certain => Some(Operation::Dequeue(value)),
            "dequeue" => Some(Operation::DequeueAny),
            "peek" => recorded.seen(|| Operation::Peek(value)),
            _ => None,
        })
    }

    fn new(certain: &[&Operation], _possible: &[&Operation]) -> Self {
        let seen = certain.iter().filter_map(|operation| match operation {
            Operation::Dequeue(value) | Operation::Peek(value) => Some(*value),
            _ => None,
        });
        Self { seen: seen.collect() }
    }

    fn initial(&self) -> VecDeque<ValueId> {
        VecDeque::new()
    }

    fn step(&self, queue: &VecDeque<ValueId>, operation: &Operation) -> Option<VecDeque<ValueId>> {
        let front = queue.front();
        let legal = match operation {
            Operation::Enqueue(_) => true,
            Operation::Dequeue(value) | Operation::Peek(value) => front == Some(value),
            Operation::DequeueAny => front.is_some(),
            Operation::Empty => front.is_none(),
        };
        legal.then(|| {
            let mut queue = queue.clone();
            match operation {
                Operation::Enqueue(value) => queue.push_back(*value),
                Operation::Dequeue(_) | Operation::DequeueAny => drop(queue.pop_front()),
                Operation::Peek(_) | Operation::Empty => {}
            }
            queue
        })
    }

    fn words(&self, queue: &VecDeque<ValueId>, values: &Values) -> String {
        match queue.is_empty() {
            true => "empty".into(),
            false => format!("from the front {}", listed(values, queue.iter().copied())),
        }
    }

    fn is_observer(operation: &Operation) -> bool {
        matches!(operation, Operation::Peek(_) | Operation::Empty)
    }

    fn is_observable(&self, operation: &Operation) -> bool {
        // What is done to an element of which nobody saw anything can be left out with it.
        Self::group(operation).is_none_or(|value| self.seen.contains(&value))
    }

    fn group(operation: &Operation) -> Option<ValueId> {
        match operation {
            Operation::Enqueue(value) | Operation::Dequeue(value) | Operation::Peek(value) => {
                Some(*value)
            }
            Operation::DequeueAny | Operation::Empty => None,
        }
    }

    fn bytes(queue: &VecDeque<ValueId>) -> usize {
        size_of::<VecDeque<ValueId>>() + size_of::<ValueId>() * queue.capacity()
    }
}

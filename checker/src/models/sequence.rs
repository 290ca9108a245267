//! Queues and stacks: elements are put in at the back, and taken from the front (first in, first out) or from the back (last in, first out). A take or
//! a `peek` of nothing found it empty.

use std::collections::{HashSet, VecDeque};

use rustc_hash::FxBuildHasher;

use super::specification::{Recorded, Specification, Unreadable, listed};
use crate::history::{ValueId, Values};

/// See [`super::Model::Queue`].
pub(crate) type Queue = Sequence<false>;
/// See [`super::Model::Stack`].
pub(crate) type Stack = Sequence<true>;

/// Elements in the order in which they were put in.
pub(crate) struct Sequence<const LAST_IN_FIRST_OUT: bool> {
    /// What somebody certainly took or saw.
    seen: HashSet<ValueId, FxBuildHasher>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Insert(ValueId),
    Take(ValueId),
    /// Takes whatever is next, if there is anything.
    TakeAny,
    Peek(ValueId),
    /// Found it empty.
    Empty,
}

impl<const LAST_IN_FIRST_OUT: bool> Specification for Sequence<LAST_IN_FIRST_OUT> {
    /// The element that was put in first stands first.
    type State = VecDeque<ValueId>;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        let [insert, take] =
            if LAST_IN_FIRST_OUT { ["push", "pop"] } else { ["enqueue", "dequeue"] };
        let (f, value) = (recorded.function, recorded.value);
        Ok(if f == insert && value == ValueId::NIL {
            return Err(Unreadable("needs an element"));
        } else if f == insert {
            Some(Operation::Insert(value))
        } else if f == take && !recorded.is_certain {
            Some(Operation::TakeAny)
        } else if (f == take || f == "peek") && recorded.is_certain && value == ValueId::NIL {
            Some(Operation::Empty)
        } else if f == take {
            Some(Operation::Take(value))
        } else if f == "peek" {
            recorded.seen(|| Operation::Peek(value))
        } else {
            None
        })
    }

    fn new(certain: &[&Operation], _possible: &[&Operation]) -> Self {
        let seen = certain.iter().filter_map(|operation| match operation {
            Operation::Take(value) | Operation::Peek(value) => Some(*value),
            _ => None,
        });
        Self { seen: seen.collect() }
    }

    fn initial(&self) -> VecDeque<ValueId> {
        VecDeque::new()
    }

    fn step(&self, state: &VecDeque<ValueId>, operation: &Operation) -> Option<VecDeque<ValueId>> {
        let next = if LAST_IN_FIRST_OUT { state.back() } else { state.front() };
        let legal = match operation {
            Operation::Insert(_) => true,
            Operation::Take(value) | Operation::Peek(value) => next == Some(value),
            Operation::TakeAny => next.is_some(),
            Operation::Empty => next.is_none(),
        };
        legal.then(|| {
            let mut state = state.clone();
            match operation {
                Operation::Insert(value) => state.push_back(*value),
                Operation::Take(_) | Operation::TakeAny => {
                    let _ = if LAST_IN_FIRST_OUT { state.pop_back() } else { state.pop_front() };
                }
                Operation::Peek(_) | Operation::Empty => {}
            }
            state
        })
    }

    fn words(&self, state: &VecDeque<ValueId>, values: &Values) -> String {
        if state.is_empty() {
            return "empty".into();
        }
        match LAST_IN_FIRST_OUT {
            true => format!("from the top {}", listed(values, state.iter().rev().copied())),
            false => format!("from the front {}", listed(values, state.iter().copied())),
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
            Operation::Insert(value) | Operation::Take(value) | Operation::Peek(value) => {
                Some(*value)
            }
            Operation::TakeAny | Operation::Empty => None,
        }
    }

    fn bytes(state: &VecDeque<ValueId>) -> usize {
        size_of::<VecDeque<ValueId>>() + size_of::<ValueId>() * state.capacity()
    }
}

//! A stack, last in, first out. A `pop` or `peek` of nothing found it empty.

use std::collections::HashSet;

use rustc_hash::FxBuildHasher;

use super::specification::{Recorded, Specification, Unreadable, listed};
use crate::history::{ValueId, Values};

/// See [`super::Model::Stack`].
pub(crate) struct Stack {
    /// What somebody certainly took or saw.
    seen: HashSet<ValueId, FxBuildHasher>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Push(ValueId),
    Pop(ValueId),
    /// Takes whatever is on top, if there is anything.
    PopAny,
    Peek(ValueId),
    /// Found it empty.
    Empty,
}

impl Specification for Stack {
    /// From the bottom on.
    type State = Vec<ValueId>;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        let value = recorded.value;
        Ok(match recorded.function {
            "push" if value == ValueId::NIL => return Err(Unreadable("needs an element")),
            "push" => Some(Operation::Push(value)),
            "pop" | "peek" if recorded.is_certain && value == ValueId::NIL => {
                Some(Operation::Empty)
            }
            "pop" if recorded.is_certain => Some(Operation::Pop(value)),
            "pop" => Some(Operation::PopAny),
            "peek" => recorded.seen(|| Operation::Peek(value)),
            _ => None,
        })
    }

    fn new(certain: &[&Operation], _possible: &[&Operation]) -> Self {
        let seen = certain.iter().filter_map(|operation| match operation {
            Operation::Pop(value) | Operation::Peek(value) => Some(*value),
            _ => None,
        });
        Self { seen: seen.collect() }
    }

    fn initial(&self) -> Vec<ValueId> {
        Vec::new()
    }

    fn step(&self, stack: &Vec<ValueId>, operation: &Operation) -> Option<Vec<ValueId>> {
        let top = stack.last();
        let legal = match operation {
            Operation::Push(_) => true,
            Operation::Pop(value) | Operation::Peek(value) => top == Some(value),
            Operation::PopAny => top.is_some(),
            Operation::Empty => top.is_none(),
        };
        legal.then(|| {
            let mut stack = stack.clone();
            match operation {
                Operation::Push(value) => stack.push(*value),
                Operation::Pop(_) | Operation::PopAny => drop(stack.pop()),
                Operation::Peek(_) | Operation::Empty => {}
            }
            stack
        })
    }

    fn words(&self, stack: &Vec<ValueId>, values: &Values) -> String {
        match stack.is_empty() {
            true => "empty".into(),
            false => format!("from the top {}", listed(values, stack.iter().rev().copied())),
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
            Operation::Push(value) | Operation::Pop(value) | Operation::Peek(value) => Some(*value),
            Operation::PopAny | Operation::Empty => None,
        }
    }

    fn bytes(stack: &Vec<ValueId>) -> usize {
        size_of::<Vec<ValueId>>() + size_of::<ValueId>() * stack.capacity()
    }
}

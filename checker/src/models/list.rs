//! One list that is appended to and read as a whole.

use std::collections::HashSet;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::prefixes::{Prefix, Prefixes};
use super::specification::{Recorded, Specification, Unreadable, listed};
use crate::history::{ValueId, Values};

/// See [`super::Model::List`].
pub(crate) struct List {
    prefixes: Prefixes<ValueId>,
    /// Every element that somebody read.
    seen: HashSet<ValueId, FxBuildHasher>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Append(ValueId),
    Read(Arc<[ValueId]>),
}

impl Specification for List {
    type State = Prefix;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        Ok(match recorded.function {
            "append" => Some(Operation::Append(recorded.value)),
            "read" if recorded.is_certain => Some(Operation::Read(recorded.list()?.into())),
            _ => None,
        })
    }

    fn new(certain: &[&Operation], _possible: &[&Operation]) -> Self {
        let prefixes = Prefixes::new(certain.iter().filter_map(|operation| match operation {
            Operation::Read(elements) => Some(elements),
            Operation::Append(_) => None,
        }));
        let seen = prefixes.all().flatten().copied().collect();
        Self { prefixes, seen }
    }

    fn initial(&self) -> Prefix {
        self.prefixes.empty()
    }

    fn step(&self, state: &Prefix, operation: &Operation) -> Option<Prefix> {
        match operation {
            Operation::Append(element) => Some(self.prefixes.append(*state, &[*element])),
            Operation::Read(seen) => self.prefixes.is(*state, seen).then_some(*state),
        }
    }

    fn words(&self, state: &Prefix, values: &Values) -> String {
        match self.prefixes.elements(*state) {
            Some([]) => "empty".into(),
            Some(elements) => format!("[{}]", listed(values, elements.iter().copied())),
            None => "a list that nobody read the beginning of".into(),
        }
    }

    fn is_observer(operation: &Operation) -> bool {
        matches!(operation, Operation::Read(_))
    }

    /// What leads to a list that nobody ever reads may as well wait.
    fn is_useful<'a>(
        &'a self,
        to: &Prefix,
        _target: &'a Operation,
        _wanting: impl Iterator<Item = &'a Operation>,
    ) -> bool {
        *to != Prefix::Unread
    }

    fn is_observable(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Append(element) => self.seen.contains(element),
            Operation::Read(_) => true,
        }
    }
}

//! A text that is replaced (`put`), appended to (`append`) and read (`get`), as in Porcupine's key-value model. A missing one is empty.

use std::sync::Arc;

use memchr::memmem;

use super::prefixes::{Prefix, Prefixes};
use super::specification::{Recorded, Specification, Unreadable};
use crate::explain::brief;
use crate::history::Values;

/// See [`super::Model::Kv`].
pub(crate) struct Kv {
    prefixes: Prefixes<u8>,
    /// All that was read, one text after another.
    read: Vec<u8>,
}

/// Stands between texts, for it occurs in none (RFC 3629).
const SEPARATOR: u8 = 0xff;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Put(Arc<[u8]>),
    Append(Arc<[u8]>),
    Get(Arc<[u8]>),
}

impl Specification for Kv {
    type State = Prefix;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        let text = || recorded.text().map(|text| Arc::from(text.as_bytes()));
        Ok(match recorded.function {
            "put" => Some(Operation::Put(text()?)),
            "append" => Some(Operation::Append(text()?)),
            "get" if recorded.is_certain => Some(Operation::Get(text()?)),
            _ => None,
        })
    }

    fn new(certain: &[&Operation], _possible: &[&Operation]) -> Self {
        let prefixes = Prefixes::new(certain.iter().filter_map(|operation| match operation {
            Operation::Get(text) => Some(text),
            Operation::Put(_) | Operation::Append(_) => None,
        }));
        let read = prefixes.all().collect::<Vec<_>>().join(&SEPARATOR);
        Self { prefixes, read }
    }

    fn initial(&self) -> Prefix {
        self.prefixes.empty()
    }

    fn step(&self, state: &Prefix, operation: &Operation) -> Option<Prefix> {
        match operation {
            Operation::Put(text) => Some(self.prefixes.of(text)),
            Operation::Append(text) => Some(self.prefixes.append(*state, text)),
            Operation::Get(seen) => self.prefixes.is(*state, seen).then_some(*state),
        }
    }

    fn words(&self, state: &Prefix, _values: &Values) -> String {
        match self.prefixes.elements(*state) {
            Some([]) => "missing or empty".into(),
            Some(text) => brief(&String::from_utf8_lossy(text).into()),
            None => "a text with which nothing that anybody got begins".into(),
        }
    }

    fn is_observer(operation: &Operation) -> bool {
        matches!(operation, Operation::Get(_))
    }

    fn hides(later: &Operation, earlier: &Operation) -> bool {
        matches!(later, Operation::Put(_)) && !matches!(earlier, Operation::Get(_))
    }

    /// Before an append, what makes the beginning of a text that somebody reads; before all else, only of one that somebody is reading now.
    fn is_useful<'a>(
        &'a self,
        to: &Prefix,
        target: &'a Operation,
        mut wanting: impl Iterator<Item = &'a Operation>,
    ) -> bool {
        let is_read = |operation: &Operation| match operation {
            Operation::Get(text) => self.prefixes.begins(*to, text),
            Operation::Put(_) | Operation::Append(_) => false,
        };
        let appends = matches!(target, Operation::Append(_));
        appends && *to != Prefix::Unread || wanting.any(is_read)
    }

    fn is_observable(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Put(text) => self.prefixes.of(text) != Prefix::Unread,
            Operation::Append(text) => memmem::find(&self.read, text).is_some(),
            Operation::Get(_) => true,
        }
    }
}

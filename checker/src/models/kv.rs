//! A text that is replaced (`put`), appended to (`append`) and read (`get`), as in Porcupine's key-value model. A missing one is empty.

use std::sync::Arc;

use memchr::memmem;

use super::prefixes::{Prefix, Prefixes};
use super::specification::{Recorded, Specification, Unreadable};
use crate::explain::brief;
use crate::history::{NEVER, Values};

/// See [`super::Model::Kv`].
pub(crate) struct Kv {
    prefixes: Prefixes<u8>,
    /// All that was read, one text after another, each behind a separator. The last to be read stand last.
    read: Vec<u8>,
    /// Where each of these texts ends, and the last event that completes a read of it.
    ends: Vec<(usize, u32)>,
}

/// Stands before each text, for it occurs in none (RFC 3629).
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
        let mut kv = Self { prefixes, read: Vec::new(), ends: Vec::new() };
        kv.set_read(certain.iter().map(|operation| (*operation, NEVER)));
        kv
    }

    fn with_ends(mut self, ends: &[(&Operation, u32)]) -> Self {
        let mut ends = ends.to_vec();
        ends.sort_by_key(|(_, end)| *end);
        self.set_read(ends.into_iter());
        self
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

    fn observable_until(&self, operation: &Operation) -> u32 {
        let last = match operation {
            Operation::Put(text) => memmem::rfind(&self.read, &[&[SEPARATOR], &text[..]].concat()),
            Operation::Append(text) => memmem::rfind(&self.read, text),
            Operation::Get(_) => return NEVER,
        };
        last.map_or(0, |place| {
            let text = self.ends.partition_point(|(end, _)| *end <= place);
            self.ends.get(text).map_or(NEVER, |(_, event)| *event)
        })
    }
}

impl Kv {
    fn set_read<'a>(&mut self, certain: impl Iterator<Item = (&'a Operation, u32)>) {
        (self.read, self.ends) = (Vec::new(), Vec::new());
        for (operation, event) in certain {
            if let Operation::Get(text) = operation {
                self.read.push(SEPARATOR);
                self.read.extend_from_slice(text);
                self.ends.push((self.read.len(), event));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_or_appended_can_be_told_until_the_last_read_of_it() {
        let text = |text: &str| Arc::from(text.as_bytes());
        let [ab, abc, b] = ["ab", "abc", "b"].map(|read| Operation::Get(text(read)));
        let ends = [(&abc, 10), (&b, 30), (&ab, 20)];
        let kv = Kv::new(&[&ab, &abc, &b], &[]).with_ends(&ends);
        let until = |operation| kv.observable_until(&operation);
        assert_eq!(until(Operation::Put(text("a"))), 20);
        assert_eq!(until(Operation::Put(text("abc"))), 10);
        assert_eq!(until(Operation::Put(text("b"))), 30);
        assert_eq!(until(Operation::Append(text("b"))), 30);
        assert_eq!(until(Operation::Append(text("bc"))), 10);
        assert_eq!(until(Operation::Append(text("x"))), 0);
    }
}

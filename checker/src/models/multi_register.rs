//! Registers of one map, read and written by transactions, each of which takes effect as a whole: strict serializability.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::specification::{Recorded, Specification, Unreadable};
use crate::history::{ValueId, Values};

/// See [`super::Model::MultiRegister`].
pub(crate) struct MultiRegister {
    /// Keys and values that somebody certainly read from others.
    seen: HashSet<(ValueId, ValueId), FxBuildHasher>,
}

/// A transaction, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transaction {
    /// What each key must hold before it.
    reads: Arc<[(ValueId, ValueId)]>,
    /// What the keys hold after it, each once, sorted.
    writes: Arc<[(ValueId, ValueId)]>,
    /// Whether it contradicts itself: it cannot have taken effect.
    is_absurd: bool,
}

impl Specification for MultiRegister {
    /// What each key holds; a key that is not in it holds nothing.
    type State = Vec<(ValueId, ValueId)>;
    type Operation = Transaction;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Transaction>, Unreadable> {
        let malformed = Unreadable("needs a list of [\"r\", key, value] and [\"w\", key, value]");
        let micros: Vec<_> = match recorded.function {
            "txn" | "read" | "write" => recorded.list()?,
            _ => return Ok(None),
        };
        let mut transaction = Reader::default();
        for micro in micros {
            let parts = recorded.list_of(micro);
            let Some([f, key, rest @ ..]) = parts.as_deref() else { return Err(malformed) };
            let value = rest.first().copied().unwrap_or(ValueId::NIL);
            match recorded.name(*f) {
                Some("r" | "read") if recorded.is_certain => transaction.read(*key, value),
                Some("r" | "read") => {}
                Some("w" | "write") => drop(transaction.writes.insert(*key, value)),
                _ => return Err(malformed),
            }
        }
        let transaction = transaction.done();
        Ok((recorded.is_certain || !transaction.writes.is_empty()).then_some(transaction))
    }

    fn new(certain: &[&Transaction], _possible: &[&Transaction]) -> Self {
        Self {
            seen: certain
                .iter()
                .flat_map(|transaction| transaction.reads.iter().copied())
                .collect(),
        }
    }

    fn initial(&self) -> Self::State {
        Vec::new()
    }

    fn step(&self, state: &Self::State, transaction: &Transaction) -> Option<Self::State> {
        let holds = |key: ValueId| {
            let place = state.binary_search_by_key(&key, |(key, _)| *key);
            place.map_or(ValueId::NIL, |place| state[place].1)
        };
        if transaction.is_absurd || transaction.reads.iter().any(|(key, seen)| holds(*key) != *seen)
        {
            return None;
        }
        let mut state = state.clone();
        for (key, value) in transaction.writes.iter() {
            // A key that holds nothing is not in it, so that equal maps are equal states.
            match (state.binary_search_by_key(key, |(key, _)| *key), *value == ValueId::NIL) {
                (Ok(place), true) => drop(state.remove(place)),
                (Ok(place), false) => state[place].1 = *value,
                (Err(_), true) => {}
                (Err(place), false) => state.insert(place, (*key, *value)),
            }
        }
        Some(state)
    }

    fn words(&self, state: &Self::State, values: &Values) -> String {
        let word = |(key, value): &(ValueId, ValueId)| {
            format!("{} = {}", values.words(*key), values.json(*value))
        };
        match state.is_empty() {
            true => "every key null".into(),
            false => state.iter().map(word).collect::<Vec<_>>().join(", "),
        }
    }

    fn is_observer(transaction: &Transaction) -> bool {
        transaction.writes.is_empty()
    }

    fn hides(later: &Transaction, earlier: &Transaction) -> bool {
        let writes = |(key, _): &(ValueId, ValueId)| {
            later.writes.binary_search_by_key(key, |(key, _)| *key).is_ok()
                && !later.reads.iter().any(|(read, _)| read == key)
        };
        earlier.reads.is_empty() && !earlier.is_absurd && earlier.writes.iter().all(writes)
    }

    fn is_observable(&self, transaction: &Transaction) -> bool {
        transaction.is_absurd || transaction.writes.iter().any(|write| self.seen.contains(write))
    }

    fn bytes(state: &Self::State) -> usize {
        size_of::<Self::State>() + size_of::<(ValueId, ValueId)>() * state.capacity()
    }
}

/// Reads micro-operations one after another.
#[derive(Default)]
struct Reader {
    reads: BTreeMap<ValueId, ValueId>,
    writes: BTreeMap<ValueId, ValueId>,
    is_absurd: bool,
}

impl Reader {
    /// A read of its own write says nothing about others.
    fn read(&mut self, key: ValueId, value: ValueId) {
        let expected = match self.writes.get(&key) {
            Some(own) => *own,
            None => *self.reads.entry(key).or_insert(value),
        };
        self.is_absurd |= expected != value;
    }

    fn done(self) -> Transaction {
        Transaction {
            reads: self.reads.into_iter().collect(),
            writes: self.writes.into_iter().collect(),
            is_absurd: self.is_absurd,
        }
    }
}

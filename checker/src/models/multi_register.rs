//! Registers of one map, read and written by transactions, each of which takes effect as a whole: strict serializability.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::specification::{Recorded, Specification, Unreadable};
use crate::history::{NEVER, ValueId, Values};

/// See [`super::Model::MultiRegister`].
pub(crate) struct MultiRegister {
    /// Keys and values that somebody certainly read from others, each with the last event that completes such a read.
    seen: HashMap<(ValueId, ValueId), u32, FxBuildHasher>,
    /// Those that somebody read who may not have happened, or may at any time.
    possibly_seen: HashSet<(ValueId, ValueId), FxBuildHasher>,
}

/// What the keys hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Map {
    /// By key; one that is not in it holds nothing. No value stands for each that nobody reads: they cannot be told apart.
    held: Vec<(ValueId, Option<ValueId>)>,
    /// Whether there were keys that nobody reads any more.
    has_forgotten: bool,
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
    type State = Map;
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

    fn new(certain: &[&Transaction], possible: &[&Transaction]) -> Self {
        let reads = |of: &[&Transaction]| -> Vec<_> {
            of.iter().flat_map(|transaction| transaction.reads.iter().copied()).collect()
        };
        Self {
            seen: reads(certain).into_iter().map(|read| (read, NEVER)).collect(),
            possibly_seen: reads(possible).into_iter().collect(),
        }
    }

    fn with_ends(mut self, ends: &[(&Transaction, u32)]) -> Self {
        self.seen.clear();
        for (transaction, event) in ends {
            for read in transaction.reads.iter() {
                let until = self.seen.entry(*read).or_default();
                *until = (*until).max(*event);
            }
        }
        self
    }

    fn initial(&self) -> Self::State {
        Map::default()
    }

    fn step(&self, state: &Self::State, transaction: &Transaction) -> Option<Self::State> {
        let holds = |key: ValueId| {
            let place = state.held.binary_search_by_key(&key, |(key, _)| *key);
            place.map_or(Some(ValueId::NIL), |place| state.held[place].1)
        };
        let fits = |(key, seen): &(ValueId, ValueId)| holds(*key) == Some(*seen);
        if transaction.is_absurd || !transaction.reads.iter().all(fits) {
            return None;
        }
        let mut state = state.clone();
        for write @ (key, value) in transaction.writes.iter() {
            // A key that holds nothing is not in it, so that equal maps are equal states.
            let held = &mut state.held;
            let new = self.seen_until(write).map(|_| *value);
            match (held.binary_search_by_key(key, |(key, _)| *key), *value == ValueId::NIL) {
                (Ok(place), true) => drop(held.remove(place)),
                (Ok(place), false) => held[place].1 = new,
                (Err(_), true) => {}
                (Err(place), false) => held.insert(place, (*key, new)),
            }
        }
        Some(state)
    }

    fn words(&self, state: &Self::State, values: &Values) -> String {
        let word = |(key, value): &(ValueId, Option<ValueId>)| {
            let value =
                value.map_or_else(|| "unread".into(), |value| values.json(value).to_string());
            format!("{} = {value}", values.words(*key))
        };
        let mut words: Vec<_> = state.held.iter().map(word).collect();
        if state.has_forgotten {
            words.push("keys that nobody reads any more".into());
        }
        if words.is_empty() { "every key null".into() } else { words.join(", ") }
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
        let is_seen = |write| self.seen.contains_key(write);
        transaction.is_absurd || transaction.writes.iter().any(is_seen)
    }

    fn observable_until(&self, transaction: &Transaction) -> u32 {
        let last = transaction.writes.iter().filter_map(|write| self.seen_until(write)).max();
        if transaction.is_absurd { NEVER } else { last.unwrap_or(0) }
    }

    fn forget(&self, state: &Map, event: u32) -> Map {
        let is_read = |key: ValueId, value: ValueId| {
            self.seen_until(&(key, value)).is_some_and(|until| until > event)
        };
        let mut left = Map { held: Vec::new(), has_forgotten: state.has_forgotten };
        for (key, value) in &state.held {
            match value.filter(|value| is_read(*key, *value)) {
                None if !is_read(*key, ValueId::NIL) => left.has_forgotten = true,
                value => left.held.push((*key, value)),
            }
        }
        left
    }

    fn bytes(state: &Map) -> usize {
        size_of::<Map>() + size_of::<(ValueId, Option<ValueId>)>() * state.held.capacity()
    }
}

impl MultiRegister {
    /// The last event that completes somebody who read a value of a key; nothing if nobody did.
    fn seen_until(&self, held: &(ValueId, ValueId)) -> Option<u32> {
        let possibly = self.possibly_seen.contains(held).then_some(NEVER);
        possibly.or_else(|| self.seen.get(held).copied())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn value(number: u64) -> ValueId {
        ValueId::integer(number).unwrap()
    }

    fn transaction(reads: &[(u64, ValueId)], writes: &[(u64, u64)]) -> Transaction {
        let reads = reads.iter().map(|(key, seen)| (value(*key), *seen)).collect();
        let writes = writes.iter().map(|(key, new)| (value(*key), value(*new))).collect();
        Transaction { reads, writes, is_absurd: false }
    }

    #[test]
    fn values_differ_as_long_as_somebody_may_still_read_them() {
        let early = transaction(&[(1, value(7)), (2, ValueId::NIL)], &[]);
        let late = transaction(&[(1, value(8))], &[]);
        let map = MultiRegister::new(&[&early, &late], &[]).with_ends(&[(&early, 10), (&late, 20)]);
        let after = |key, new| map.step(&map.initial(), &transaction(&[], &[(key, new)])).unwrap();
        assert_eq!(after(1, 5), after(1, 6), "nobody reads either");
        assert_ne!(after(1, 5), after(1, 7));
        assert_eq!(map.step(&after(1, 8), &late), Some(after(1, 8)));
        assert_eq!(map.step(&after(1, 5), &late), None);
        assert_eq!(map.forget(&after(1, 7), 9), after(1, 7), "it is read at 10");
        assert_eq!(map.forget(&after(1, 7), 10), map.forget(&after(1, 5), 10));
        assert_eq!(map.forget(&after(1, 8), 10), after(1, 8), "it is read at 20");
        let nothing = map.forget(&after(2, 9), 9);
        assert_eq!(map.step(&nothing, &early), None, "who reads nothing must not find it");
        let until = |writes| map.observable_until(&transaction(&[], writes));
        assert_eq!([until(&[(1, 7)]), until(&[(1, 7), (1, 8)]), until(&[(2, 7)])], [10, 20, 0]);
    }

    #[test]
    fn what_may_be_read_at_any_time_is_never_forgotten() {
        let possible = transaction(&[(1, value(7))], &[(2, 8)]);
        let map = MultiRegister::new(&[], &[&possible]).with_ends(&[]);
        let write = transaction(&[], &[(1, 7)]);
        let state = map.forget(&map.step(&map.initial(), &write).unwrap(), 1_000);
        assert!(map.step(&state, &possible).is_some());
        assert_eq!(map.observable_until(&write), NEVER);
        assert!(!map.is_observable(&write), "no one who certainly happened can tell");
    }
}

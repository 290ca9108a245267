//! Facts that must be the same wherever they are seen.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::Place;

/// What each key was seen to have, and where that was contradicted.
pub(super) struct Agreement<'a, K, V> {
    first: FxHashMap<K, Sighting<'a, V>>,
    /// The first contradiction of each key.
    contradictions: BTreeMap<K, [Place<'a>; 2]>,
    /// Keys that were seen in the traces of several incarnations: only those prove anything.
    compared: usize,
}

struct Sighting<'a, V> {
    value: V,
    place: Place<'a>,
    compared: bool,
}

impl<'a, K: Hash + Ord + Copy, V: PartialEq> Agreement<'a, K, V> {
    pub(super) fn new() -> Self {
        Self { first: FxHashMap::default(), contradictions: BTreeMap::new(), compared: 0 }
    }

    /// Takes note that a line says that `key` has `value`.
    pub(super) fn see(&mut self, key: K, value: V, place: Place<'a>) {
        let sighting = match self.first.entry(key) {
            Entry::Occupied(sighting) => sighting.into_mut(),
            Entry::Vacant(vacant) => {
                vacant.insert(Sighting { value, place, compared: false });
                return;
            }
        };
        if !sighting.compared && !std::ptr::eq(sighting.place.trace, place.trace) {
            sighting.compared = true;
            self.compared += 1;
        }
        if sighting.value != value {
            self.contradictions.entry(key).or_insert([sighting.place, place]);
        }
    }

    /// How many keys could be compared.
    pub(super) fn compared(&self) -> usize {
        self.compared
    }

    /// The first contradiction of each key, in the order of the keys.
    pub(super) fn contradictions(self) -> impl Iterator<Item = (K, [Place<'a>; 2])> {
        self.contradictions.into_iter()
    }
}

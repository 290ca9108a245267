//! The objects of a history: keys are independent of each other (locality, Herlihy and Wing 1990), so each is judged alone.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::history::{History, Operation, ValueId};

/// The operations of a history by key.
pub(crate) struct Objects<'a> {
    operations: &'a [Operation],
    keys: Vec<ValueId>,
    /// Where each key's operations begin among the places.
    starts: Vec<u32>,
    /// The operations of one key after another; empty if there is only one key.
    places: Vec<u32>,
}

/// The operations on one object, in order of invocation.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    /// Its key, nil in a history without keys.
    pub(crate) key: ValueId,
    operations: &'a [Operation],
    places: Option<&'a [u32]>,
}

impl<'a> Objects<'a> {
    /// Sorts the operations of a history by key.
    pub(crate) fn of(history: &'a History) -> Self {
        let operations = history.operations();
        let mut ranks: HashMap<ValueId, u32, FxBuildHasher> = HashMap::default();
        let mut keys = Vec::new();
        let mut sizes: Vec<u32> = Vec::new();
        let mut last = None;
        let mut rank_of = |key: ValueId, keys: &mut Vec<ValueId>| match last {
            Some((known, rank)) if known == key => rank,
            _ => {
                let next = keys.len() as u32;
                let rank = *ranks.entry(key).or_insert_with(|| {
                    keys.push(key);
                    next
                });
                last = Some((key, rank));
                rank
            }
        };
        let mut by_operation = Vec::new();
        for (place, operation) in operations.iter().enumerate() {
            let rank = rank_of(operation.key, &mut keys);
            if rank > 0 && by_operation.is_empty() {
                by_operation = vec![0; place]; // All were of the first key.
                by_operation.reserve(operations.len() - place);
            }
            if sizes.len() <= rank as usize {
                sizes.push(0);
            }
            sizes[rank as usize] += 1;
            if keys.len() > 1 {
                by_operation.push(rank);
            }
        }
        let starts: Vec<u32> = std::iter::once(0)
            .chain(sizes.iter().scan(0, |sum, size| {
                *sum += size;
                Some(*sum)
            }))
            .collect();
        let mut next = starts.clone();
        let mut places = vec![0; by_operation.len()];
        for (place, rank) in by_operation.into_iter().enumerate() {
            let slot = &mut next[rank as usize];
            places[*slot as usize] = place as u32;
            *slot += 1;
        }
        Self { operations, keys, starts, places }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// One of them, by number.
    pub(crate) fn get(&self, number: usize) -> Object<'_> {
        let range = self.starts[number] as usize..self.starts[number + 1] as usize;
        let places = (!self.places.is_empty()).then(|| &self.places[range]);
        Object { key: self.keys[number], operations: self.operations, places }
    }
}

impl<'a> Object<'a> {
    /// How many operations it has.
    pub(crate) fn len(&self) -> usize {
        self.places.map_or(self.operations.len(), <[u32]>::len)
    }

    /// Its operations, each with its place in the history.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &'a Operation)> + use<'a> {
        let Self { operations, places, .. } = *self;
        (0..self.len()).map(move |number| {
            let place = places.map_or(number, |places| places[number] as usize);
            (place as u32, &operations[place])
        })
    }
}

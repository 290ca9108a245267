//! Values by dense numbers, so that what is known of each stands in a table.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::history::{ValueId, Values};

/// No number.
const NONE: u32 = u32::MAX;

/// Numbers values in the order in which they are met; equal values have equal numbers.
#[derive(Debug)]
pub(super) struct Elements<'a> {
    values: &'a Values,
    /// By bare number, for small integers: no hashing.
    small: Vec<u32>,
    small_max: usize,
    scalars: HashMap<ValueId, u32, FxBuildHasher>,
    /// Lists and maps, by what they look like.
    structures: HashMap<String, u32>,
    ids: Vec<ValueId>,
}

impl<'a> Elements<'a> {
    /// For about so many different values: the table of small integers is no more than a few times as large.
    pub(super) fn new(values: &'a Values, expected: usize) -> Self {
        let small_max = expected.saturating_mul(4).saturating_add(64);
        let (scalars, structures) = Default::default();
        Self { values, small: Vec::new(), small_max, scalars, structures, ids: Vec::new() }
    }

    /// The number of a value, a new one if need be.
    pub(super) fn number(&mut self, id: ValueId) -> usize {
        let place = id.number() as usize;
        if let Some(number) = self.small.get(place).filter(|number| **number != NONE) {
            return *number as usize;
        }
        let next = self.ids.len() as u32;
        let number = if place < self.small_max {
            if self.small.len() <= place {
                self.small.resize((place + 1).next_power_of_two(), NONE);
            }
            self.small[place] = next;
            next
        } else if id.is_scalar() {
            *self.scalars.entry(id).or_insert(next)
        } else {
            *self.structures.entry(self.values.words(id)).or_insert(next)
        };
        if number == next {
            self.ids.push(id);
        }
        number as usize
    }

    /// How many different values were met.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The value of a number.
    pub(super) fn id(&self, number: usize) -> ValueId {
        self.ids[number]
    }

    /// The value of a number, as people write it.
    pub(super) fn words(&self, number: usize) -> String {
        crate::explain::brief(&self.values.json(self.ids[number]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_have_equal_numbers_whatever_they_are() {
        let mut values = Values::default();
        let all = [json!(0), json!(7), json!(1_000_000), json!("7"), json!([1, "x"]), json!(-1)];
        let ids: Vec<_> = all.iter().chain(&all).map(|value| values.of(value)).collect();
        let mut elements = Elements::new(&values, 3);
        let numbers: Vec<_> = ids.iter().map(|id| elements.number(*id)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
        assert_eq!((elements.len(), elements.words(4)), (6, "[1,\"x\"]".to_string()));
    }
}

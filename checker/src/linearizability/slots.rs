//! Sets of open operations. An open operation has a *slot*; a set of slots is a few words, however long the history is.

use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not};

/// A set of up to `64 * W` slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slots<const W: usize>([u64; W]);

impl<const W: usize> Slots<W> {
    pub(super) const EMPTY: Self = Self([0; W]);

    /// The set of one slot.
    #[inline]
    pub(super) fn one(slot: usize) -> Self {
        let mut set = Self::EMPTY;
        set.0[slot / 64] = 1 << (slot % 64);
        set
    }

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    #[inline]
    pub(super) fn intersects(self, other: Self) -> bool {
        !(self & other).is_empty()
    }

    #[inline]
    pub(super) fn is_subset(self, other: Self) -> bool {
        (self & !other).is_empty()
    }

    /// How many slots are in it.
    #[inline]
    pub(super) fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The lowest slot in it; `64 * W` if there is none.
    #[inline]
    pub(super) fn first(self) -> usize {
        let word = self.0.iter().position(|word| *word != 0);
        word.map_or(64 * W, |word| 64 * word + self.0[word].trailing_zeros() as usize)
    }

    /// Its slots, from the lowest.
    #[inline]
    pub(super) fn iter(mut self) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || {
            let word = self.0.iter().position(|word| *word != 0)?;
            let slot = 64 * word + self.0[word].trailing_zeros() as usize;
            self.0[word] &= self.0[word] - 1;
            Some(slot)
        })
    }

    #[inline]
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|word| f(self.0[word], other.0[word])))
    }
}

impl<const W: usize> BitAnd for Slots<W> {
    type Output = Self;
    #[inline]
    fn bitand(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }
}

impl<const W: usize> BitOr for Slots<W> {
    type Output = Self;
    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }
}

impl<const W: usize> Not for Slots<W> {
    type Output = Self;
    #[inline]
    fn not(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

impl<const W: usize> BitAndAssign for Slots<W> {
    #[inline]
    fn bitand_assign(&mut self, other: Self) {
        *self = *self & other;
    }
}

impl<const W: usize> BitOrAssign for Slots<W> {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_beyond_the_first_word_are_slots_too() {
        let set = Slots::<3>::one(3) | Slots::one(64) | Slots::one(191);
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64, 191]);
        assert_eq!((set.count(), set.first(), (!set).first()), (3, 3, 0));
        assert!(Slots::one(64).is_subset(set) && !set.is_subset(Slots::one(64)));
        assert_eq!(Slots::<3>::EMPTY.first(), 192);
    }
}

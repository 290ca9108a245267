//! Seeded randomness whose meaning never changes: ChaCha's stream and the derivations below are pinned by a test.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A source of randomness for one component of a run.
#[derive(Clone, Debug)]
pub(crate) struct Random(ChaCha8Rng);

/// The randomness of one component (`faults`, `client 3`, …). Components do not disturb each other: to add one changes none of the others.
pub(crate) fn stream(seed: u64, component: &str) -> Random {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // FNV-1a: any fixed hash of the name will do.
    let number = component.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    rng.set_stream(number);
    Random(rng)
}

impl Random {
    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; `bound` must not be 0. The bias is below bound/2⁶⁴.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Whether something of this probability (0 to 1) happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        // 53 bits fill a double's fraction.
        ((self.next() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }

    /// One of several; nothing of nothing.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.below(items.len() as u64) as usize) }
    }

    /// Any order, each as likely (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut random = stream(7, "faults");
        let drawn: Vec<_> = (0..6).map(|_| random.below(100)).collect();
        assert_eq!(drawn, GOLDEN);
        assert_ne!((0..6).map(|_| stream(7, "client 0").below(100)).collect::<Vec<_>>(), GOLDEN);
    }

    const GOLDEN: [u64; 6] = [75, 57, 93, 38, 31, 82];

    #[test]
    fn chances_and_picks_are_even() {
        let mut random = stream(1, "test");
        let hits = (0..10_000).filter(|_| random.chance(0.3)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!((0..100).all(|_| !random.chance(0.0)) && (0..100).all(|_| random.chance(1.0)));
        let mut counts = [0; 5];
        for _ in 0..10_000 {
            counts[*random.pick(&[0, 1, 2, 3, 4]).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
    }
}

//! Seeded randomness. ChaCha's stream is fixed for ever, so a seed means the same in every version.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A node's source of randomness, used for election time-outs only.
#[derive(Clone, Debug)]
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number in `low..high`, or `low` when the interval is empty. The bias of the remainder is below 2⁻³²
    /// times the width, which no time-out notices.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        let width = high.saturating_sub(low).max(1);
        low + self.0.next_u32() % width
    }
}

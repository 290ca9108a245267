//! What a fault did on one link: the evidence.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// What a fault did, counted in items: datagrams on the packet relay's links, messages on the message relay's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counters {
    /// Those that came by while the fault was in force.
    pub(crate) seen: u64,
    /// Their sizes together.
    pub(crate) bytes: u64,
    /// Those that it dropped.
    pub(crate) dropped: u64,
    /// Those that it delayed.
    pub(crate) delayed: u64,
    /// Those that it sent twice.
    pub(crate) duplicated: u64,
    /// Those that it made late and that were seen to be passed on behind a later one.
    pub(crate) reordered: u64,
    /// Those in which it flipped a bit.
    pub(crate) corrupted: u64,
    /// Those whose ECN mark it changed.
    pub(crate) remarked: u64,
    /// Those that it kept back.
    pub(crate) held: u64,
    /// Those of them that it let go in the end.
    pub(crate) released: u64,
    /// Those that were passed on though it should have stopped them. Must be 0.
    pub(crate) leaked: u64,
}

impl Counters {
    /// Whether the fault did anything.
    pub(crate) fn touched(&self) -> bool {
        let Self { dropped, delayed, duplicated, corrupted, remarked, held, .. } = *self;
        dropped + delayed + duplicated + corrupted + remarked + held > 0
    }

    fn add(&mut self, other: &Self) {
        self.seen += other.seen;
        self.bytes += other.bytes;
        self.dropped += other.dropped;
        self.delayed += other.delayed;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.remarked += other.remarked;
        self.held += other.held;
        self.released += other.released;
        self.leaked += other.leaked;
    }
}

/// Counters, and how long the delays were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) counters: Counters,
    /// How many of each class it did something to.
    pub(crate) by_class: BTreeMap<u8, u64>,
    delays: Histogram,
}

impl Tally {
    pub(crate) fn delayed(&mut self, late: Duration) {
        self.counters.delayed += 1;
        self.delays.record(late);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.counters.add(&other.counters);
        for (class, count) in &other.by_class {
            *self.by_class.entry(*class).or_default() += count;
        }
        self.delays.add(&other.delays);
    }

    /// The delay that so much of the delayed did not exceed (`share` of 0.5: the median), at most an eighth too long. Zero if nothing was delayed.
    pub(crate) fn delay(&self, share: f64) -> Duration {
        self.delays.quantile(share)
    }
}

/// Durations in buckets an eighth of their size wide: as many as there are different ones, 500 at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Histogram(BTreeMap<u32, u64>);

/// Buckets in each doubling, as a power of two.
const STEPS_BITS: u32 = 3;

impl Histogram {
    fn record(&mut self, duration: Duration) {
        *self.0.entry(bucket(duration.as_nanos() as u64)).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }

    fn quantile(&self, share: f64) -> Duration {
        let total: u64 = self.0.values().sum();
        let rank = ((total as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, count) in &self.0 {
            below += count;
            if below >= rank {
                return Duration::from_nanos(longest(*bucket));
            }
        }
        Duration::ZERO
    }
}

/// The bucket of a number: below 2^STEPS_BITS itself, then the position of the highest bit and the bits behind it.
fn bucket(number: u64) -> u32 {
    let exponent = (u64::BITS - number.leading_zeros()).saturating_sub(STEPS_BITS + 1);
    (exponent << STEPS_BITS) + (number >> exponent) as u32
}

/// The largest number of a bucket.
fn longest(bucket: u32) -> u64 {
    let exponent = (bucket >> STEPS_BITS).saturating_sub(1);
    let mantissa = u64::from(bucket - (exponent << STEPS_BITS));
    let next = u128::from(mantissa + 1) << exponent;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_at_most_an_eighth_apart() {
        let mut last = 0;
        for number in (0..100_000).chain([1 << 40, u64::MAX - 1, u64::MAX]) {
            let bucket = bucket(number);
            let top = longest(bucket);
            assert!(bucket >= last && bucket < 512, "{number}");
            assert!(
                top >= number && top - number <= number / 8,
                "{number} in a bucket up to {top}"
            );
            last = bucket;
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut tally = Tally::default();
        assert_eq!(tally.delay(0.5), Duration::ZERO);
        for milliseconds in 1..=100 {
            tally.delayed(Duration::from_millis(milliseconds));
        }
        for (share, milliseconds) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = tally.delay(share).as_secs_f64() * 1e3;
            assert!((milliseconds..=milliseconds * 1.125).contains(&found), "{share}: {found}");
        }
        let mut twice = tally.clone();
        twice.add(&tally);
        assert_eq!((twice.counters.delayed, twice.delay(0.5)), (200, tally.delay(0.5)));
    }
}

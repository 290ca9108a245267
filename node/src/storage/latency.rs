//! How long syncs take: what tells a slow disk, or a starved machine, from a fault of the system under test.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Buckets of the histogram: four to each doubling from 1 µs to more than an hour.
const BUCKETS: usize = 4 * 32;

/// How long the syncs of the durable log took since it was opened.
#[derive(Clone, Debug)]
pub struct SyncTimes {
    count: u64,
    last: Duration,
    max: Duration,
    /// How many syncs fell into each bucket.
    buckets: [u64; BUCKETS],
}

/// [`SyncTimes`] in figures, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncFigures {
    /// How many syncs there were.
    pub count: u64,
    /// The latest.
    pub last_us: u64,
    /// The longest.
    pub max_us: u64,
    /// Half of them took no longer; rounded up by at most a quarter.
    pub p50_us: u64,
    /// All but one in a hundred took no longer; rounded likewise.
    pub p99_us: u64,
}

impl Default for SyncTimes {
    fn default() -> Self {
        Self { count: 0, last: Duration::ZERO, max: Duration::ZERO, buckets: [0; BUCKETS] }
    }
}

impl SyncTimes {
    pub(super) fn record(&mut self, took: Duration) {
        self.count += 1;
        self.last = took;
        self.max = self.max.max(took);
        self.buckets[bucket(took.as_micros() as u64)] += 1;
    }

    /// What has been measured so far.
    pub fn figures(&self) -> SyncFigures {
        SyncFigures {
            count: self.count,
            last_us: self.last.as_micros() as u64,
            max_us: self.max.as_micros() as u64,
            p50_us: self.quantile_us(50),
            p99_us: self.quantile_us(99),
        }
    }

    /// The upper end of the bucket within which `percent` of the syncs end, but never more than the longest; 0 without syncs.
    fn quantile_us(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (place, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_end(place).min(self.max.as_micros() as u64);
            }
        }
        unreachable!("the buckets hold every sync")
    }
}

/// The bucket of a time: below 4 µs one each, then four to each doubling.
fn bucket(us: u64) -> usize {
    if us < 4 {
        return us as usize;
    }
    let doubling = us.ilog2() as usize;
    let quarter = (us >> (doubling - 2)) as usize & 3;
    (4 * (doubling - 1) + quarter).min(BUCKETS - 1)
}

/// The longest time of a bucket, in microseconds.
fn upper_end(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let (doubling, quarter) = (bucket / 4 + 1, bucket as u64 % 4);
    ((4 + quarter + 1) << (doubling - 2)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_meet_without_gaps_and_are_a_quarter_wide() {
        for us in 0..100_000 {
            let place = bucket(us);
            assert!(us <= upper_end(place), "{us}");
            assert!(place == 0 || us > upper_end(place - 1), "{us}");
            assert!(upper_end(place) <= us + us / 4, "{us}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_the_times_recorded() {
        let mut times = SyncTimes::default();
        assert_eq!(times.figures().p99_us, 0);
        for us in 1..=200 {
            times.record(Duration::from_micros(us));
        }
        let figures = times.figures();
        assert_eq!((figures.count, figures.last_us, figures.max_us), (200, 200, 200));
        assert!((100..=125).contains(&figures.p50_us), "{figures:?}");
        assert!((198..=200).contains(&figures.p99_us), "{figures:?}");
    }
}

//! Seeded chance with memory, by arithmetic that is exact everywhere: a pattern must not hang on the machine's mathematical library.

use std::time::Duration;

use super::rule::{Bursts, Delay, Distribution};
use crate::plan::{Random, stream};

/// Pareto tails are cut off at so many times the jitter.
const TAIL_MAX: f64 = 100.0;

/// A sequence of draws, some of which repeat the one before. What is drawn is as likely as without that.
#[derive(Clone, Debug)]
pub(super) struct Luck<V> {
    random: Random,
    correlation: f64,
    last: Option<V>,
}

impl<V: Copy> Luck<V> {
    pub(super) fn new(seed: u64, component: &str, correlation: f64) -> Self {
        Self { random: stream(seed, component), correlation, last: None }
    }

    /// Always draws the same number of times from the stream for the same kind of draw.
    fn draw(&mut self, fresh: impl FnOnce(&mut Random) -> V) -> V {
        let again = self.random.chance(self.correlation);
        let fresh = fresh(&mut self.random);
        let value = self.last.filter(|_| again).unwrap_or(fresh);
        self.last = Some(value);
        value
    }
}

impl Luck<bool> {
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.draw(|random| random.chance(share))
    }
}

impl Luck<Duration> {
    pub(super) fn delay(&mut self, delay: &Delay) -> Duration {
        self.draw(|random| spread(delay, random))
    }
}

fn spread(delay: &Delay, random: &mut Random) -> Duration {
    let Delay { base, jitter, distribution } = *delay;
    match distribution {
        Distribution::Uniform => base + jitter.mul_f64(unit(random)),
        Distribution::Normal => {
            // Twelve even draws less their mean have a standard deviation of 1 (Irwin and Hall).
            let deviation: f64 = (0..12).map(|_| unit(random)).sum::<f64>() - 6.0;
            let nanoseconds = base.as_nanos() as f64 + deviation * jitter.as_nanos() as f64;
            Duration::from_nanos(nanoseconds.max(0.0) as u64)
        }
        Distribution::Pareto => {
            // Lomax of index 4 by its inverse: the mean of u^(-1/4) - 1 is a third.
            let tail = 1.0 / (1.0 - unit(random)).sqrt().sqrt() - 1.0;
            base + jitter.mul_f64((3.0 * tail).min(TAIL_MAX))
        }
    }
}

/// A number from 0 up to 1, of the 53 bits that a double holds.
fn unit(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Gilbert and Elliott's chain.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    random: Random,
    within: bool,
}

impl Chain {
    pub(super) fn new(seed: u64, component: &str) -> Self {
        Self { random: stream(seed, component), within: false }
    }

    /// Whether the next item is lost.
    pub(super) fn loses(&mut self, bursts: &Bursts) -> bool {
        let turns = self.random.chance(if self.within { bursts.end } else { bursts.begin });
        self.within ^= turns;
        self.random.chance(if self.within { bursts.within } else { bursts.between })
    }
}

//! What a fault does to what travels a link, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which items of a link a fault concerns. Without it, all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Concern {
    /// Their classes, a bit each.
    pub(crate) classes: u32,
    /// Only this one of them, counted from 1 since the fault began.
    pub(crate) nth: Option<u64>,
}

impl Default for Concern {
    fn default() -> Self {
        Self { classes: u32::MAX, nth: None }
    }
}

impl Concern {
    /// Whether items of this class are meant.
    pub(crate) fn includes(self, class: u8) -> bool {
        self.classes >> class & 1 == 1
    }
}

/// What a fault does to a link.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// Nothing passes.
    Cut {
        mode: CutMode,
        /// The link comes and goes meanwhile.
        flapping: Option<Flapping>,
    },
    /// Much passes, but not unharmed.
    Impair(Impairment),
}

/// What becomes of what comes to a cut link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutMode {
    /// It is lost.
    Drop,
    /// It is kept, and passed on in order when the cut ends.
    Hold,
}

/// A link that is cut and whole in turn, cut first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flapping {
    pub(crate) up: Duration,
    pub(crate) down: Duration,
}

impl Flapping {
    /// How long the link stays cut, so long after the cut began; zero while it is whole.
    pub(crate) fn down_for(&self, since: Duration) -> Duration {
        let period = (self.up + self.down).as_nanos().max(1);
        let within = Duration::from_nanos((since.as_nanos() % period) as u64);
        self.down.saturating_sub(within)
    }
}

/// How a link impairs what passes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Impairment {
    pub(crate) loss: Option<Loss>,
    pub(crate) delay: Option<Delay>,
    /// Share that is sent twice.
    pub(crate) duplicate: f64,
    /// How much later the second one comes; it comes at once, if nothing is said.
    pub(crate) copies_behind: Duration,
    pub(crate) reorder: Option<Reorder>,
    /// Share in which one bit is flipped.
    pub(crate) corrupt: f64,
    pub(crate) rate: Option<Rate>,
    /// What is larger, in bytes, is lost.
    pub(crate) mtu: Option<usize>,
    pub(crate) ecn: Option<EcnMark>,
    /// Share of the items whose luck (in loss, delay, duplication, reordering, corruption) is that of the one before. It makes streaks without changing how
    /// much is hit: the autocorrelation of neighbours is just this number.
    pub(crate) correlation: f64,
}

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// This share, each for itself.
    Share(f64),
    /// By Gilbert and Elliott's chain of two states.
    Bursts(Bursts),
}

/// Gilbert-Elliott: a chain of two states, each with its share of losses. (Elliott 1963, p, r, 1-k and 1-h.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bursts {
    /// Chance that a burst begins with the next item.
    pub(crate) begin: f64,
    /// Chance that it is over with the next item.
    pub(crate) end: f64,
    /// Share that is lost within bursts.
    pub(crate) within: f64,
    /// Share that is lost between them.
    pub(crate) between: f64,
}

/// How late items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    pub(crate) base: Duration,
    pub(crate) jitter: Duration,
    pub(crate) distribution: Distribution,
}

/// How delays spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Distribution {
    /// Evenly between the delay and the delay plus the jitter.
    #[default]
    Uniform,
    /// Normal around the delay, the jitter being the standard deviation; never below zero.
    Normal,
    /// At least the delay; what comes on top has the jitter for its mean and a Pareto tail of index 4.
    Pareto,
}

/// Some are made later than the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reorder {
    pub(crate) share: f64,
    /// By how much.
    pub(crate) by: Duration,
}

/// A link of limited speed with a queue in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) bytes_per_second: u64,
    /// What does not fit into the queue is lost.
    pub(crate) queue_bytes: u64,
}

/// What becomes of ECN marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EcnMark {
    /// They are removed, as broken middleboxes do.
    Bleach,
    /// What says that it understands ECN is told of congestion.
    #[serde(rename = "ce")]
    CongestionExperienced,
}

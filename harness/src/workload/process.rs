//! What is done to processes, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Target;
use super::units;

/// Which processes are killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kill {
    /// Whose.
    pub(crate) node: Target,
}

/// Which processes are asked to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terminate {
    /// Whose.
    pub(crate) node: Target,
}

/// Which processes are stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    /// Whose.
    pub(crate) node: Target,
}

/// Which processes end and are started again at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restart {
    /// Whose.
    pub(crate) node: Target,
    /// How they end.
    #[serde(default, skip_serializing_if = "EndedBy::is_kill")]
    pub(crate) how: EndedBy,
    /// How long after one restart the next one comes. Without it there is one only.
    #[serde(
        default,
        deserialize_with = "units::some_duration",
        serialize_with = "units::write_some_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) every: Option<Duration>,
}

/// How a process is made to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndedBy {
    /// It is killed (SIGKILL).
    #[default]
    Kill,
    /// It is asked to end (SIGTERM).
    Terminate,
}

impl Restart {
    /// A node needs some time to come up.
    pub(super) const EVERY_MIN: Duration = Duration::from_millis(100);
}

impl EndedBy {
    fn is_kill(&self) -> bool {
        *self == Self::Kill
    }
}

/// Which processes get little of the processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Starve {
    /// Whose.
    pub(crate) node: Target,
    /// The share of the time in which they may run.
    #[serde(deserialize_with = "units::share", serialize_with = "units::write_share")]
    pub(crate) cpu: f64,
    /// One stop and one continuation: short, and they are slow all the time; long, and they fall silent in between.
    #[serde(
        default = "Starve::default_cycle",
        deserialize_with = "units::duration",
        serialize_with = "units::write_duration",
        skip_serializing_if = "Starve::is_default_cycle"
    )]
    pub(crate) cycle: Duration,
}

impl Starve {
    /// What can be carried out with pauses of some milliseconds.
    pub(crate) const CPU: std::ops::RangeInclusive<f64> = 0.01..=0.9;
    /// Of the shortest, a hundredth is a millisecond, which timers can tell.
    pub(crate) const CYCLE_MIN: Duration = Duration::from_millis(100);

    fn default_cycle() -> Duration {
        Self::CYCLE_MIN
    }

    fn is_default_cycle(cycle: &Duration) -> bool {
        *cycle == Self::default_cycle()
    }
}

/// What processes may no longer have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    /// Whose.
    pub(crate) node: Target,
    /// How many file descriptors they may have. Those that are open stay open.
    pub(crate) open_files: u64,
}

/// Which processes end orderly and come back as another program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upgrade {
    /// Whose.
    pub(crate) node: Target,
    /// As which.
    pub(crate) to: Version,
}

/// A program that the command line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Version {
    /// The one that `--next-bin` names.
    Next,
}

/// Which nodes lose all that they have on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wipe {
    /// Which.
    pub(crate) node: Target,
}

//! When faults happen, and which of several.

use std::time::Duration;

use serde::Deserialize;

use super::fault::Fault;
use super::units::Time;

/// When faults happen, and which.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenRule")]
pub(crate) struct FaultRule {
    /// When they begin.
    pub(crate) when: When,
    /// How long they last.
    pub(crate) lasts: Duration,
    /// Which of the faults an occurrence takes.
    pub(crate) choice: Choice,
    /// The faults to choose from.
    pub(crate) faults: Vec<Fault>,
}

/// When the faults of a rule begin, counted from the moment when clients and faults begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Once in each slot of this length, somewhere such that they end within the slot.
    Every(Duration),
    /// Once, at this moment.
    At(Duration),
}

/// Which faults of a rule an occurrence takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// One, drawn anew each time.
    OneOf,
    /// All at once.
    AllOf,
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    every: Option<Time>,
    at: Option<Time>,
    r#for: Time,
    one_of: Option<Vec<Fault>>,
    all_of: Option<Vec<Fault>>,
}

impl TryFrom<WrittenRule> for FaultRule {
    type Error = &'static str;

    fn try_from(written: WrittenRule) -> Result<Self, Self::Error> {
        let when = match (written.every, written.at) {
            (Some(Time(period)), None) => When::Every(period),
            (None, Some(Time(at))) => When::At(at),
            _ => return Err("a fault rule has either `every` or `at`"),
        };
        let (choice, faults) = match (written.one_of, written.all_of) {
            (Some(faults), None) => (Choice::OneOf, faults),
            (None, Some(faults)) => (Choice::AllOf, faults),
            _ => return Err("a fault rule has either `one_of` or `all_of`"),
        };
        Ok(Self { when, lasts: written.r#for.0, choice, faults })
    }
}

//! What is done to messages between nodes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Target;
use super::message_kind::{self, MessageKind};
use super::units;

/// Which messages between nodes are concerned, and what is done to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Messages {
    /// Their kinds; all of them, if none is named.
    #[serde(
        rename = "type",
        deserialize_with = "message_kind::one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) kinds: Vec<MessageKind>,
    /// Who sends them.
    #[serde(skip_serializing_if = "Target::is_all")]
    pub(crate) from: Target,
    /// Who is to receive them.
    #[serde(skip_serializing_if = "Target::is_all")]
    pub(crate) to: Target,
    /// Only this one of them on each link, counted from 1 since the fault began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nth: Option<u64>,
    /// Share of them that is lost.
    #[serde(
        deserialize_with = "units::share",
        serialize_with = "units::write_share",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) drop: f64,
    /// Whether they are kept back until the fault ends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) hold: bool,
    /// How late each is, at least.
    #[serde(
        deserialize_with = "units::duration",
        serialize_with = "units::write_duration",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) delay: Duration,
    /// How much later than that, at most.
    #[serde(
        deserialize_with = "units::duration",
        serialize_with = "units::write_duration",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) jitter: Duration,
    /// Share of them of which a copy comes later.
    #[serde(
        deserialize_with = "units::share",
        serialize_with = "units::write_share",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) duplicate: f64,
    /// Share of them that comes late, behind others.
    #[serde(
        deserialize_with = "units::share",
        serialize_with = "units::write_share",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) reorder: f64,
    /// How much later copies and reordered messages come; 50ms, if nothing is said.
    #[serde(
        deserialize_with = "units::some_duration",
        serialize_with = "units::write_some_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) behind: Option<Duration>,
}

impl Messages {
    /// How much later copies and reordered messages come.
    pub(crate) fn behind(&self) -> Duration {
        self.behind.unwrap_or(Duration::from_millis(50))
    }

    /// In words: `hold append_entries`.
    pub(crate) fn describe(&self) -> String {
        let mut done = Vec::new();
        let share = |share: f64, what: &str| match share {
            1.0 => what.to_string(),
            share => format!("{what} {}", units::share_words(share)),
        };
        for (part, what) in
            [(self.drop, "drop"), (self.duplicate, "duplicate"), (self.reorder, "reorder")]
        {
            if part > 0.0 {
                done.push(share(part, what));
            }
        }
        if self.hold {
            done.push("hold".into());
        }
        let late = self.delay + self.jitter;
        if !late.is_zero() {
            done.push(format!("delay up to {}", units::duration_words(late)));
        }
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
        let which = if kinds.is_empty() { "messages".into() } else { kinds.join(" and ") };
        let nth = self.nth.map_or_else(String::new, |nth| format!(" number {nth}"));
        format!("{} of {which}{nth}", done.join(", "))
    }
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

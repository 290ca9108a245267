//! What a check of a history expects beyond its defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What checks of histories expect: the object `options` of a judge plan. Without any, each check convicts of what is wrong whatever was expected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// `set-full`: reads are linearizable, so that a stale one is a violation (Jepsen's `:linearizable?`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub linearizable: bool,
    /// `bank`: balances may be below zero (Jepsen's `:negative-balances?`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub negative_balances: bool,
    /// `bank`: the sum of all balances; without it, that of the first read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// `availability`: the longest time without a success that is allowed, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_max: Option<u64>,
    /// `availability`: how soon after the end of each fault something must succeed, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_max: Option<u64>,
    /// `availability` and `recovery`: how late a thread may wake, and how long a sync may take, in nanoseconds, before the host is slow and the time
    /// does not count. Without it, all time counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_host: Option<u64>,
    /// `latency`: the longest that a quantile (`p50`, `p90`, `p99`, `p99.9`, `max`) of an operation may be, in nanoseconds: `{"read": {"p99": 5000000}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub latency_max: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Options {
    /// Whether nothing is expected beyond the defaults.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

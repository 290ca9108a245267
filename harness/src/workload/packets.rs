//! What happens to packets, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Target;
use super::units::{self, bytes_words, duration_words, share_words};
use crate::links::{Distribution, EcnMark};

/// What happens to packets, and on which links.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Packets {
    /// Share of the packets that are lost, 0 to 1.
    #[serde(
        deserialize_with = "units::share",
        serialize_with = "units::write_share",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) loss: f64,
    /// Losses that come in bursts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loss_bursts: Option<LossBursts>,
    /// How late the others are.
    #[serde(
        deserialize_with = "units::duration",
        serialize_with = "units::write_duration",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) delay: Duration,
    /// How much the delay varies; what that means says the distribution. Jitter reorders packets.
    #[serde(
        deserialize_with = "units::duration",
        serialize_with = "units::write_duration",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) jitter: Duration,
    /// How the delay varies.
    #[serde(skip_serializing_if = "is_uniform")]
    pub(crate) distribution: Distribution,
    /// Share of the packets that are later than the rest.
    #[serde(
        deserialize_with = "units::share",
        serialize_with = "units::write_share",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) reorder: f64,
    /// By how much.
    #[serde(
        deserialize_with = "units::duration",
        serialize_with = "units::write_duration",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) reorder_by: Duration,
    /// Share of the packets that come twice.
    #[serde(
        deserialize_with = "units::share",
        serialize_with = "units::write_share",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) duplicate: f64,
    /// Share of the packets in which a bit is flipped.
    #[serde(
        deserialize_with = "units::share",
        serialize_with = "units::write_share",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) corrupt: f64,
    /// Share of the packets that have the luck of the one before.
    #[serde(
        deserialize_with = "units::share",
        serialize_with = "units::write_share",
        skip_serializing_if = "is_zero"
    )]
    pub(crate) correlation: f64,
    /// Bytes a second that a link carries.
    #[serde(
        deserialize_with = "units::some_byte_rate",
        serialize_with = "units::write_byte_rate",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) rate: Option<u64>,
    /// Bytes that may wait for a slow link.
    #[serde(
        deserialize_with = "units::some_bytes",
        serialize_with = "units::write_bytes",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) queue: Option<u64>,
    /// The largest packet that passes, in bytes of UDP payload.
    #[serde(
        deserialize_with = "units::some_bytes",
        serialize_with = "units::write_bytes",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) mtu: Option<u64>,
    /// What becomes of ECN marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ecn: Option<EcnMark>,
    /// Whether dialers get a new source port when the fault begins.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) rebind: bool,
    /// The sending end of the links.
    #[serde(skip_serializing_if = "Target::is_all")]
    pub(crate) from: Target,
    /// The receiving end of the links.
    #[serde(skip_serializing_if = "Target::is_all")]
    pub(crate) to: Target,
}

/// Losses by the model of Gilbert and Elliott: a link that is in a burst or not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossBursts {
    /// Chance that a burst begins with a packet.
    #[serde(deserialize_with = "units::share", serialize_with = "units::write_share")]
    pub(crate) begin: f64,
    /// Chance that a burst is over with a packet.
    #[serde(deserialize_with = "units::share", serialize_with = "units::write_share")]
    pub(crate) end: f64,
    /// Share that is lost within bursts.
    #[serde(
        default = "everything",
        deserialize_with = "units::share",
        serialize_with = "units::write_share"
    )]
    pub(crate) within: f64,
    /// Share that is lost between them.
    #[serde(default, deserialize_with = "units::share", serialize_with = "units::write_share")]
    pub(crate) between: f64,
}

fn everything() -> f64 {
    1.0
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

fn is_uniform(distribution: &Distribution) -> bool {
    *distribution == Distribution::Uniform
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Packets {
    /// Bytes that may wait for a slow link, where the workload does not say.
    pub(crate) const QUEUE_BYTES: u64 = 64_000;

    /// In words: `10% loss, 40ms to 60ms delay`.
    pub(crate) fn describe(&self) -> String {
        let mut words = Vec::new();
        let mut share = |share: f64, what: &str| {
            if share > 0.0 {
                words.push(format!("{} {what}", share_words(share)));
            }
        };
        share(self.loss, "loss");
        if let Some(bursts) = self.loss_bursts {
            share(bursts.within, "loss in bursts");
        }
        share(self.duplicate, "twice");
        share(self.corrupt, "corrupt");
        let late = format!("late by {}", duration_words(self.reorder_by));
        share(self.reorder, &late);
        words.extend(self.delay_words());
        if let Some(rate) = self.rate {
            words.push(format!("{}/s", bytes_words(rate)));
        }
        if let Some(mtu) = self.mtu {
            words.push(format!("at most {}", bytes_words(mtu)));
        }
        words.extend(self.ecn.map(|mark| match mark {
            EcnMark::Bleach => "ECN bleached".to_string(),
            EcnMark::CongestionExperienced => "congestion marked".to_string(),
        }));
        if self.rebind {
            words.push("new ports".to_string());
        }
        words.join(", ")
    }

    fn delay_words(&self) -> Option<String> {
        let (base, jitter) = (duration_words(self.delay), duration_words(self.jitter));
        match self.distribution {
            _ if self.delay.is_zero() && self.jitter.is_zero() => None,
            _ if self.jitter.is_zero() => Some(format!("{base} delay")),
            Distribution::Uniform => {
                Some(format!("{base} to {} delay", duration_words(self.delay + self.jitter)))
            }
            Distribution::Normal => Some(format!("{base} ± {jitter} delay")),
            Distribution::Pareto => Some(format!("{base} + {jitter} delay with a long tail")),
        }
    }
}

//! Which fault needs what. All of it stands here, and the compiler sees to it that no fault is forgotten.

use super::Capability;
use crate::workload::{Fault, Mode, Packets, Partition};

/// What every run needs, whatever its faults: links, nodes that are ours to end and end with us, and a recording that is there afterwards.
pub(super) const EVERY_RUN: &[Capability] = &[
    Capability::Udp,
    Capability::Descriptors,
    Capability::Signals,
    Capability::ParentDeath,
    Capability::Proc,
    Capability::Sync,
];

/// A fault, as far as it makes a difference to the machine: a kind of fault, or a variety of one that needs more than the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Partition,
    Reject,
    Packets,
    Ecn,
    Messages,
    Kill,
    Terminate,
    Restart,
    Pause,
    Starve,
    Limit,
    Upgrade,
    Wipe,
    Members,
    Transfer,
}

impl Means {
    /// All of them, in the order of `docs/faults.md`.
    pub(crate) const ALL: [Self; 15] = [
        Self::Partition,
        Self::Reject,
        Self::Packets,
        Self::Ecn,
        Self::Messages,
        Self::Kill,
        Self::Terminate,
        Self::Restart,
        Self::Pause,
        Self::Starve,
        Self::Limit,
        Self::Upgrade,
        Self::Wipe,
        Self::Members,
        Self::Transfer,
    ];

    /// What a fault is to the machine.
    pub(crate) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Partition(Partition { mode: Mode::Reject, .. }) => Self::Reject,
            Fault::Partition(_) => Self::Partition,
            Fault::Packets(Packets { ecn: Some(_), .. }) => Self::Ecn,
            Fault::Packets(_) => Self::Packets,
            Fault::Messages(_) => Self::Messages,
            Fault::Kill(_) => Self::Kill,
            Fault::Terminate(_) => Self::Terminate,
            Fault::Restart(_) => Self::Restart,
            Fault::Pause(_) => Self::Pause,
            Fault::Starve(_) => Self::Starve,
            Fault::Limit(_) => Self::Limit,
            Fault::Upgrade(_) => Self::Upgrade,
            Fault::Wipe(_) => Self::Wipe,
            Fault::Members(_) => Self::Members,
            Fault::Transfer(_) => Self::Transfer,
        }
    }

    /// As a workload has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Reject => "partition, mode: reject",
            Self::Packets => "packets",
            Self::Ecn => "packets, ecn",
            Self::Messages => "messages",
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Starve => "starve",
            Self::Limit => "limit",
            Self::Upgrade => "upgrade",
            Self::Wipe => "wipe",
            Self::Members => "members",
            Self::Transfer => "transfer",
        }
    }

    /// What it needs beside what every run does.
    pub(crate) fn needs(self) -> &'static [Capability] {
        match self {
            Self::Reject => &[Capability::Refusal],
            Self::Ecn => &[Capability::Ecn],
            Self::Pause | Self::Starve => &[Capability::Stop],
            Self::Limit => &[Capability::Limits],
            // Links, processes that are ended and started, and requests to nodes: every run has these.
            Self::Partition
            | Self::Packets
            | Self::Messages
            | Self::Kill
            | Self::Terminate
            | Self::Restart
            | Self::Upgrade
            | Self::Wipe
            | Self::Members
            | Self::Transfer => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_has_its_row_and_varieties_need_more() {
        for kind in Fault::KINDS {
            assert!(Means::ALL.iter().any(|means| means.name() == kind), "{kind}");
        }
        let means = |written: &str| Means::of(&serde_json::from_str(written).unwrap());
        for (written, expected) in [
            (r#"{"partition":{"isolate":"n1"}}"#, Means::Partition),
            (r#"{"partition":{"isolate":"n1","mode":"reject"}}"#, Means::Reject),
            (r#"{"packets":{"loss":"10%"}}"#, Means::Packets),
            (r#"{"packets":{"ecn":"bleach"}}"#, Means::Ecn),
        ] {
            assert_eq!(means(written), expected, "{written}");
        }
    }
}

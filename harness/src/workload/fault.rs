//! Faults as data: what is done to the system, and to whom.
//!
//! They serialise as they were written, without defaults (`{"partition":{"isolate":"leader"}}`): that is how they stand in
//! the history and in `schedule.jsonl`.

use serde::{Deserialize, Serialize};

use super::membership::{Members, Transfer};
use super::messages::Messages;
use super::packets::Packets;
use super::partition::{Cut, Partition, Shape};
use super::process::{Kill, Limit, Pause, Restart, Starve, Terminate, Upgrade, Wipe};
pub(crate) use super::target::Target;

/// A fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "WrittenFault")]
pub(crate) enum Fault {
    /// Links are cut.
    Partition(Partition),
    /// Packets are lost, late, twice, out of order, spoilt.
    Packets(Packets),
    /// Messages between nodes are lost, late, doubled or kept back.
    Messages(Messages),
    /// Processes are killed (SIGKILL) and, in the end, started again on what they left on disk.
    Kill(Kill),
    /// Processes are asked to end (SIGTERM) and, in the end, started again.
    Terminate(Terminate),
    /// Processes end and are started again at once, perhaps over and over.
    Restart(Restart),
    /// Processes are stopped (SIGSTOP) and, in the end, continued.
    Pause(Pause),
    /// Processes are stopped and continued in turn, and so get little of the processor.
    Starve(Starve),
    /// Processes may have few of something.
    Limit(Limit),
    /// Processes end orderly and come back as another program, for good.
    Upgrade(Upgrade),
    /// Processes are killed and, in the end, started again on an empty disk.
    Wipe(Wipe),
    /// The members change and, in the end, change back.
    Members(Members),
    /// The leadership is handed over.
    Transfer(Transfer),
}

/// A fault as it is written: a mapping with one key, and perhaps its weight. Not serde's own way to write an enum, which in YAML is a
/// tag (`!partition`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFault {
    pub(super) weight: Option<u32>,
    partition: Option<Partition>,
    packets: Option<Packets>,
    messages: Option<Messages>,
    kill: Option<Kill>,
    terminate: Option<Terminate>,
    restart: Option<Restart>,
    pause: Option<Pause>,
    starve: Option<Starve>,
    limit: Option<Limit>,
    upgrade: Option<Upgrade>,
    wipe: Option<Wipe>,
    members: Option<Members>,
    transfer: Option<Transfer>,
}

impl TryFrom<WrittenFault> for Fault {
    type Error = String;

    fn try_from(written: WrittenFault) -> Result<Self, Self::Error> {
        let WrittenFault {
            weight: _,
            partition,
            packets,
            messages,
            kill,
            terminate,
            restart,
            pause,
            starve,
            limit,
            upgrade,
            wipe,
            members,
            transfer,
        } = written;
        let all = [
            partition.map(Self::Partition),
            packets.map(Self::Packets),
            messages.map(Self::Messages),
            kill.map(Self::Kill),
            terminate.map(Self::Terminate),
            restart.map(Self::Restart),
            pause.map(Self::Pause),
            starve.map(Self::Starve),
            limit.map(Self::Limit),
            upgrade.map(Self::Upgrade),
            wipe.map(Self::Wipe),
            members.map(Self::Members),
            transfer.map(Self::Transfer),
        ];
        let mut named = all.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(fault), None) => Ok(fault),
            _ => {
                let known = Self::KINDS.map(|kind| format!("`{kind}`")).join(", ");
                Err(format!("expected exactly one of {known}"))
            }
        }
    }
}

impl Fault {
    /// The names of all kinds.
    pub(crate) const KINDS: [&str; 13] = [
        "partition",
        "packets",
        "messages",
        "kill",
        "terminate",
        "restart",
        "pause",
        "starve",
        "limit",
        "upgrade",
        "wipe",
        "members",
        "transfer",
    ];

    /// Its name in the workload.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Partition(_) => "partition",
            Self::Packets(_) => "packets",
            Self::Messages(_) => "messages",
            Self::Kill(_) => "kill",
            Self::Terminate(_) => "terminate",
            Self::Restart(_) => "restart",
            Self::Pause(_) => "pause",
            Self::Starve(_) => "starve",
            Self::Limit(_) => "limit",
            Self::Upgrade(_) => "upgrade",
            Self::Wipe(_) => "wipe",
            Self::Members(_) => "members",
            Self::Transfer(_) => "transfer",
        }
    }

    /// Whom it strikes, each with its key in the workload.
    pub(crate) fn targets(&self) -> Vec<(&'static str, &Target)> {
        match self {
            Self::Partition(Partition { cut: Cut::Isolate(node), .. }) => vec![("isolate", node)],
            Self::Partition(_) => Vec::new(),
            Self::Packets(packets) => vec![("from", &packets.from), ("to", &packets.to)],
            Self::Messages(messages) => vec![("from", &messages.from), ("to", &messages.to)],
            Self::Kill(Kill { node })
            | Self::Terminate(Terminate { node })
            | Self::Restart(Restart { node, .. })
            | Self::Pause(Pause { node })
            | Self::Starve(Starve { node, .. })
            | Self::Limit(Limit { node, .. })
            | Self::Upgrade(Upgrade { node, .. })
            | Self::Wipe(Wipe { node }) => vec![("node", node)],
            Self::Members(members) => members.targets(),
            Self::Transfer(Transfer { to }) => vec![("to", to)],
        }
    }

    /// Whether it can only be applied while somebody leads.
    pub(crate) fn needs_leader(&self) -> bool {
        let by_shape = |fault: &Self| match fault {
            Self::Partition(partition) => partition.cut == Cut::Shape(Shape::LeaderWithFollower),
            _ => false,
        };
        by_shape(self) || self.targets().iter().any(|(_, target)| target.depends_on_leader())
    }

    /// Whether it can only be applied while somebody stands for election.
    pub(crate) fn needs_candidate(&self) -> bool {
        self.targets().iter().any(|(_, target)| **target == Target::Candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_it_was_read_without_defaults() {
        for written in [
            r#"{"partition":{"isolate":"leader"}}"#,
            r#"{"partition":{"isolate":"n2","direction":"out","clients":true}}"#,
            r#"{"partition":{"shape":"majorities-ring"}}"#,
            r#"{"partition":{"shape":"bridge","direction":"in","mode":"hold","clients":true}}"#,
            r#"{"partition":{"shape":"one","mode":"reject"}}"#,
            r#"{"partition":{"grudge":{"n1":["n2","n3"]},"flapping":{"up":"300ms","down":"500ms"}}}"#,
            r#"{"packets":{"loss":"10%","delay":"40ms","jitter":"20ms","from":"leader"}}"#,
            r#"{"packets":{"delay":"2s","to":"n3"}}"#,
            r#"{"messages":{"type":["append_entries"],"from":"leader","duplicate":"20%","behind":"1s"}}"#,
            r#"{"messages":{"to":"n1","nth":3,"drop":"100%"}}"#,
            r#"{"messages":{"hold":true,"delay":"40ms","jitter":"20ms","reorder":"5%"}}"#,
            r#"{"packets":{"loss_bursts":{"begin":"1%","end":"20%","within":"100%","between":"0%"}}}"#,
            r#"{"packets":{"delay":"5ms","jitter":"5ms","distribution":"pareto","correlation":"25%"}}"#,
            r#"{"packets":{"reorder":"10%","reorder_by":"20ms","duplicate":"5%","corrupt":"1%"}}"#,
            r#"{"packets":{"rate":"200kB/s","queue":"32kB","mtu":"1300B"}}"#,
            r#"{"packets":{"ecn":"bleach","rebind":true}}"#,
            r#"{"kill":{"node":"all"}}"#,
            r#"{"kill":{"node":["n1","n3"]}}"#,
            r#"{"terminate":{"node":"leader"}}"#,
            r#"{"restart":{"node":"majority"}}"#,
            r#"{"restart":{"node":"n2","how":"terminate","every":"500ms"}}"#,
            r#"{"pause":{"node":"candidate"}}"#,
            r#"{"starve":{"node":"minority","cpu":"5%"}}"#,
            r#"{"limit":{"node":"n1","open_files":8}}"#,
            r#"{"upgrade":{"node":"follower","to":"next"}}"#,
            r#"{"wipe":{"node":"n3"}}"#,
            r#"{"members":{"demote":"leader"}}"#,
            r#"{"members":{"replace":"follower","by":"n4"}}"#,
            r#"{"transfer":{"to":"n2"}}"#,
        ] {
            let fault: Fault = serde_json::from_str(written).unwrap();
            assert_eq!(serde_json::to_string(&fault).unwrap(), written);
        }
    }
}

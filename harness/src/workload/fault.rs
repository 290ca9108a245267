//! Faults as data: what is done to the system, and to whom.
//!
//! They serialise as they were written, without defaults (`{"partition":{"isolate":"leader"}}`): that is how they stand in
//! the history and in `schedule.jsonl`.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::message_kind::{self, MessageKind};
use super::units;

/// A fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "WrittenFault")]
pub(crate) enum Fault {
    /// Links are cut.
    Partition(Partition),
    /// Packets are lost or late.
    Packets(Packets),
    /// Messages between nodes are lost, late, doubled or kept back.
    Messages(Messages),
    /// Processes are killed (SIGKILL) and, in the end, started again on what they left on disk.
    Kill(Kill),
    /// Processes are stopped (SIGSTOP) and, in the end, continued.
    Pause(Pause),
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
    pause: Option<Pause>,
}

impl TryFrom<WrittenFault> for Fault {
    type Error = String;

    fn try_from(written: WrittenFault) -> Result<Self, Self::Error> {
        let WrittenFault { weight: _, partition, packets, messages, kill, pause } = written;
        let all = [
            partition.map(Self::Partition),
            packets.map(Self::Packets),
            messages.map(Self::Messages),
            kill.map(Self::Kill),
            pause.map(Self::Pause),
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
    const KINDS: [&str; 5] = ["partition", "packets", "messages", "kill", "pause"];

    /// Its name in the workload.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Partition(_) => "partition",
            Self::Packets(_) => "packets",
            Self::Messages(_) => "messages",
            Self::Kill(_) => "kill",
            Self::Pause(_) => "pause",
        }
    }

    /// Whom it strikes, each with its key in the workload.
    pub(crate) fn targets(&self) -> Vec<(&'static str, &Target)> {
        match self {
            Self::Partition(Partition::Isolate { node, .. }) => vec![("isolate", node)],
            Self::Partition(Partition::Shape(_)) => Vec::new(),
            Self::Packets(packets) => vec![("from", &packets.from), ("to", &packets.to)],
            Self::Messages(messages) => vec![("from", &messages.from), ("to", &messages.to)],
            Self::Kill(Kill { node }) | Self::Pause(Pause { node }) => vec![("node", node)],
        }
    }

    /// Whether it can only be applied while somebody leads.
    pub(crate) fn needs_leader(&self) -> bool {
        self.targets().iter().any(|(_, target)| target.depends_on_leader())
    }
}

/// Which links are cut.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenPartition")]
pub(crate) enum Partition {
    /// Those of one node.
    Isolate {
        /// The node.
        node: Target,
        /// Which way.
        direction: Direction,
        /// Also the links between the node and clients, in the same direction.
        clients: bool,
    },
    /// Those across a pattern over all nodes.
    Shape(Shape),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPartition {
    isolate: Option<Target>,
    shape: Option<Shape>,
    direction: Option<Direction>,
    clients: Option<bool>,
}

impl TryFrom<WrittenPartition> for Partition {
    type Error = &'static str;

    fn try_from(written: WrittenPartition) -> Result<Self, Self::Error> {
        let WrittenPartition { isolate, shape, direction, clients } = written;
        match (isolate, shape) {
            (Some(node), None) => Ok(Self::Isolate {
                node,
                direction: direction.unwrap_or_default(),
                clients: clients.unwrap_or_default(),
            }),
            (None, Some(_)) if direction.is_some() || clients.is_some() => {
                Err("`direction` and `clients` go with `isolate` only")
            }
            (None, Some(shape)) => Ok(Self::Shape(shape)),
            _ => Err("a partition has either `isolate` or `shape`"),
        }
    }
}

// By hand: the two variants share one mapping, and serde's `untagged` is kept out of this module altogether.
impl Serialize for Partition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Isolate { node, direction, clients } => {
                map.serialize_entry("isolate", node)?;
                if *direction != Direction::Both {
                    map.serialize_entry("direction", direction)?;
                }
                if *clients {
                    map.serialize_entry("clients", clients)?;
                }
            }
            Self::Shape(shape) => map.serialize_entry("shape", shape)?,
        }
        map.end()
    }
}

/// Which way an isolated node is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// What others send to the node is dropped.
    In,
    /// What the node sends is dropped.
    Out,
}

/// A partition that concerns all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// A random minority, as large as can be, and the rest cannot reach each other.
    Halves,
    /// Every node reaches a majority, no two of them the same one.
    MajoritiesRing,
}

/// Which processes are killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kill {
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

/// Which packets are lost or late, and how much.
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
    /// How late the others are, at least.
    #[serde(
        deserialize_with = "units::duration",
        serialize_with = "units::write_duration",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) delay: Duration,
    /// How much later than that, at most. Jitter reorders packets.
    #[serde(
        deserialize_with = "units::duration",
        serialize_with = "units::write_duration",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) jitter: Duration,
    /// The sending end of the links.
    #[serde(skip_serializing_if = "Target::is_all")]
    pub(crate) from: Target,
    /// The receiving end of the links.
    #[serde(skip_serializing_if = "Target::is_all")]
    pub(crate) to: Target,
}

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

impl Packets {
    /// In words: `10% loss, 40ms to 60ms delay`.
    pub(crate) fn describe(&self) -> String {
        let mut words = Vec::new();
        if self.loss > 0.0 {
            words.push(format!("{} loss", units::share_words(self.loss)));
        }
        let (least, most) = (self.delay, self.delay + self.jitter);
        if !most.is_zero() {
            let longest = units::duration_words(most);
            let range = match least == most {
                true => longest,
                false => format!("{} to {longest}", units::duration_words(least)),
            };
            words.push(format!("{range} delay"));
        }
        words.join(", ")
    }
}

/// Whom a fault strikes; resolved when the fault is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Target {
    /// Who leads at that moment.
    Leader,
    /// One of those that run and do not lead.
    Follower,
    /// One of those that run.
    Any,
    /// All of them.
    #[default]
    All,
    /// This one.
    Node(String),
}

impl Target {
    pub(super) fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether who is meant changes with the leader.
    pub(crate) fn depends_on_leader(&self) -> bool {
        matches!(self, Self::Leader | Self::Follower)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Any => "any",
            Self::All => "all",
            Self::Node(name) => name,
        })
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_prefix('n').unwrap_or_default();
        match text.as_str() {
            "leader" => Ok(Self::Leader),
            "follower" => Ok(Self::Follower),
            "any" => Ok(Self::Any),
            "all" => Ok(Self::All),
            // Whether there is such a node is found out when all of the workload is known.
            _ if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Self::Node(text))
            }
            _ => Err(de::Error::custom(format!(
                "unknown target `{text}`, expected `leader`, `follower`, `any`, `all` or a node such as `n1`"
            ))),
        }
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
            r#"{"packets":{"loss":"10%","delay":"40ms","jitter":"20ms","from":"leader"}}"#,
            r#"{"packets":{"delay":"2s","to":"n3"}}"#,
            r#"{"messages":{"type":["append_entries"],"from":"leader","duplicate":"20%","behind":"1s"}}"#,
            r#"{"messages":{"to":"n1","nth":3,"drop":"100%"}}"#,
            r#"{"messages":{"hold":true,"delay":"40ms","jitter":"20ms","reorder":"5%"}}"#,
            r#"{"kill":{"node":"all"}}"#,
            r#"{"pause":{"node":"follower"}}"#,
        ] {
            let fault: Fault = serde_json::from_str(written).unwrap();
            assert_eq!(serde_json::to_string(&fault).unwrap(), written);
        }
    }
}

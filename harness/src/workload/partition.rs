//! Partitions as data: which links are cut, which way, and what becomes of what is sent meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::fault::Target;
use super::units;

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenPartition")]
pub(crate) struct Partition {
    /// Between whom.
    pub(crate) cut: Cut,
    /// Which way, where the workload says so.
    direction: Option<Direction>,
    /// What becomes of what is sent.
    pub(crate) mode: Mode,
    /// Also the links between the struck nodes and clients, in the same direction.
    pub(crate) clients: bool,
    /// The links come and go meanwhile.
    pub(crate) flapping: Option<Flapping>,
}

/// Between whom links are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// One node and all others.
    Isolate(Target),
    /// A pattern over all nodes.
    Shape(Shape),
    /// Each node and those that it bears a grudge, as Jepsen calls it.
    Grudge(BTreeMap<String, Vec<String>>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPartition {
    isolate: Option<Target>,
    shape: Option<Shape>,
    grudge: Option<BTreeMap<String, Vec<String>>>,
    direction: Option<Direction>,
    mode: Option<Mode>,
    clients: Option<bool>,
    flapping: Option<Flapping>,
}

impl TryFrom<WrittenPartition> for Partition {
    type Error = &'static str;

    fn try_from(written: WrittenPartition) -> Result<Self, Self::Error> {
        let WrittenPartition { isolate, shape, grudge, direction, mode, clients, flapping } =
            written;
        let cut = match (isolate, shape, grudge) {
            (Some(node), None, None) => Cut::Isolate(node),
            (None, Some(shape), None) => Cut::Shape(shape),
            (None, None, Some(grudge)) => Cut::Grudge(grudge),
            _ => return Err("a partition has exactly one of `isolate`, `shape` and `grudge`"),
        };
        let (mode, clients) = (mode.unwrap_or_default(), clients.unwrap_or_default());
        Ok(Self { cut, direction, mode, clients, flapping })
    }
}

impl Partition {
    #[cfg(test)]
    pub(crate) fn new(cut: Cut, direction: Direction, clients: bool) -> Self {
        let direction = Some(direction);
        Self { cut, direction, mode: Mode::Drop, clients, flapping: None }
    }

    /// Which way. A grudge is about what comes in, as in Jepsen; all else is cut both ways unless the workload says otherwise.
    pub(crate) fn direction(&self) -> Direction {
        let usual = match self.cut {
            Cut::Grudge(_) => Direction::In,
            Cut::Isolate(_) | Cut::Shape(_) => Direction::Both,
        };
        self.direction.unwrap_or(usual)
    }
}

// By hand: the three kinds of cut share one mapping, and serde's `untagged` and `flatten` are kept out of this module altogether.
impl Serialize for Partition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { cut, direction, mode, clients, flapping } = self;
        let mut map = serializer.serialize_map(None)?;
        match cut {
            Cut::Isolate(node) => map.serialize_entry("isolate", node)?,
            Cut::Shape(shape) => map.serialize_entry("shape", shape)?,
            Cut::Grudge(grudge) => map.serialize_entry("grudge", grudge)?,
        }
        if let Some(direction) = direction {
            map.serialize_entry("direction", direction)?;
        }
        if *mode != Mode::Drop {
            map.serialize_entry("mode", mode)?;
        }
        if *clients {
            map.serialize_entry("clients", clients)?;
        }
        if let Some(flapping) = flapping {
            map.serialize_entry("flapping", flapping)?;
        }
        map.end()
    }
}

/// Which way the struck nodes are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// Both ways.
    Both,
    /// What the others send to them is stopped.
    In,
    /// What they send is stopped.
    Out,
}

/// What becomes of what is sent over a cut link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// It is lost.
    #[default]
    Drop,
    /// It is lost, and the kernel tells the sender that nobody listens (ICMP port unreachable).
    Reject,
    /// It is kept, and arrives in order when the partition ends.
    Hold,
}

/// A partition that concerns all nodes. The nodes that it strikes are those of the first group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// A random node | the rest.
    One,
    /// A random minority of any size | the rest.
    Minority,
    /// A random majority of any size | the rest.
    Majority,
    /// A random minority, as large as can be | the rest.
    Halves,
    /// Fewer than a third of the nodes, as many as can be | the rest.
    MinorityThird,
    /// The leader and a random follower | the rest.
    LeaderWithFollower,
    /// A random half | another, while one node between them sees both.
    Bridge,
    /// Every node reaches a majority, no two of them the same one.
    MajoritiesRing,
}

impl Shape {
    /// The fewest nodes of which it makes anything.
    pub(crate) fn nodes_min(self) -> u32 {
        match self {
            Self::One | Self::Halves => 2,
            Self::Minority | Self::Majority | Self::LeaderWithFollower | Self::Bridge => 3,
            Self::MinorityThird => 4,
            // A ring of fewer nodes cuts nothing, or isolates.
            Self::MajoritiesRing => 5,
        }
    }

    /// Its name in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Minority => "minority",
            Self::Majority => "majority",
            Self::Halves => "halves",
            Self::MinorityThird => "minority third",
            Self::LeaderWithFollower => "leader with a follower",
            Self::Bridge => "bridge",
            Self::MajoritiesRing => "majorities ring",
        }
    }
}

/// Links that are cut and whole in turn, cut first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flapping {
    /// How long they are whole.
    #[serde(deserialize_with = "units::duration", serialize_with = "units::write_duration")]
    pub(crate) up: Duration,
    /// How long they are cut.
    #[serde(deserialize_with = "units::duration", serialize_with = "units::write_duration")]
    pub(crate) down: Duration,
}

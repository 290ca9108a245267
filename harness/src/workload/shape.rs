//! What a workload says, apart from its faults.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::fault::FaultRule;
use super::units;

/// One workload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workload {
    /// What it is called; the name of the file where it says nothing.
    #[serde(default)]
    pub(crate) name: String,
    /// The system under test.
    pub(crate) system: System,
    /// Who asks.
    pub(crate) clients: Clients,
    /// What they ask for.
    pub(crate) workload: Work,
    /// How long clients and faults go on.
    #[serde(deserialize_with = "units::duration")]
    pub(crate) duration: Duration,
    /// What is done to the system meanwhile.
    #[serde(default)]
    pub(crate) faults: Vec<FaultRule>,
    /// What is judged.
    #[serde(default = "default_checks")]
    pub(crate) checks: Vec<Check>,
    /// What must have happened for the run to prove anything.
    #[serde(default)]
    pub(crate) expect: Expectations,
}

fn default_checks() -> Vec<Check> {
    vec![Check::Linearizable, Check::ElectionSafety]
}

/// The system under test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct System {
    /// What kind of system it is.
    #[serde(rename = "kind")]
    _kind: SystemKind,
    /// How many nodes; they are called n1, n2, …
    pub(crate) nodes: u32,
    /// The shortest election time-out; a node draws each between this and twice as much. The node's own default where it is left out.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub(crate) election_timeout: Option<Duration>,
    /// The first election time-out of every node, ending at the same instant on all of them; without it, each draws its own.
    /// With it, clients and faults do not wait for the first leader: the first election is part of what is tested.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub(crate) first_election_timeout: Option<Duration>,
}

impl System {
    /// The names of the nodes.
    pub(crate) fn node_names(&self) -> Vec<String> {
        (1..=self.nodes).map(|number| format!("n{number}")).collect()
    }
}

/// The kinds of systems that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SystemKind {
    /// The reference node, or a binary that keeps to the same contract.
    Raft,
}

/// The clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clients {
    /// How many; each does one thing at a time.
    pub(crate) count: u32,
    /// Operations per second, of all clients together.
    #[serde(deserialize_with = "units::rate")]
    pub(crate) rate: f64,
    /// Which node they ask.
    #[serde(default)]
    pub(crate) routing: Routing,
    /// An operation without an answer after this time is *info*.
    #[serde(default = "default_timeout", deserialize_with = "units::duration")]
    pub(crate) timeout: Duration,
}

fn default_timeout() -> Duration {
    Duration::from_secs(1)
}

/// Which node a client asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Routing {
    /// Always the same one, leader or not; its refusals are recorded. Finds what a deposed leader still answers.
    #[default]
    Pinned,
    /// The leader, as far as the client knows.
    Leader,
    /// Any, drawn anew for each operation.
    Any,
}

/// What clients ask for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    /// What kind of object.
    #[serde(rename = "kind")]
    _kind: WorkKind,
    /// How many objects, independent of each other; they are called k0, k1, …
    pub(crate) keys: u32,
    /// How often which operation.
    pub(crate) mix: Mix,
}

impl Work {
    /// The names of the keys.
    pub(crate) fn key_names(&self) -> Vec<String> {
        (0..self.keys).map(|number| format!("k{number}")).collect()
    }
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WorkKind {
    /// A register with read, write and cas.
    Register,
}

/// How often which operation, as weights.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mix {
    #[serde(default)]
    pub(crate) read: u32,
    #[serde(default)]
    pub(crate) write: u32,
    #[serde(default)]
    pub(crate) cas: u32,
}

impl Mix {
    /// Every operation with its weight.
    pub(crate) fn weights(&self) -> [(&'static str, u32); 3] {
        [("read", self.read), ("write", self.write), ("cas", self.cas)]
    }
}

/// What can be judged beside what is always judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// Every key behaves like a single register.
    Linearizable,
    /// At most one leader in a term.
    ElectionSafety,
}

impl Check {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::ElectionSafety => "election-safety",
        }
    }
}

/// What must have happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectations {
    /// How many operations of which kind must have succeeded.
    #[serde(default)]
    pub(crate) ok: BTreeMap<String, u64>,
    /// How soon after the heal the cluster must serve again.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub(crate) recovers_within: Option<Duration>,
    /// How many terms must have had several candidates and no leader.
    #[serde(default)]
    pub(crate) split_votes: Option<u64>,
}

//! What a workload says, apart from its faults.

use std::collections::BTreeMap;
use std::time::Duration;

use node::reads::Reads;
use serde::Deserialize;

use super::check::Check;
use super::fault::Fault;
use super::rule::FaultRule;
use super::trigger::Trigger;
use super::units;
use super::work::Work;

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
    /// Whether each run draws from its seed which of them are on, and how hard they are.
    #[serde(default)]
    pub(crate) swarm: bool,
    /// How much may be broken at once.
    #[serde(default)]
    pub(crate) budget: Budget,
    /// What is judged.
    pub(super) checks: Option<Vec<Check>>,
    /// What must have happened for the run to prove anything.
    #[serde(default)]
    pub(crate) expect: Expectations,
}

impl Workload {
    /// What is judged: what the workload names, else what its kind of object promises and what every run can be judged by.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let default =
            || self.workload.kind.promises().iter().chain(Check::DEFAULT).copied().collect();
        self.checks.clone().unwrap_or_else(default)
    }
}

impl Workload {
    /// Whether something in it concerns single messages between nodes.
    pub(crate) fn needs_message_relay(&self) -> bool {
        let in_rule = |rule: &FaultRule| {
            rule.faults().any(|fault| matches!(fault, Fault::Messages(_)))
                || rule.triggers().any(Trigger::needs_messages)
        };
        self.system.observe_messages || self.faults.iter().any(in_rule)
    }

    /// Whether it restarts nodes as another program, which the command line has to name.
    pub(crate) fn needs_next_binary(&self) -> bool {
        let mut faults = self.faults.iter().flat_map(FaultRule::faults);
        faults.any(|fault| matches!(fault, Fault::Upgrade(_)))
    }
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
    /// How many of them, from n1 on, are the members with which the cluster begins; the others wait until they are added. All, where it is left out.
    #[serde(default)]
    pub(crate) members: Option<u32>,
    /// The shortest election time-out; a node draws each between this and twice as much. The node's own default where it is left out.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub(crate) election_timeout: Option<Duration>,
    /// The first election time-out of every node, ending at the same instant on all of them; without it, each draws its own.
    /// With it, clients and faults do not wait for the first leader: the first election is part of what is tested.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub(crate) first_election_timeout: Option<Duration>,
    /// A node takes a snapshot, and cuts its log, whenever so many more entries are applied. The node's own default where it is left out.
    #[serde(default)]
    pub(crate) snapshot_entries: Option<u64>,
    /// Whether the messages between nodes are looked at on their way though no fault needs it: who acts as leader is then seen on the wire.
    #[serde(default)]
    pub(crate) observe_messages: bool,
    /// How a leader makes sure that it may answer a read. The node's own default where it is left out.
    #[serde(default)]
    pub(crate) reads: Option<ReadPath>,
}

impl System {
    /// The names of the nodes.
    pub(crate) fn node_names(&self) -> Vec<String> {
        (1..=self.nodes).map(|number| format!("n{number}")).collect()
    }

    /// The names of the members with which the cluster begins, where these are not all nodes.
    pub(crate) fn member_names(&self) -> Option<Vec<String>> {
        let names = self.node_names();
        self.members.map(|members| names.into_iter().take(members as usize).collect())
    }
}

/// How a leader makes sure that it may answer a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReadPath {
    /// It asks a majority each time.
    ReadIndex,
    /// It trusts its clock for a while.
    Lease,
}

impl ReadPath {
    /// In the node's own words.
    pub(crate) fn of_node(self) -> Reads {
        match self {
            Self::ReadIndex => Reads::ReadIndex,
            Self::Lease => Reads::Lease,
        }
    }
}

/// The kinds of systems that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SystemKind {
    /// The reference node, or a binary that keeps to the same contract.
    Raft,
}

/// How much may be broken at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Budget {
    /// As much as the faults break. It is said when that is more than the system must bear.
    #[default]
    Unlimited,
    /// What would leave no majority whole is withheld, and that is said.
    Minority,
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
    /// Whether a node answers reads itself where it only follows, as far as the leader says; else it names the leader.
    #[serde(default)]
    pub(crate) follower_reads: bool,
    /// An operation without an answer after this time is *info*; or, with `retry_for`, tried again.
    #[serde(default = "default_timeout", deserialize_with = "units::duration")]
    pub(crate) timeout: Duration,
    /// So long after its beginning an operation is tried again, on another node, until it is answered. What changes something is numbered
    /// within a session, so that it happens once. Without it nothing is tried again.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub(crate) retry_for: Option<Duration>,
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
    /// How many reads nodes must have answered as followers, since they last started.
    #[serde(default)]
    pub(crate) follower_reads: Option<u64>,
}

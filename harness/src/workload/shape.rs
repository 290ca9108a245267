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

/// All but leader completeness, which has nothing to judge where the first leader stays.
fn default_checks() -> Vec<Check> {
    vec![
        Check::Linearizable,
        Check::ElectionSafety,
        Check::VoteOnce,
        Check::TermMonotone,
        Check::LogMatching,
        Check::LeaderAppendOnly,
        Check::CommitQuorum,
        Check::CommitStability,
        Check::StateMachineSafety,
        Check::IndexOrder,
    ]
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
    /// A node votes once in a term, and remembers it.
    VoteOnce,
    /// A node's term never goes back.
    TermMonotone,
    /// Logs with an entry of the same index and term are the same up to there.
    LogMatching,
    /// A leader never removes or replaces entries.
    LeaderAppendOnly,
    /// A leader has everything that was committed in earlier terms.
    LeaderCompleteness,
    /// A leader commits what a majority has.
    CommitQuorum,
    /// What is committed stays.
    CommitStability,
    /// All nodes apply the same entries in the same order.
    StateMachineSafety,
    /// Applied, committed and last index stand in this order.
    IndexOrder,
}

impl Check {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        use checker::properties::raft;
        match self {
            Self::Linearizable => checker::linearizability::NAME,
            Self::ElectionSafety => raft::election_safety::NAME,
            Self::VoteOnce => raft::vote_once::NAME,
            Self::TermMonotone => raft::term_monotone::NAME,
            Self::LogMatching => raft::log_matching::NAME,
            Self::LeaderAppendOnly => raft::leader_append_only::NAME,
            Self::LeaderCompleteness => raft::leader_completeness::NAME,
            Self::CommitQuorum => raft::commit_quorum::NAME,
            Self::CommitStability => raft::commit_stability::NAME,
            Self::StateMachineSafety => raft::state_machine_safety::NAME,
            Self::IndexOrder => raft::index_order::NAME,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_raft_property_can_be_named_and_is_judged_unless_a_workload_says_otherwise() {
        for (name, _) in checker::properties::raft::PROPERTIES {
            let check: Check = serde_yaml::from_str(name).unwrap();
            assert_eq!(check.name(), name);
            let conditional = check == Check::LeaderCompleteness;
            assert_eq!(default_checks().contains(&check), !conditional, "{name}");
        }
    }
}

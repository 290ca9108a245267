//! The checks that a workload can name.

use checker::transactions::Consistency;
use serde::Deserialize;

use super::work::WorkKind;

/// What can be judged beside what is always judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// Every key behaves like a single object.
    Linearizable,
    /// Transactions happen one after the other, in an order that respects real time.
    StrictSerializable,
    /// No element of a set is lost, stale or read twice.
    SetFull,
    /// What was put into a queue comes out.
    TotalQueue,
    /// A counter lies between what certainly and what possibly was added.
    CounterBounds,
    /// The total of all accounts never changes.
    Bank,
    /// No identifier is given out twice.
    UniqueIds,
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
    /// Nodes that have applied the same have the same state.
    StateDigests,
}

impl Check {
    /// What nodes are judged by where a workload does not say. All but leader completeness, which has nothing to judge where the first leader stays.
    pub(super) const DEFAULT: &[Self] = &[
        Self::ElectionSafety,
        Self::VoteOnce,
        Self::TermMonotone,
        Self::LogMatching,
        Self::LeaderAppendOnly,
        Self::CommitQuorum,
        Self::CommitStability,
        Self::StateMachineSafety,
        Self::IndexOrder,
        Self::StateDigests,
    ];

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        use checker::properties::{self, raft};
        match self {
            Self::Linearizable => checker::linearizability::NAME,
            Self::StrictSerializable => Consistency::StrictSerializable.name(),
            Self::SetFull => properties::set_full::NAME,
            Self::TotalQueue => properties::total_queue::NAME,
            Self::CounterBounds => properties::counter_bounds::NAME,
            Self::Bank => properties::bank::NAME,
            Self::UniqueIds => properties::unique_ids::NAME,
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
            Self::StateDigests => properties::state_digests::NAME,
        }
    }

    /// Whether it can judge this kind of object; checks of nodes can be asked of any.
    pub(super) fn fits(self, kind: WorkKind) -> bool {
        use WorkKind::{Counter, ListAppend, Lock, Queue, Register, RwRegister, Set};
        match self {
            Self::Linearizable => matches!(kind, Register | Counter | Set | Queue | Lock),
            Self::StrictSerializable => matches!(kind, ListAppend | RwRegister),
            Self::SetFull => kind == WorkKind::SetFull,
            Self::TotalQueue => kind == Queue,
            Self::CounterBounds => kind == Counter,
            Self::Bank => kind == WorkKind::Bank,
            Self::UniqueIds => kind == WorkKind::UniqueIds,
            _ => true,
        }
    }
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
            assert_eq!(Check::DEFAULT.contains(&check), !conditional, "{name}");
        }
    }
}

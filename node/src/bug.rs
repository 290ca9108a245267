//! The planted bugs: mistakes that shipped in real systems, switched on by name so that the harness can prove that it
//! finds them. A node without `--plant` has none of them.

use std::fmt;
use std::str::FromStr;

/// One way to get a replicated log wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The leader answers reads from its own state without asking a majority whether it still leads (Consul and
    /// etcd 0.4, 2014). A deposed leader serves stale values.
    LocalLeaderRead,
    /// A write is acknowledged as soon as the leader has it in its own log. It is lost when the leader is deposed.
    AckBeforeCommit,
    /// The vote is not remembered within a term (camunda #5356): every candidate of a term gets it.
    DoubleVote,
    /// The vote is never written to disk (robustmq #2039): a restarted node votes again in the same term.
    VoteNotPersisted,
    /// n/2 nodes count as a majority instead of n/2 + 1 (openraft #1802): both halves of a partition go on.
    MinorityQuorum,
    /// Client sessions are ignored (akka-raft #64, TiDB 2.1.7): a command that a client repeats is carried out again.
    RetryAppliedTwice,
    /// Whether a command is applied depends on the node's own clock, as where something expires by local time: the same log leads to different
    /// states.
    ApplyNondeterminism,
    /// What a majority has is committed even if it is of an earlier term (5.4.2, figure 8; logcabin #44): it may still be replaced. Entries are sent one
    /// at a time.
    Figure8,
    /// An append cuts off whatever follows the entry before the new ones, though nothing conflicts (akka-raft #66, old raft-rs #113): one that comes
    /// late removes what was acknowledged.
    StaleAppendTruncates,
    /// The leader answers reads under a lease that counts from the answers, by a clock that is far too slow, and does not end with the contact to
    /// a majority (TiKV #964, jraft #34).
    LeaseDrift,
    /// Members are changed in one step, and before the leader has committed anything in its term (Ongaro, 2015): two majorities that share
    /// nobody. Only a cluster whose members are changed shows it.
    SingleServerChange2015,
    /// A candidate counts answers and not voters (xraft #27): who grants twice counts as two.
    DuplicateVoteCounted,
    /// A node asks of no candidate that its log be up to date (5.4.1; openraft a48a3282): whoever lacks what is committed may lead.
    StaleLogWins,
    /// A read that comes while others wait for their confirmation is answered with them, though the question was out before it came (etcd
    /// #20418).
    ReadIndexReused,
    /// A leader that gives up tells its clients that what they wrote has failed (redisraft, TiDB): its successor may commit it all the same.
    DefiniteFailureLie,
    /// A snapshot is installed whatever the node has applied already (openraft #543, hashicorp/raft #248): its state goes back in time.
    OldSnapshotInstalled,
    /// A candidate does not write its own vote to disk (nebula #3415): a restarted one votes for another in the same term.
    SelfVoteNotPersisted,
    /// A term that is heard of is written to disk only with a vote or a leader to follow (nebula #2405): a restart takes the node back to an earlier one.
    TermRegresses,
    /// A pre-vote of a lower term is not answered (hashicorp/raft #605): the asker never learns the term, and asks for ever.
    PrevoteDeadlock,
}

impl Bug {
    /// Every planted bug, in the order of the catalogue.
    pub const ALL: [Self; 19] = [
        Self::LocalLeaderRead,
        Self::AckBeforeCommit,
        Self::DoubleVote,
        Self::VoteNotPersisted,
        Self::MinorityQuorum,
        Self::RetryAppliedTwice,
        Self::ApplyNondeterminism,
        Self::Figure8,
        Self::StaleAppendTruncates,
        Self::LeaseDrift,
        Self::SingleServerChange2015,
        Self::DuplicateVoteCounted,
        Self::StaleLogWins,
        Self::ReadIndexReused,
        Self::DefiniteFailureLie,
        Self::OldSnapshotInstalled,
        Self::SelfVoteNotPersisted,
        Self::TermRegresses,
        Self::PrevoteDeadlock,
    ];

    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::LocalLeaderRead => "local-leader-read",
            Self::AckBeforeCommit => "ack-before-commit",
            Self::DoubleVote => "double-vote",
            Self::VoteNotPersisted => "vote-not-persisted",
            Self::MinorityQuorum => "minority-quorum",
            Self::RetryAppliedTwice => "retry-applied-twice",
            Self::ApplyNondeterminism => "apply-nondeterminism",
            Self::Figure8 => "figure-8",
            Self::StaleAppendTruncates => "stale-append-truncates",
            Self::LeaseDrift => "lease-drift",
            Self::SingleServerChange2015 => "single-server-change-2015",
            Self::DuplicateVoteCounted => "duplicate-vote-counted",
            Self::StaleLogWins => "stale-log-wins",
            Self::ReadIndexReused => "read-index-reused",
            Self::DefiniteFailureLie => "definite-failure-lie",
            Self::OldSnapshotInstalled => "old-snapshot-installed",
            Self::SelfVoteNotPersisted => "self-vote-not-persisted",
            Self::TermRegresses => "term-regresses",
            Self::PrevoteDeadlock => "prevote-deadlock",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|bug| bug.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|bug| bug.name()).collect();
            format!("unknown bug `{name}`; known are {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_and_others_are_refused() {
        for bug in Bug::ALL {
            assert_eq!(bug.name().parse(), Ok(bug));
        }
        assert!("double-votes".parse::<Bug>().unwrap_err().contains("double-vote"));
    }
}

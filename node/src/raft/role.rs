//! What a node is at the moment, and what only that is of interest for.

use std::collections::{BTreeMap, BTreeSet};

use super::progress::Progress;
use super::reads::PendingRead;
use super::transfer::Transfer;
use super::{LogIndex, NodeId, RequestId};

/// What a node is at the moment.
#[derive(Clone, Debug)]
pub enum Role {
    /// It follows the leader, where one is known.
    Follower {
        /// The leader of the current term, once it was heard of.
        leader: Option<NodeId>,
    },
    /// It asks whether it would get votes.
    PreCandidate {
        /// Who would grant theirs, itself included.
        grants: BTreeSet<NodeId>,
    },
    /// It asks for votes.
    Candidate {
        /// Who has granted theirs, itself included.
        votes: BTreeSet<NodeId>,
        /// Whether it does so at the word of the leader.
        transfer: bool,
    },
    /// It leads.
    Leader(Leadership),
}

/// What only a leader keeps; gone with the leadership.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// Ticks since it began.
    pub(super) ticks: u64,
    /// How far each peer has come.
    pub(super) progress: BTreeMap<NodeId, Progress>,
    /// Index of the empty entry with which the term began.
    pub(super) noop_index: LogIndex,
    /// Proposals of this term that are not committed yet.
    pub(super) proposals: BTreeMap<LogIndex, Proposal>,
    /// The bytes of all of them.
    pub(super) uncommitted_bytes: u64,
    /// The latest round of confirmation: every `AppendEntries` carries it and every reply repeats it.
    pub(super) round: u64,
    /// Reads that wait for a round, or for the first commit of the term.
    pub(super) pending_reads: Vec<PendingRead>,
    /// When the rounds began that matter for the lease.
    pub(super) rounds_began: BTreeMap<u64, u64>,
    /// Up to which tick the lease runs.
    pub(super) lease_until: u64,
    /// The change of members whose first step is not committed yet.
    pub(super) change: Option<RequestId>,
    /// To whom the leadership is being handed over.
    pub(super) transfer: Option<Transfer>,
    /// Whether somebody was told to take over in this term.
    pub(super) handed_over: bool,
}

/// A client's command that waits for its commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposal {
    pub(super) id: RequestId,
    pub(super) bytes: u64,
}

impl Leadership {
    /// Takes out the proposal at an index that is committed now.
    pub(super) fn settle(&mut self, index: LogIndex) -> Option<Proposal> {
        let proposal = self.proposals.remove(&index)?;
        self.uncommitted_bytes -= proposal.bytes;
        Some(proposal)
    }
}

//! What goes into the core and what comes out of it: its whole interface to the world.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::log::Entry;
use super::message::Message;
use super::snapshot::Snapshot;
use super::{LogIndex, NodeId, RequestId, Term};
use crate::trace::Record;

/// One thing that happens to a node.
#[derive(Clone, Debug)]
pub enum Input {
    /// A unit of time has passed.
    Tick,
    /// A message arrived.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// A client asks for a command to be replicated.
    Propose {
        /// The request, for the answer.
        id: RequestId,
        /// The command, opaque to Raft.
        command: Vec<u8>,
    },
    /// A client asks for a linearizable read of the state machine.
    Read {
        /// The request, for the answer.
        id: RequestId,
        /// Whether a follower asks the leader how far to wait, and answers from its own state then, instead of naming the leader.
        forward: bool,
    },
    /// An operator wants other members. Answered as a command is: done once the last step of the change is committed.
    ChangeMembers {
        /// The request, for the answer.
        id: RequestId,
        /// Whose votes and logs are to count. Whoever is new here must have learned before.
        voters: BTreeSet<NodeId>,
        /// Who is to get the log, besides.
        learners: BTreeSet<NodeId>,
    },
    /// The shell wants another node to lead, where this one does. Has no answer: it may come to nothing.
    TransferLeadership {
        /// Who; nobody stands for the voter that has most of the log.
        to: Option<NodeId>,
    },
    /// The shell has written the state machine down.
    Snapshotted {
        /// The last entry that was applied to it.
        index: LogIndex,
        /// The state.
        data: Arc<[u8]>,
    },
}

/// What the shell must do after a step, *in the order of the fields*.
///
/// Everything down to `compact` is on disk before any trace line is written, and those are written before
/// any message leaves, any client is answered or any entry is applied. So a node that is killed after it spoke has
/// both remembered what it said and told its trace why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The new term and vote, when they changed.
    pub hard_state: Option<HardState>,
    /// The snapshot to keep from now on. It must be durable before the log loses what it covers.
    pub snapshot: Option<Snapshot>,
    /// Changes of the log, in order.
    pub log: Vec<LogWrite>,
    /// Entries before this one may be forgotten: the snapshot covers them. A log that ends before it begins anew there.
    pub compact: Option<LogIndex>,
    /// What happened, for the trace.
    pub trace: Vec<Record>,
    /// Messages to send, in order.
    pub messages: Vec<(NodeId, Message)>,
    /// What to apply to the state machine, in order.
    pub apply: Vec<Apply>,
    /// Reads that may be answered now, after all that has been applied.
    pub reads: Vec<ConfirmedRead>,
    /// Requests that get no result, and why.
    pub answers: Vec<(RequestId, Answer)>,
}

impl Effects {
    /// Adds the effects of a later step, so that a batch of steps is carried out with one write to disk. Those that [stand
    /// alone](Self::stand_alone) cannot be added.
    pub fn extend(&mut self, later: Self) {
        assert!(!self.stand_alone() && !later.stand_alone(), "snapshots are not batched");
        self.hard_state = later.hard_state.or(self.hard_state);
        self.log.extend(later.log);
        self.trace.extend(later.trace);
        self.messages.extend(later.messages);
        self.apply.extend(later.apply);
        self.reads.extend(later.reads);
        self.answers.extend(later.answers);
    }

    /// Whether they concern a snapshot: what comes before or after is then not carried out together with them.
    pub fn stand_alone(&self) -> bool {
        self.snapshot.is_some() || self.compact.is_some()
    }
}

/// The part of a node's state, beside log and snapshot, that must survive a crash (figure 2, "persistent state").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The latest term that the node has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
}

/// A change of the durable log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogWrite {
    /// Remove this entry and all after it.
    Truncate {
        /// The first index that goes.
        from: LogIndex,
    },
    /// Append an entry at the end.
    Append(Entry),
}

/// A change of the state machine. After each, it is as the log up to some index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apply {
    /// The next entry.
    Entry(Commit),
    /// The state of a snapshot takes the place of the state.
    Restore(Snapshot),
}

impl Apply {
    /// The snapshot that takes the place of the state, if this is one.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Self::Entry(_) => None,
            Self::Restore(snapshot) => Some(snapshot),
        }
    }
}

/// What a node finds on its disk when it starts.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    /// Term and vote.
    pub hard_state: HardState,
    /// The latest snapshot.
    pub snapshot: Option<Snapshot>,
    /// The log. It may reach back before the snapshot, and end before it.
    pub entries: Vec<Entry>,
    /// The highest index that the node may ever have had in its log, where storage has found that entries are missing. Kept by the shell until
    /// [`Raft::is_repairing`](super::Raft::is_repairing) says that it is over, over restarts too.
    pub damaged_up_to: Option<LogIndex>,
}

/// A committed entry, and who waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The entry to apply.
    pub entry: Entry,
    /// Chained hash of the log up to and with it.
    pub hash: u64,
    /// The request that proposed it to this node in this term, if any.
    pub request: Option<RequestId>,
}

/// A read that is linearizable if it is answered from the state machine as it is after this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedRead {
    /// The request.
    pub id: RequestId,
    /// Whether only a lease says so. Then the shell, right before it answers, gives all ticks that are due and asks
    /// [`Raft::lease_holds`](super::Raft::lease_holds); if it does not, the read is abandoned.
    pub leased: bool,
}

/// Why a request gets no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This node does not lead. Nothing was proposed: the request certainly has no effect.
    NotLeader {
        /// Who does, where known.
        leader: Option<NodeId>,
    },
    /// The command was appended, then leadership was lost: it may still be committed by a successor, or never.
    OutcomeUnknown,
    /// Leadership was lost before the read was confirmed, or the leader did not say how far to wait. A read has no effect, so this is
    /// definite.
    ReadAbandoned,
    /// This node leads and will not do it. Nothing was proposed: definite, too.
    Refused(Refusal),
}

/// Why a leader refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too much waits for its commit.
    #[error("too much waits to be committed")]
    Overloaded,
    /// It hands the leadership over.
    #[error("the leadership is being handed over")]
    HandingOver,
    /// Members cannot be changed before an entry of the leader's own term is committed.
    #[error("the leader has not committed anything in its term yet")]
    TermNotCommitted,
    /// One change at a time.
    #[error("another change of members is under way")]
    ChangeUnderWay,
    /// Somebody must vote.
    #[error("a cluster needs a voter")]
    NoVoters,
    /// The name was a member's who was removed.
    #[error("{0} was removed, and its name cannot be used again")]
    NameUsed(NodeId),
    /// Whoever is to vote learns first.
    #[error("{0} has not caught up as a learner")]
    NotCaughtUp(NodeId),
    /// Who is to be new is no stranger.
    #[error("{0} is a member already")]
    IsMember(NodeId),
    /// Who is to leave does not belong to the cluster.
    #[error("{0} is no member")]
    NoMember(NodeId),
    /// Only a learner is promoted.
    #[error("{0} is no learner")]
    NoLearner(NodeId),
    /// Only a voter is demoted, and only a voter can lead.
    #[error("{0} does not vote")]
    NoVoter(NodeId),
    /// The shell could send it nothing.
    #[error("the leader was not told where {0} is (`--peers`)")]
    NoAddress(NodeId),
}

impl Refusal {
    /// Whether the same request may be granted a little later, without anything else being asked for in between.
    pub fn passes(self) -> bool {
        match self {
            Self::Overloaded | Self::HandingOver | Self::TermNotCommitted => true,
            Self::ChangeUnderWay | Self::NotCaughtUp(_) => true,
            Self::NoVoters | Self::NameUsed(_) | Self::IsMember(_) => false,
            Self::NoMember(_) | Self::NoLearner(_) | Self::NoVoter(_) => false,
            Self::NoAddress(_) => false,
        }
    }
}

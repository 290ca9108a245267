//! What goes into the core and what comes out of it: its whole interface to the world.

use super::log::Entry;
use super::message::Message;
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
}

/// What the shell must do after a step, *in the order of the fields*.
///
/// Everything in `hard_state` and `log` is on disk before any trace line is written, and those are written before
/// any message leaves, any client is answered or any entry is applied. So a node that is killed after it spoke has
/// both remembered what it said and told its trace why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The new term and vote, when they changed.
    pub hard_state: Option<HardState>,
    /// Changes of the log, in order.
    pub log: Vec<LogWrite>,
    /// What happened, for the trace.
    pub trace: Vec<Record>,
    /// Messages to send, in order.
    pub messages: Vec<(NodeId, Message)>,
    /// Entries to apply, in order of index, without gaps.
    pub committed: Vec<Commit>,
    /// Reads that may be answered now, after `committed` has been applied.
    pub reads: Vec<ConfirmedRead>,
    /// Requests that get no result, and why.
    pub answers: Vec<(RequestId, Answer)>,
}

impl Effects {
    /// Adds the effects of a later step, so that a batch of steps is carried out with one write to disk.
    pub fn extend(&mut self, later: Self) {
        self.hard_state = later.hard_state.or(self.hard_state);
        self.log.extend(later.log);
        self.trace.extend(later.trace);
        self.messages.extend(later.messages);
        self.committed.extend(later.committed);
        self.reads.extend(later.reads);
        self.answers.extend(later.answers);
    }
}

/// The part of a node's state, beside its log, that must survive a crash (figure 2, "persistent state").
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
}

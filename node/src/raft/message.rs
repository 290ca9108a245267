//! What nodes say to each other. One-way messages, not calls: any of them may be lost, delayed or repeated.

use serde::{Deserialize, Serialize};

use super::log::Entry;
use super::snapshot::SnapshotMeta;
use super::{LogIndex, RequestId, Term};

/// A message between two nodes. Who sent it is known to whoever received it (the transport authenticates it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sender's term.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// The sender asks whether it would get a vote in the term after its own.
    PreVote {
        /// Index of the last entry of its log.
        last_index: LogIndex,
        /// Term of that entry.
        last_term: Term,
    },
    /// The answer to that; in the receiver's term, which may be lower than the one it was asked in.
    PreVoteReply {
        /// The term in which the vote would be asked for.
        campaign: Term,
        /// Whether it would be granted.
        granted: bool,
    },
    /// A candidate asks for a vote in its term.
    RequestVote {
        /// Index of the last entry of the candidate's log.
        last_index: LogIndex,
        /// Term of that entry.
        last_term: Term,
        /// Whether the leader itself handed over: then nobody need stand by it.
        transfer: bool,
    },
    /// The answer to a candidate.
    RequestVoteReply {
        /// Whether the sender's vote of this term is the candidate's.
        granted: bool,
    },
    /// The leader replicates entries; without entries it is a heartbeat.
    AppendEntries {
        /// Index of the entry just before the new ones.
        prev_index: LogIndex,
        /// Term of that entry.
        prev_term: Term,
        /// The new entries, in order; possibly none.
        entries: Vec<Entry>,
        /// How far the leader's log is committed.
        commit: LogIndex,
        /// The leader's round of confirmation; the reply repeats it.
        round: u64,
    },
    /// The receiver's log now matches the leader's up to `match_index`, durably.
    AppendAccepted {
        /// The last index known to match.
        match_index: LogIndex,
        /// The round of the message that this answers.
        round: u64,
        /// Whether the sender has lost entries and does not count until it has caught up. What it told before holds no more.
        repairing: bool,
    },
    /// The receiver does not have the entry before the new ones.
    AppendRejected {
        /// The `prev_index` that was refused.
        prev_index: LogIndex,
        /// From where the leader should try again.
        retry_from: LogIndex,
        /// The round of the message that this answers.
        round: u64,
        /// As in `AppendAccepted`.
        repairing: bool,
    },
    /// A follower asks how far its state machine must have come to answer a read.
    ReadIndex {
        /// The sender's number of the read.
        id: RequestId,
    },
    /// The answer of a leader that was confirmed after the question came in.
    ReadIndexReply {
        /// The number that the receiver gave to the read.
        id: RequestId,
        /// How far it must have come.
        index: LogIndex,
    },
    /// The leader sends a piece of its snapshot to a follower that needs what the log no longer has.
    InstallSnapshot {
        /// What the snapshot stands for.
        meta: SnapshotMeta,
        /// How many bytes come before the piece.
        offset: u64,
        /// The piece.
        chunk: Vec<u8>,
        /// Whether it is the last one.
        done: bool,
        /// The leader's round of confirmation; the reply repeats it.
        round: u64,
    },
    /// The receiver has so much of a snapshot; a complete one is answered as an append is.
    SnapshotReceived {
        /// The last entry that the snapshot covers.
        last_index: LogIndex,
        /// Bytes that have arrived, from the first on without a gap.
        offset: u64,
        /// The round of the message that this answers.
        round: u64,
    },
    /// The leader hands over: the receiver, which has the whole log, is to begin an election at once.
    TimeoutNow {
        /// Index of the last entry of the leader's log.
        last_index: LogIndex,
        /// Term of that entry.
        last_term: Term,
    },
}

//! The trace: what one incarnation of one node did, one JSON line an event (`docs/formats.md`).
//!
//! Properties over traces need no order across nodes: each line carries the node's own sequence number and term. The
//! node has its own definition of the same format; a test there holds the two together.

use serde::{Deserialize, Serialize};

/// One line of a trace file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The node that wrote the line.
    pub node: String,
    /// How often the node had been started when it wrote it, from 1.
    pub incarnation: u64,
    /// Position within the incarnation, from 0, without gaps.
    pub seq: u64,
    /// Nanoseconds on the run's clock. For drawing only: no verdict reads it.
    pub time: u64,
    /// The node's current term when the event happened.
    pub term: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What a node did. Durable facts are written after they are durable and before anybody is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The node started on an empty data directory.
    Started,
    /// The node started on the state of an earlier incarnation.
    Restarted {
        /// The vote that it remembers for `term`.
        vote: Option<String>,
        /// Index of the last entry of its log, 0 when empty.
        last_index: u64,
        /// Term of that entry.
        last_term: u64,
    },
    /// It follows: at start, on a higher term, or because it heard from a leader.
    BecameFollower {
        /// The leader, where it is known.
        leader: Option<String>,
    },
    /// It asks for votes in `term`.
    BecameCandidate,
    /// It won `term`.
    BecameLeader {
        /// Index of the last entry of its log at that moment.
        last_index: u64,
        /// Term of that entry.
        last_term: u64,
    },
    /// It gave its vote of `term`; a candidate's vote for itself included.
    VoteGranted {
        /// Who has the vote.
        candidate: String,
    },
    /// An entry was appended to its log.
    Appended {
        /// Index of the entry.
        index: u64,
        /// Term of the entry.
        entry_term: u64,
        /// Chained hash of the log up to and with this entry.
        hash: String,
    },
    /// Entries that conflicted with the leader's log were removed.
    Truncated {
        /// The first index that is gone.
        from: u64,
    },
    /// The commit index advanced.
    Committed {
        /// The new commit index.
        index: u64,
        /// Term of the entry at that index.
        entry_term: u64,
        /// Chained hash of the log up to and with that entry.
        hash: String,
    },
    /// An entry was applied to the state machine.
    Applied {
        /// Index of the entry.
        index: u64,
        /// Term of the entry.
        entry_term: u64,
        /// Chained hash of the log up to and with that entry.
        hash: String,
    },
}

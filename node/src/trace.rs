//! What a node did, one JSON line an event (`docs/formats.md`).
//!
//! The checker has its own definition of the same format, so that the judge shares nothing with the judged; a test here
//! writes every variant with this one and reads it with the other.

use std::net::SocketAddr;

use serde::Serialize;

use crate::raft::{LogIndex, NodeId, Term};

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The node that writes.
    pub node: NodeId,
    /// How often it has been started, from 1.
    pub incarnation: u64,
    /// Position within the incarnation, from 0.
    pub seq: u64,
    /// Nanoseconds on the run's clock; for drawing only.
    pub time: u64,
    /// What happened, and in which term.
    #[serde(flatten)]
    pub record: Record,
}

/// An event together with the node's term at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The node's current term.
    pub term: Term,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. Facts about durable state are written once they are durable, and before anybody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Start on an empty data directory.
    Started {
        /// The nodes whose votes and logs count.
        voters: Vec<NodeId>,
    },
    /// Start on the state of an earlier incarnation.
    Restarted {
        /// The nodes whose votes and logs count.
        voters: Vec<NodeId>,
        /// The vote remembered for the current term.
        vote: Option<NodeId>,
        /// Last index of the log, 0 when empty.
        last_index: LogIndex,
        /// Term of the last entry.
        last_term: Term,
        /// The snapshot that takes the place of the log up to there, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        snapshot: Option<Position>,
        /// Chained hashes of the log up to each of its last entries, at most [`TAIL_ENTRIES_MAX`], in their order. What the last incarnation
        /// wrote to its disk just before it was killed, its trace may not know.
        last_hashes: Vec<Hash>,
    },
    /// It follows.
    BecameFollower {
        /// The leader, where known.
        leader: Option<NodeId>,
    },
    /// It asks whether it would get votes in the next term.
    BecamePreCandidate,
    /// It asks for votes.
    BecameCandidate,
    /// It leads.
    BecameLeader {
        /// Last index of the log at that moment.
        last_index: LogIndex,
        /// Term of the last entry.
        last_term: Term,
    },
    /// It voted.
    VoteGranted {
        /// For whom.
        candidate: NodeId,
    },
    /// It appended an entry.
    Appended {
        /// The entry and the log before it.
        #[serde(flatten)]
        at: Position,
    },
    /// It removed conflicting entries.
    Truncated {
        /// The first index that is gone.
        from: LogIndex,
    },
    /// It took over the state of a snapshot that its leader sent.
    Installed {
        /// The last entry that the snapshot covers, and the log up to it.
        #[serde(flatten)]
        at: Position,
        /// Last index of the log now: that of the snapshot, unless the log went on from there.
        log_ends: LogIndex,
    },
    /// From here on these are the members of the cluster, as far as the node knows.
    Configured {
        /// Whose votes and logs count.
        voters: Vec<NodeId>,
        /// The voters before, while a change is under way: both majorities count then.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        outgoing: Vec<NodeId>,
        /// Who gets the log and does not count.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        learners: Vec<NodeId>,
    },
    /// It tells the leader that its log matches further than it told before.
    Acked {
        /// The leader.
        leader: NodeId,
        /// How far the logs match.
        match_index: LogIndex,
    },
    /// Its commit index advanced.
    Committed {
        /// The last committed entry and the log before it.
        #[serde(flatten)]
        at: Position,
    },
    /// It applied an entry.
    Applied {
        /// The entry and the log before it.
        #[serde(flatten)]
        at: Position,
    },
    /// A connection was refused, by either end, for a certificate: of another authority, expired, or not that of the node that was meant.
    ConnectionRefused {
        /// The other end.
        address: SocketAddr,
        /// The node that was dialled; nothing where the other end dialled.
        #[serde(skip_serializing_if = "Option::is_none")]
        dialled: Option<NodeId>,
        /// What was wrong.
        reason: String,
    },
    /// What its state machine has come to.
    StateDigest {
        /// The last entry that was applied.
        index: LogIndex,
        /// A digest of the whole state.
        state: Hash,
    },
}

/// A node that starts again shows so much of its log: as many entries as one batch of proposals may have added.
pub const TAIL_ENTRIES_MAX: usize = 256;

/// An entry together with a hash of the log up to it: equal positions mean equal prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Index of the entry.
    pub index: LogIndex,
    /// Its term.
    pub entry_term: Term,
    /// Chained hash of the log up to and with it.
    pub hash: Hash,
}

/// A hash, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub u64);

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each variant. A new variant without a line here does not compile.
    fn every_event() -> Vec<Event> {
        let hash = Hash(0x9c1f_0a00);
        let at = Position { index: LogIndex(4), entry_term: Term(2), hash };
        let voters = vec![NodeId(1), NodeId(2)];
        let restarted = |vote, last_hashes| Event::Restarted {
            voters: voters.clone(),
            vote,
            last_index: LogIndex(4),
            last_term: Term(2),
            snapshot: vote.map(|_| at),
            last_hashes,
        };
        let refused = |dialled| Event::ConnectionRefused {
            address: SocketAddr::from(([127, 0, 0, 1], 4001)),
            dialled,
            reason: "expired".into(),
        };
        let all = vec![
            Event::Started { voters: voters.clone() },
            restarted(Some(NodeId(2)), vec![hash, hash]),
            restarted(None, vec![]),
            Event::BecameFollower { leader: None },
            Event::BecamePreCandidate,
            Event::BecameCandidate,
            Event::BecameLeader { last_index: LogIndex(4), last_term: Term(2) },
            Event::VoteGranted { candidate: NodeId(3) },
            Event::Appended { at },
            Event::Truncated { from: LogIndex(3) },
            Event::Installed { at, log_ends: LogIndex(9) },
            Event::Configured { voters: voters.clone(), outgoing: vec![], learners: vec![] },
            Event::Configured {
                voters: voters.clone(),
                outgoing: vec![NodeId(3)],
                learners: vec![NodeId(4)],
            },
            Event::Acked { leader: NodeId(3), match_index: LogIndex(4) },
            Event::Committed { at },
            Event::Applied { at },
            Event::StateDigest { index: LogIndex(4), state: hash },
            refused(None),
            refused(Some(NodeId(3))),
        ];
        for event in &all {
            match event {
                Event::Started { .. }
                | Event::Restarted { .. }
                | Event::BecameFollower { .. }
                | Event::BecamePreCandidate
                | Event::BecameCandidate
                | Event::BecameLeader { .. }
                | Event::VoteGranted { .. }
                | Event::Appended { .. }
                | Event::Truncated { .. }
                | Event::Installed { .. }
                | Event::Configured { .. }
                | Event::Acked { .. }
                | Event::Committed { .. }
                | Event::Applied { .. }
                | Event::ConnectionRefused { .. }
                | Event::StateDigest { .. } => {}
            }
        }
        all
    }

    #[test]
    fn the_checker_reads_every_event_that_a_node_writes() {
        for (seq, event) in every_event().into_iter().enumerate() {
            let line = Line {
                node: NodeId(2),
                incarnation: 3,
                seq: seq as u64,
                time: 88,
                record: Record { term: Term(9), event },
            };
            let text = serde_json::to_vec(&line).unwrap();
            let read = checker::trace::Written::parse(&text).unwrap();
            assert_eq!((read.node.as_str(), read.incarnation, read.line.term), ("n2", 3, 9));
            // Nothing is lost: the checker's own writing of the line is the same.
            let again = serde_json::to_value(&read).unwrap();
            assert_eq!(again, serde_json::to_value(&line).unwrap());
        }
    }
}

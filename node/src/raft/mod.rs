//! Raft, as one pure state machine: inputs go in, effects come out.
//!
//! This essay explains the protocol as it is built here. Section numbers are those of Ongaro and Ousterhout, "In Search
//! of an Understandable Consensus Algorithm" (extended version), and of Ongaro's dissertation.
//!
//! # The problem
//!
//! Several nodes keep copies of one log of commands. If all copies agree on what stands at each index, and every node
//! applies its copy in order to a deterministic state machine, then all state machines go through the same states, and
//! the cluster behaves like a single machine that survives the loss of a minority of its parts.
//!
//! # Terms and roles
//!
//! Time is cut into *terms*, numbered from 0. A node is a *follower*, a *candidate* or the *leader*
//! ([`Role`]). Every message carries its sender's term. Whoever sees a higher term adopts it and becomes a
//! follower; whoever sees a lower one answers with its own, so that the sender learns that its time is over.
//!
//! # Election (`election.rs`)
//!
//! A follower that hears from no leader for its *election time-out* becomes a candidate: it enters the next term, votes
//! for itself and asks everybody for their vote. A node gives one vote a term, to the first candidate whose
//! log is at least as up to date as its own: later last term, or the same last term and at least as long (5.4.1). A
//! majority makes a leader, and as two majorities share a node, a term has at most one. Time-outs are drawn
//! anew for each wait from an interval, so that a tie, in which nobody gets a majority, is followed by an
//! election in which somebody is alone at the start.
//!
//! A candidate asks again at each heartbeat interval those who have not granted their vote: a request may have been lost
//! (5.1: servers retry).
//!
//! # Replication (`replication.rs`)
//!
//! The leader appends each command to its own log and sends it to all. An `AppendEntries` names the entry just
//! before the new ones; the receiver refuses unless it has exactly that entry, so by induction equal positions
//! mean equal prefixes (5.3). On a refusal the leader steps back, by whole terms, until the logs meet. The receiver removes
//! entries only where a *different* entry stands at the same index: a delayed message must never cut off newer
//! entries that match. Empty `AppendEntries` are heartbeats.
//!
//! An entry of the leader's own term that a majority has is *committed*, and so is everything before it. Entries of
//! earlier terms are never committed by counting (5.4.2, figure 8), which is why a new leader appends an empty
//! entry at once: it commits what it inherited.
//!
//! # Reads (`reads.rs`)
//!
//! A leader may have been deposed without knowing it. For a read it notes how far the log was committed when the read
//! came in, and makes sure that it still leads: a majority must answer a message that was sent *after* that. Then
//! the read may be answered from the state machine, once that has reached the noted index (dissertation, 6.4). The noted
//! index is never below the empty entry of the term, because before that is committed a new leader
//! does not know how far its predecessors had committed.
//!
//! # What is durable
//!
//! Term, vote and log. Each [`Effects`] lists what must be on disk before any of its messages leaves, and the shell
//! carries them out in the order of the fields. The commit index is not durable: it is learned again.
//!
//! # Time and chance
//!
//! Time is [`Input::Tick`]. Randomness comes from a generator that is seeded from outside. The same inputs give the same effects.
//!
//! # What is not here
//!
//! PreVote and CheckQuorum (dissertation, 9.6 and 6.2): a node that comes back from a partition disturbs the leader with
//! its higher term, and a leader cut off from its majority goes on believing that it leads, though it can neither commit nor
//! confirm a read. Snapshots and log compaction (section 7): the log grows for ever and is kept in memory.
//! Membership change (section 6). Client sessions (section 8): a retried command is a second command, so our client
//! does not retry. Leadership transfer and lease reads.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod append;
mod configuration;
mod core;
mod effects;
mod election;
mod id;
mod log;
mod membership;
mod message;
mod progress;
mod random;
mod reads;
mod replication;
mod snapshot;
mod transfer;

#[cfg(test)]
mod disk;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod sim;

pub use self::configuration::Configuration;
pub use self::core::{Config, Raft, Role};
pub use self::effects::{
    Answer, Apply, Commit, ConfirmedRead, Durable, Effects, HardState, Input, LogWrite, Refusal,
};
pub use self::id::{LogIndex, NodeId, RequestId, Term};
pub use self::log::{Entry, Payload};
pub use self::message::{Body, Message};
pub use self::progress::Limits;
pub use self::snapshot::{Snapshot, SnapshotMeta};

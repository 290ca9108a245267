//! Raft, as one pure state machine: inputs go in, effects come out.
//!
//! This essay explains the protocol as it is built here, from the problem to what is left out; the files follow in its order. Section numbers are those of
//! Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (extended version), and, where it says so, of Ongaro's
//! dissertation.
//!
//! # The problem
//!
//! Several nodes keep copies of one log of commands. If all copies agree on what stands at each index, and every node
//! applies its copy in order to a deterministic state machine, then all state machines go through the same states, and
//! the cluster behaves like a single machine that survives the loss of a minority of its parts.
//!
//! # Terms and roles (`role.rs`, `dispatch.rs`, `core.rs`)
//!
//! Time is cut into *terms*, numbered from 0. A node is a *follower*, a *pre-candidate*, a *candidate* or the *leader*
//! ([`Role`]). Every message carries its sender's term. Whoever sees a higher term adopts it and becomes a
//! follower; whoever sees a lower one answers with its own, so that the sender learns that its time is over.
//!
//! # Election (`election.rs`)
//!
//! A follower that hears from no leader for its *election time-out* campaigns: it enters the next term, votes
//! for itself and asks everybody for their vote. A node gives one vote a term, to the first candidate whose
//! log is at least as up to date as its own: later last term, or the same last term and at least as long (5.4.1). A
//! majority makes a leader, and as two majorities share a node, a term has at most one. Time-outs are drawn
//! anew for each wait from an interval, so that a tie, in which nobody gets a majority, is followed by an
//! election in which somebody is alone at the start. Whoever has not granted is asked again at each heartbeat interval: a request may
//! have been lost (5.1: servers retry).
//!
//! Three rules keep nodes that are cut off, or were removed, from disturbing the others. They need each other.
//!
//! * *PreVote* (dissertation, 9.6): before it raises its term a node asks whether it would win. The question moves nobody's term and
//!   writes nothing. It is always answered, with the answerer's term, and the asker adopts a higher one: or it would ask in vain for ever.
//! * *Standing by the leader* (dissertation, 6.2 and 4.2.3): who has heard from a leader within the shortest election time-out grants
//!   nothing and ignores candidates, even of higher terms. The exception is a candidate whom the leader itself has told to take over.
//! * *CheckQuorum* (dissertation, 6.2): a leader that hears from no majority for the longest election time-out gives up. Else one that can send
//!   and not receive would keep everybody from electing another.
//!
//! A node that is in a higher term nevertheless gets no vote, and refuses what the leader sends with its own term: the leader steps down, and the next
//! election lets everybody in.
//!
//! # Replication (`replication.rs`, `progress.rs`, `append.rs`)
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
//! For each peer the leader *probes*, one message at a time, until it knows where the logs meet; then it *replicates*, with as many messages and bytes on
//! their way as [`Limits`] allow; a refusal shows that something was lost, and it probes again. A peer whose window is full is still told how
//! far the log is committed. Beyond a limit of uncommitted bytes a leader refuses proposals.
//!
//! # Reads (`reads.rs`)
//!
//! A leader may have been deposed without knowing it. For a read it notes how far the log was committed when the read
//! came in, and makes sure that it still leads: a majority must answer a message that was sent *after* that. Then
//! the read may be answered from the state machine, once that has reached the noted index (dissertation, 6.4). The noted
//! index is never below the empty entry of the term, because before that is committed a new leader
//! does not know how far its predecessors had committed. Messages carry a number, the *round*, by which answers are told apart; reads that come in
//! during a round share the next.
//!
//! A follower may ask the leader for that index and answer from its own state.
//!
//! *Leases* are off unless [`Config::lease_ticks`] says otherwise. A majority that has answered a round votes for nobody else within the shortest election
//! time-out, so from the beginning of the round, for a little less than that, the leader need not ask. It is the one place where safety rests on
//! clocks: the shell must give the tick that is due, if one is, and ask [`Raft::lease_holds`] once more before it answers. Ours leaves out ticks that it missed, so a process
//! that is stopped takes its lease with it. The lease is void once
//! the leader has told somebody to take over, and a node that restarts first waits for as long as it may have stood by somebody.
//!
//! # Snapshots (`snapshot.rs`, `log.rs`)
//!
//! The log would grow for ever. The shell may write its state machine down and hand it in ([`Input::Snapshotted`]); from then on
//! that [`Snapshot`] stands for the log up to its index, and entries before are forgotten, but for a tail (7). A peer that needs what is
//! forgotten gets the snapshot in chunks, each acknowledged with how much has arrived, so that a lost chunk or a restart costs no more than
//! it must; heartbeats go on beside it. The receiver ignores what it has committed already, keeps the log after the snapshot only
//! where it has the very entry with which that ends, and forgets a half-sent one when term or leader change.
//!
//! # Membership (`configuration.rs`, `membership.rs`)
//!
//! The members are an entry of the log, and they count as soon as it is *appended*; where it is cut off, the ones before count again. A change of voters
//! takes two entries: one in which elections, commits, reads and CheckQuorum need a majority of the old voters and one of the new
//! (*joint consensus*, 6), and, when that is committed, one with the new voters alone. A new leader in the middle of a change goes on with it. A new voter
//! has been a *learner* before, who gets the log and does not count. A leader begins a change only when the one before is committed and something of
//! its own term is, too. One that removes itself leads, and campaigns again if need be, without counting itself, until that is committed: its log may be
//! the only one that is long enough to win. A name that was removed never comes back.
//!
//! # Handing over (`transfer.rs`)
//!
//! A leader that is to end stops taking proposals, waits until another voter has its whole log, and tells it to begin an election at once
//! (dissertation, 3.10). If that comes to nothing within the longest election time-out, it goes on leading. So does one that an operator asks to make room
//! for another.
//!
//! # What is durable
//!
//! Term, vote, log and snapshot. Each [`Effects`] lists what must be on disk before any of its messages leaves, and the shell
//! carries them out in the order of the fields. The commit index is not durable: it is learned again.
//!
//! A node whose storage has found that the end of its log is lost starts with [`Durable::damaged_up_to`]: the highest index that it may ever have
//! acknowledged. Until it has committed so far again it gives no vote, does not campaign, and says with each answer that it does not count,
//! for it cannot tell whose log has what it once acknowledged.
//!
//! # Time and chance
//!
//! Time is [`Input::Tick`]. Randomness comes from a generator that is seeded from outside. The same inputs give the same effects.
//!
//! # What is not here
//!
//! *Client sessions* (section 8) belong to the state machine: to Raft a retried command is a second command. *Flushing beside sending*
//! (dissertation, 10.2.1): a leader's messages wait for its own disk, as everybody's do. *Witnesses, priorities, flexible quorums, group commit*: one majority rule
//! for all. *Forwarding of proposals*: a follower names the leader, so that a client knows whom it asked. A snapshot is held in memory as a whole,
//! by whoever sends and whoever receives it, and its bytes are not protected beyond what the transport does; what the state machine cannot read is not installed. A removed node is not told; it asks around in vain
//! until somebody stops it.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod append;
mod configuration;
mod core;
mod dispatch;
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
mod role;
mod snapshot;
mod transfer;

#[cfg(test)]
mod disk;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod sim;

pub use self::configuration::{Configuration, MemberChange};
pub use self::core::{Config, Raft};
pub use self::effects::{
    Answer, Apply, Commit, ConfirmedRead, Durable, Effects, HardState, Input, LogWrite, Refusal,
};
pub use self::id::{LogIndex, NodeId, RequestId, Term};
pub use self::log::{Entry, Payload};
pub use self::message::{Body, Message};
pub use self::progress::Limits;
pub use self::role::{Leadership, Role};
pub use self::snapshot::{Snapshot, SnapshotMeta};
pub use self::transfer::Handover;

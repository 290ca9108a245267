//! The message relay: between two nodes it ends QUIC on both sides, and so sees their messages one by one.
//!
//! QUIC hides from Raft what is done to packets: a packet that is sent twice or comes late is put right below it. So for faults
//! of *messages* there is a relay on every directed link that has, of the run's own authority, the certificate of both ends: node i dials what it
//! takes for j, and j is dialled by what it takes for i. A message travels only on the connection that its sender opened, one
//! stream each, so the relay of i→j is one way: it accepts a connection as j, opens one to j as i, and passes frames on, in the order
//! in which they are complete.
//!
//! It is as good as its ends: a connection is accepted only if j accepts ours, and both end together. Frames that it does not
//! understand pass untouched. What nobody's fault concerns passes at once.
//!
//! What it sees is evidence that does not depend on what nodes say of themselves: who sent as leader of which term goes into the history, and
//! all messages into `messages.jsonl`.

mod journal;
mod kind;
mod link;
mod relay;

pub(crate) use journal::Journal;
pub(crate) use link::{MessageCounters, Occurrence};
pub(crate) use relay::MessageRelay;

//! The links between the nodes, and between clients and nodes: each directed link is a UDP proxy of ours.
//!
//! For every ordered pair (i, j) there is one socket, *how i sees j*. A datagram that arrives there was sent by i to j; it
//! is passed on from the socket *how j sees i*, so j sees it come from where it sends its own. Every datagram of a node
//! comes from one address (the node's one endpoint), so the socket alone says which link a datagram travels,
//! whichever connection it belongs to.

mod engine;
mod messages;
mod relay;

pub(crate) use engine::{Counters, Rule};
pub(crate) use messages::{Journal, MessageCounters, MessageRelay, Occurrence};
pub(crate) use relay::{LinkName, Network};

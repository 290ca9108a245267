//! The links between the nodes, and between clients and nodes: each directed link is a relay of ours.
//!
//! `engine` decides what becomes of what travels a link; the relays own the sockets and carry it out. The *packet relay* passes UDP datagrams on
//! untouched; the *message relay*, where there is one, lies above it and passes on the messages of nodes, one by one.

mod engine;
mod messages;
mod packets;

pub(crate) use engine::{
    Bursts, Counters, CutMode, Delay, Distribution, EcnMark, Flapping, Impairment, Loss, Rate,
    Reorder, Rule, Tally,
};
pub(crate) use messages::{Journal, MessageCounters, MessageRelay, Occurrence};
pub(crate) use packets::{LinkName, Network};

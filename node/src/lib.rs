//! The reference system under test: a replicated key-value store, Raft over QUIC.
//!
//! Read [`raft`] first: its essay explains the protocol, and it can be read from top to bottom by someone who has only
//! read the paper. [`server`] is the shell that gives it a clock, a disk and a network.
#![warn(missing_docs)]

pub mod bug;
pub mod client;
pub mod kv;
pub mod raft;
pub mod reads;
mod replica;
pub mod server;
pub mod storage;
pub mod trace;
mod trace_file;
pub mod transport;

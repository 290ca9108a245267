//! What must hold for any bytes that come in a frame: nothing panics, and what is read can be written and read again.

use std::fmt::Debug;

use node::client::{Request, Response};
use node::kv::{Proposal, Store};
use node::raft::{Config, Durable, Input, Limits, Message, NodeId, Raft};
use node::transport::{decode, encode};

/// Frames of peers, one after the other, each behind a byte that says who sends it and one that says how long it is. A node takes them in.
pub fn peer_frames(mut bytes: &[u8]) {
    let (mut raft, _) = Raft::new(config(), Durable::default());
    while let Some(([from, length], rest)) = bytes.split_first_chunk() {
        let (frame, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        if let Some(message) = read::<Message>(frame) {
            let _ = raft.step(Input::Message { from: NodeId(u32::from(*from)), message });
        } else {
            let _ = raft.step(Input::Tick);
        }
    }
}

/// A request of a client, and the answer of a node: a store carries out what is asked.
pub fn client_frames(bytes: &[u8]) {
    let _ = read::<Response>(bytes);
    let mut store = Store::default();
    match read(bytes) {
        Some(Request::Propose(proposal)) => {
            let _ = store.apply(1, &Proposal::Register);
            let _ = store.apply(2, &proposal);
            let _ = store.apply(3, &proposal);
        }
        Some(Request::Query(query) | Request::QueryHere(query)) => drop(store.query(&query)),
        Some(Request::Status | Request::ChangeMembers(_) | Request::TransferLeadership { .. })
        | None => {}
    }
    assert_eq!(
        Store::restore(&store.snapshot()).map(|restored| restored.digest()),
        Ok(store.digest())
    );
}

fn read<T>(frame: &[u8]) -> Option<T>
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug,
{
    let value = decode::<T>(frame).ok()?;
    assert_eq!(decode::<T>(&encode(&value)).as_ref(), Ok(&value));
    Some(value)
}

fn config() -> Config {
    Config {
        id: NodeId(1),
        founders: (1..=3).map(NodeId).collect(),
        heartbeat_ticks: 2,
        election_timeout_ticks: 5..10,
        first_election_timeout_ticks: None,
        limits: Limits { retained_entries: 2, chunk_bytes_max: 2, ..Limits::default() },
        lease_ticks: None,
        is_traced: true,
        is_readable: |state| state.len() % 2 == 0,
        seed: 1,
        bug: None,
    }
}

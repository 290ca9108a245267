//! Nodes in threads of the test.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use node::raft::NodeId;
use node::reads::Reads;
use node::server::{Options, run};

/// The node n1, alone in its cluster, with the certificates of a directory; its data and its trace are in another.
pub(crate) fn options(dir: &Path, certs: &Path) -> Options {
    Options {
        id: NodeId(1),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        peers: BTreeMap::new(),
        founders: BTreeSet::from([NodeId(1)]),
        advertise: BTreeMap::new(),
        data_dir: dir.join("data"),
        certs: certs.into(),
        trace: Some(dir.join("trace.jsonl")),
        incarnation: 1,
        seed: 7,
        epoch: 0,
        election_timeout: Duration::from_millis(100),
        first_election_at: None,
        snapshot_entries: 5,
        reads: Reads::ReadIndex,
        repair: false,
        plant: None,
    }
}

/// Starts a node in a thread that ends with the test process. Returns where it serves.
pub(crate) fn serve(options: Options) -> SocketAddr {
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || run(options, |address| sender.send(address).unwrap()).unwrap());
    address.recv().unwrap()
}

//! What a peer with a good certificate may send, right or wrong: a node takes what is right and goes on.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use node::client::{Client, Connection, Request, Response, Status};
use node::kv::Store;
use node::raft::{
    Body, Configuration, Entry, LogIndex, Message, NodeId, Payload, SnapshotMeta, Term,
};
use node::server::Options;
use node::transport::{
    Authority, FRAME_BYTES_MAX, Identity, PEER_ALPN, client_config, connect, dialing, encode,
};

use support::{options, serve};

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);

/// A node n1 whose only peer is this test, and a client.
struct Peer {
    as_n2: quinn::Connection,
    client: Connection,
    dir: tempfile::TempDir,
    /// Where n1 thinks that n2 is.
    _deaf: std::net::UdpSocket,
}

impl Peer {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certs = dir.path().join("certs");
        std::fs::create_dir(&certs).unwrap();
        let names = ["n1", "n2", "client"].map(String::from);
        Authority::new().unwrap().write(&certs, &names).unwrap();
        let deaf = std::net::UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let peers = BTreeMap::from([(N2, deaf.local_addr().unwrap())]);
        let founders = BTreeSet::from([N1, N2]);
        let address = serve(Options { peers, founders, ..options(dir.path(), &certs) });
        let config = client_config(&Identity::load(&certs, "n2", []).unwrap(), PEER_ALPN).unwrap();
        let as_n2 = connect(&dialing().unwrap(), config, address, "n1").await.unwrap();
        let client = Client::open(&certs, "client").unwrap().connect(address, N1).await.unwrap();
        Self { as_n2, client, dir, _deaf: deaf }
    }

    /// Sends what may be a frame. That the node does not want to read it all is its right.
    async fn send(&self, bytes: &[u8]) {
        let mut stream = self.as_n2.open_uni().await.expect("the connection is still good");
        let _ = stream.write_all(bytes).await;
        let _ = stream.finish();
    }

    async fn say(&self, term: u64, body: Body) {
        self.send(&encode(&Message { term: Term(term), body })).await;
    }

    async fn status(&self) -> Status {
        match self.client.call(&Request::Status).await.expect("the node still serves") {
            Response::Status(status) => *status,
            other => panic!("a status was asked for: {other:?}"),
        }
    }

    /// Waits until the node is in a term: then it has taken in the message that told of it.
    async fn in_term(&self, term: u64) -> Status {
        loop {
            let status = self.status().await;
            if status.term >= term {
                assert_eq!(status.term, term);
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn append(entries: u64) -> Body {
    let entry = |index| {
        let payload = Payload::Command(vec![200; 9]);
        Entry { index: LogIndex(index), term: Term(1), payload }
    };
    Body::AppendEntries {
        prev_index: LogIndex(0),
        prev_term: Term(0),
        entries: (1..=entries).map(entry).collect(),
        commit: LogIndex(0),
        round: 1,
    }
}

fn snapshot(chunk: Vec<u8>) -> Body {
    let voters = BTreeSet::from([N1, N2]);
    let configuration = Configuration { voters, ..Configuration::default() };
    let (last_index, last_term) = (LogIndex(9), Term(1));
    let meta = SnapshotMeta { last_index, last_term, hash: 7, configuration };
    Body::InstallSnapshot { meta, offset: 0, chunk, done: true, round: 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_are_dropped_and_good_ones_are_taken_after_them() {
    let peer = Peer::start().await;
    let good = encode(&Message { term: Term(5), body: append(3) });
    for cut in 0..good.len() {
        peer.send(&good[..cut]).await;
    }
    peer.send(&[good.as_slice(), b"more"].concat()).await;
    for version in (0..=u8::MAX).filter(|version| *version != good[0]) {
        peer.send(&[&[version], &good[1..]].concat()).await;
    }
    // Lengths of many exabytes, where the entries and a snapshot's piece are.
    for at in 0..good.len() {
        let mut long = good.clone();
        long.splice(at..=at, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        peer.send(&long).await;
    }
    peer.send(&vec![good[0]; FRAME_BYTES_MAX + 1]).await;
    // Half a frame, then none of the rest, or nothing at all any more.
    let mut reset = peer.as_n2.open_uni().await.unwrap();
    reset.write_all(&good[..5]).await.unwrap();
    reset.reset(0u32.into()).unwrap();
    let mut open = peer.as_n2.open_uni().await.unwrap();
    open.write_all(&good[..5]).await.unwrap();
    // None of it has moved the node to a term that only this test knows.
    peer.say(1_000_000, append(3)).await;
    let status = peer.in_term(1_000_000).await;
    assert_eq!((status.leader, status.last_index), (Some(N2), 3));
    assert!(peer.as_n2.close_reason().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_frames_change_nothing() {
    let peer = Peer::start().await;
    // Streams keep no order among themselves, so what is old must be sent when the new has come.
    peer.say(500_000, append(3)).await;
    peer.in_term(500_000).await;
    for _ in 0..50 {
        peer.say(500_000, append(3)).await;
        peer.say(400_000, append(9)).await;
    }
    peer.say(500_001, append(3)).await;
    let status = peer.in_term(500_001).await;
    assert_eq!((status.leader, status.last_index, status.commit), (Some(N2), 3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_cannot_be_read_leaves_the_state_as_it_is() {
    let peer = Peer::start().await;
    peer.say(500_000, append(3)).await;
    peer.in_term(500_000).await;
    let good = Store::default().snapshot();
    for (bad, term) in
        [vec![], vec![9, 9, 9], [good.as_slice(), &[0]].concat()].into_iter().zip(500_001..)
    {
        peer.say(term, snapshot(bad)).await;
        let status = peer.in_term(term).await;
        assert_eq!((status.snapshot_index, status.applied, status.last_index), (0, 0, 3));
    }
    peer.say(500_010, snapshot(good)).await;
    // Of the status a part is ahead of the disk for a moment.
    while peer.status().await.applied < 9 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = peer.status().await;
    assert_eq!((status.snapshot_index, status.applied, status.last_index), (9, 9, 9));
    let trace = std::fs::read_to_string(peer.dir.path().join("trace.jsonl")).unwrap();
    assert_eq!(trace.matches(r#""event":"installed""#).count(), 1, "{trace}");
}

//! How a leader sends a snapshot to a peer who is slow to take it.

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use node::client::{Client, Connection, Request, Response};
use node::kv::{Answer, Command, Proposal};
use node::raft::{Body, LogIndex, MemberChange, Message, NodeId};
use node::server::Options;
use node::transport::{
    Authority, Identity, PEER_ALPN, client_config, connect, decode, dialing, encode,
};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, ReadToEndError, RecvStream, ServerConfig, TransportConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::mpsc;

use support::{options, serve};

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);

/// No other message of this test is so long: whatever is longer is a piece of a snapshot.
const HEARTBEAT_BYTES_MAX: usize = 1_024;
/// What a stream may hold that nobody reads. Less than a piece of the snapshot, so that sending it stalls.
const STREAM_WINDOW_BYTES: u32 = 8 * 1_024;
/// The state is at least so large.
const STATE_BYTES: usize = 100 * 1_024;
/// So many heartbeats must come while the snapshot stalls.
const HEARTBEATS: usize = 10;

/// Long after this nothing comes any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// What reaches the peer.
enum Arrival {
    Heartbeat(Message),
    /// A piece of a snapshot, whose stream stays open and is not read.
    Stalled(RecvStream),
}

/// The endpoint of n2. It reads with a small window, and takes whoever dials for n1.
fn listen(certs: &Path) -> Endpoint {
    let certificate = CertificateDer::from_pem_file(certs.join("n2.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certs.join("n2.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    tls.alpn_protocols = vec![PEER_ALPN.to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(STREAM_WINDOW_BYTES.into());
    config.transport_config(Arc::new(transport));
    Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

/// Tells what comes on one connection after the other. Streams are read side by side, as a node reads them.
async fn receive(endpoint: Endpoint, arrivals: mpsc::UnboundedSender<Arrival>) {
    while let Some(incoming) = endpoint.accept().await {
        let Ok(connection) = incoming.await else { continue };
        while let Ok(stream) = connection.accept_uni().await {
            tokio::spawn(read(stream, arrivals.clone()));
        }
    }
}

async fn read(mut stream: RecvStream, arrivals: mpsc::UnboundedSender<Arrival>) {
    match stream.read_to_end(HEARTBEAT_BYTES_MAX).await {
        Ok(bytes) => {
            let message: Message = decode(&bytes).unwrap();
            if matches!(message.body, Body::AppendEntries { .. }) {
                let _ = arrivals.send(Arrival::Heartbeat(message));
            }
        }
        Err(ReadToEndError::TooLong) => drop(arrivals.send(Arrival::Stalled(stream))),
        Err(ReadToEndError::Read(_)) => {}
    }
}

/// Says, as n2, that its log is empty: it lacks what is before the entries of a message.
async fn refuse(as_n2: &quinn::Connection, message: &Message) {
    let Body::AppendEntries { prev_index, round, .. } = message.body else { return };
    let retry_from = LogIndex(1);
    let body = Body::AppendRejected { prev_index, retry_from, round, repairing: false };
    let mut stream = as_n2.open_uni().await.unwrap();
    stream.write_all(&encode(&Message { term: message.term, body })).await.unwrap();
    stream.finish().unwrap();
}

/// Has a request carried out, as soon as the node leads.
async fn ask(client: &Connection, request: &Request) -> Response {
    loop {
        match client.call(request).await.unwrap() {
            Response::NotLeader { .. } | Response::Refused { .. } => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            response => return response,
        }
    }
}

/// A leader n1 with a large state, of whose log the beginning is gone.
async fn lead(options: Options, certs: &Path) -> (SocketAddr, Connection) {
    let snapshot_entries = options.snapshot_entries;
    let address = serve(options);
    let client = Client::open(certs, "client").unwrap().connect(address, N1).await.unwrap();
    let write = Command::Write { key: "k".repeat(STATE_BYTES), value: 1 };
    let write = Request::Propose(Proposal::Plain(write));
    for _ in 0..=snapshot_entries {
        assert_eq!(ask(&client, &write).await, Response::Outcome(Ok(Answer::Done)));
    }
    (address, client)
}

/// Has n2 join, and waits until so many heartbeats have come while a snapshot stalls.
async fn heartbeats_beside_snapshot(dir: &Path) {
    let certs = dir.join("certs");
    std::fs::create_dir(&certs).unwrap();
    Authority::new().unwrap().write(&certs, &["n1", "n2", "client"].map(String::from)).unwrap();
    let endpoint = listen(&certs);
    let peers = BTreeMap::from([(N2, endpoint.local_addr().unwrap())]);
    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    tokio::spawn(receive(endpoint, arrivals));

    let (address, client) = lead(Options { peers, ..options(dir, &certs) }, &certs).await;
    let config = client_config(&Identity::load(&certs, "n2", []).unwrap(), PEER_ALPN).unwrap();
    let as_n2 = connect(&dialing().unwrap(), config, address, "n1").await.unwrap();
    let added = ask(&client, &Request::ChangeMembers(MemberChange::Add(N2))).await;
    assert!(matches!(added, Response::Changed(_)), "{added:?}");

    let (mut stalled, mut heartbeats) = (Vec::new(), 0);
    while heartbeats < HEARTBEATS {
        match arrived.recv().await.expect("the endpoint listens for ever") {
            Arrival::Stalled(stream) => stalled.push(stream),
            Arrival::Heartbeat(message) if stalled.is_empty() => refuse(&as_n2, &message).await,
            Arrival::Heartbeat(_) => heartbeats += 1,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_pass_a_snapshot_that_stalls() {
    let dir = tempfile::tempdir().unwrap();
    let came = tokio::time::timeout(PATIENCE, heartbeats_beside_snapshot(dir.path())).await;
    came.expect("heartbeats stay away while a snapshot stalls");
}

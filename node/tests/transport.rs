//! A real node on real sockets: who is let in, and what it answers.

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use node::client::{Client, ReadCounts, Request, Response};
use node::kv::{Answer, Command, Object, Proposal, Query, Refusal};
use node::raft::NodeId;
use node::reads::Reads;
use node::server::Options;
use node::transport::Authority;

use support::{options, serve};

const N1: NodeId = NodeId(1);

/// Starts a node alone in its cluster with certificates of its own. Returns where it serves.
fn start(dir: &Path) -> SocketAddr {
    start_with(dir, Reads::ReadIndex)
}

/// The same, with a way to read.
fn start_with(dir: &Path, reads: Reads) -> SocketAddr {
    let certs = dir.join("certs");
    std::fs::create_dir(&certs).unwrap();
    Authority::new().unwrap().write(&certs, &["n1".into(), "client".into()]).unwrap();
    serve(Options { reads, ..options(dir, &certs) })
}

/// Waits until the trace tells of a refused connection with these words in its reason.
async fn refusal(dir: &Path, words: &str) {
    let begin = Instant::now();
    loop {
        let trace = std::fs::read_to_string(dir.join("trace.jsonl")).unwrap();
        let mut lines = trace.lines().map(|line| serde_json::from_str(line).unwrap_or_default());
        let tells = |line: serde_json::Value| {
            let reason = line["reason"].as_str().is_some_and(|reason| reason.contains(words));
            line["event"] == "connection_refused" && reason && line["dialled"].is_null()
        };
        if lines.any(tells) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing of {words}: {trace}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_run_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let address = start(dir.path());
    let client = Client::open(&dir.path().join("certs"), "client").unwrap();
    let connection = client.connect(address, N1).await.unwrap();
    let key = || "k".to_string();
    let plain = |command| Request::Propose(Proposal::Plain(command));
    // Until it has elected itself it refuses; then it serves.
    let write = plain(Command::Write { key: key(), value: 5 });
    while connection.call(&write).await.unwrap() != Response::Outcome(Ok(Answer::Done)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ask = async |request| match connection.call(&request).await.unwrap() {
        Response::Outcome(outcome) => outcome,
        other => panic!("{other:?}"),
    };
    let cas = |old| plain(Command::Cas { key: key(), old: Some(old), new: 6 });
    assert_eq!(ask(cas(4)).await, Err(Refusal::Mismatch));
    assert_eq!(ask(cas(5)).await, Ok(Answer::Done));
    let read = ask(Request::Query(Query::Read { key: key() })).await;
    assert_eq!(read, Ok(Answer::Object(Some(Object::Register(6)))));
    let here = ask(Request::QueryHere(Query::Read { key: key() })).await;
    assert_eq!(here, read, "the leader is asked as any node is");
    let Ok(Answer::Session(session)) = ask(Request::Propose(Proposal::Register)).await else {
        panic!("a session was asked for");
    };
    let add = Command::Add { key: "sum".into(), amount: 2 };
    for _ in 0..2 {
        let (sequence, answered, command) = (0, 0, add.clone());
        let once = Proposal::Once { session, sequence, answered, command };
        assert_eq!(ask(Request::Propose(once)).await, Ok(Answer::Integer(2)));
    }
    let Response::Status(status) = connection.call(&Request::Status).await.unwrap() else {
        panic!("a status was asked for");
    };
    assert!(status.leads && status.leader == Some(N1) && status.commit == status.last_index);
    assert_eq!(status.reads, ReadCounts::default(), "as the leader, and it asked a majority");
    let trace = std::fs::read_to_string(dir.path().join("trace.jsonl")).unwrap();
    assert!(!trace.contains("connection_refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_with_a_lease_need_not_ask() {
    let dir = tempfile::tempdir().unwrap();
    let address = start_with(dir.path(), Reads::Lease);
    let client = Client::open(&dir.path().join("certs"), "client").unwrap();
    let connection = client.connect(address, N1).await.unwrap();
    let mut leased = 0;
    while leased == 0 {
        connection.call(&Request::Query(Query::Read { key: "k".into() })).await.unwrap();
        if let Response::Status(status) = connection.call(&Request::Status).await.unwrap() {
            leased = status.reads.leased;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_certificate_of_the_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let address = start(dir.path());
    let certs = dir.path().join("certs");
    // Another run's authority, which does not know n1 and is not known to it.
    let foreign = dir.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    let other = Authority::new().unwrap();
    other.write(&foreign, &["client".into()]).unwrap();
    let client = Client::open(&foreign, "client").unwrap();
    assert!(client.connect(address, N1).await.is_err(), "the client does not trust the node");
    // Even a client that trusts our authority is refused with a certificate of the other.
    std::fs::copy(certs.join("ca.pem"), foreign.join("ca.pem")).unwrap();
    let client = Client::open(&foreign, "client").unwrap();
    let refused = match client.connect(address, N1).await {
        Err(_) => true,
        // In TLS 1.3 the client learns of the refusal only when it uses the connection.
        Ok(connection) => connection.call(&Request::Status).await.is_err(),
    };
    assert!(refused, "the node does not trust the client");
    refusal(dir.path(), "BadSignature").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_a_certificate_that_has_expired_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    // The node keeps a copy of the authority, so that it can sign for another client.
    let authority = Authority::of(&certs).unwrap();
    authority.write(&certs, &["n1".into(), "client".into()]).unwrap();
    let address = serve(options(dir.path(), &certs));
    let call = async |name: &str| {
        let client = Client::open(&certs, name).unwrap();
        let session = client.connect(address, N1).await.ok()?;
        session.call(&Request::Status).await.ok()
    };
    assert!(call("client").await.is_some());
    let expired = Authority::of(&certs).unwrap().expiring(Duration::ZERO);
    expired.write(&certs, &["late".into()]).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await; // Certificates count in seconds.
    assert!(call("late").await.is_none());
    refusal(dir.path(), "expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_under_another_name_is_not_taken_for_the_one_that_was_dialled() {
    let dir = tempfile::tempdir().unwrap();
    let address = start(dir.path());
    let client = Client::open(&dir.path().join("certs"), "client").unwrap();
    assert!(client.connect(address, NodeId(2)).await.is_err());
    assert!(client.connect(address, N1).await.is_ok());
    refusal(dir.path(), "not valid for name").await;
}

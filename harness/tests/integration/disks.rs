//! Nodes whose disks are damaged or full.

use node::client::{Request, Response};
use node::kv::{Answer, Command, Proposal};

use super::cluster::Cluster;
use super::support::text;

fn write(key: &str, value: i64) -> Command {
    Command::Write { key: key.into(), value }
}

fn count(trace: &[serde_json::Value], event: &str) -> usize {
    trace.iter().filter(|line| line["event"] == event).count()
}

/// What the state machine had come to when the node was told to end.
fn digest(cluster: &Cluster, trace: &str) -> serde_json::Value {
    let trace = cluster.trace(trace);
    let last = trace.iter().rfind(|line| line["event"] == "state_digest").expect("it ended");
    last["state"].clone()
}

#[test]
fn a_damaged_node_gets_back_what_it_lost_and_has_no_vote_meanwhile() {
    let mut cluster = Cluster::start(3);
    for value in 0..20 {
        assert_eq!(cluster.change(&write("x", value)), Ok(Answer::Done));
    }
    cluster.converge();
    (1..=3).for_each(|node| cluster.kill(node));
    let segment = cluster.path("n1/00000000000000000001.wal");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let refused = cluster.command(1, &[]).output().unwrap();
    assert_eq!(refused.status.code(), Some(4));
    let said = text(&refused);
    assert!(said.contains("damaged at byte") && said.contains("must not take part"), "{said}");

    // With n1's vote n2 would win. It asks, and asks again.
    cluster.launch(1, &["--on-corruption", "repair", "--trace", "n1.trace"]);
    cluster.launch(2, &["--trace", "n2.trace"]);
    cluster.wait_for("n2 has asked for votes", |cluster| {
        (count(&cluster.trace("n2.trace"), "became_pre_candidate") >= 5).then_some(())
    });
    let status = cluster.wait_for("n1 answers", |cluster| cluster.status(1));
    assert!(status.repairing.is_some_and(|up_to| up_to > 20) && !status.leads, "{status:?}");
    let traces = [cluster.trace("n1.trace"), cluster.trace("n2.trace")].concat();
    for event in ["became_candidate", "vote_granted", "became_leader"] {
        assert_eq!(count(&traces, event), 0, "{event}");
    }
    assert_eq!(count(&cluster.trace("n1.trace"), "became_pre_candidate"), 0);

    // A second crash does not make it forget, and now nobody need tell it to repair.
    cluster.kill(1);
    let inspected = cluster.place.output(&["node", "inspect", "n1"]);
    assert_eq!(inspected.status.code(), Some(0));
    assert!(text(&inspected).contains("repairing  up to entry 2"), "{}", text(&inspected));
    assert!(cluster.path("n1.damaged-1/00000000000000000001.wal").exists(), "it is kept");
    cluster.launch(1, &["--trace", "n1.2.trace"]);
    let again = cluster.wait_for("n1 answers", |cluster| cluster.status(1));
    assert_eq!(again.repairing, status.repairing);

    cluster.launch(3, &["--trace", "n3.trace"]);
    cluster.wait_for("n1 is whole", |cluster| cluster.status(1)?.repairing.is_none().then_some(()));
    cluster.converge();
    (1..=3).for_each(|node| cluster.stop(node));
    let digests = ["n1.2.trace", "n2.trace", "n3.trace"].map(|trace| digest(&cluster, trace));
    assert!(digests.iter().all(|one| *one == digests[0]), "{digests:?}");
    let inspected = cluster.place.output(&["node", "inspect", "n1"]);
    assert!(!text(&inspected).contains("repairing"), "{}", text(&inspected));
}

/// So large that two of them do not fit into what a log has allocated at first.
fn large(value: i64) -> Command {
    write(&"k".repeat(40_000), value)
}

/// Fills the disk of a node, by changes that the cluster goes on to carry out.
fn fill(cluster: &Cluster, node: u32) {
    cluster.limit_files(node, Some(64 << 10));
    cluster.wait_for("its disk is full", |cluster| {
        let request = Request::Propose(Proposal::Plain(large(1)));
        cluster.ask(cluster.leader(), &request);
        cluster.status(node)?.disk_full.then_some(())
    });
}

#[test]
fn a_leader_with_a_full_disk_refuses_and_another_leads_until_there_is_room() {
    let cluster = Cluster::start(3);
    let full = cluster.leader();
    fill(&cluster, full);
    let request = Request::Propose(Proposal::Plain(write("x", 1)));
    let refused = Response::Refused { reason: "disk full".into() };
    assert_eq!(cluster.ask(full, &request), Some(refused), "certainly not done");
    cluster.wait_for("another leads and serves", |cluster| {
        let leads = |node: u32| cluster.status(node).is_some_and(|status| status.leads);
        let other = (1..=3).find(|node| *node != full && leads(*node))?;
        let done = Response::Outcome(Ok(Answer::Done));
        (cluster.ask(other, &request)? == done).then_some(())
    });
    assert!(
        !cluster.wait_for("it has stepped down", |c| c.status(full).filter(|s| !s.leads)).leads
    );
    cluster.limit_files(full, None);
    cluster.converge();
    assert!(!cluster.status(full).unwrap().disk_full);
}

#[test]
fn a_follower_with_a_full_disk_acknowledges_nothing() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let full = if leader == 1 { 2 } else { 1 };
    fill(&cluster, full);
    // The others go on, and would hear of it if it told more than is on its disk.
    for value in 0..5 {
        assert_eq!(cluster.change(&large(value)), Ok(Answer::Done));
    }
    let status = cluster.status(cluster.leader()).unwrap();
    let matched = |(node, index): &(node::raft::NodeId, u64)| (node.0 == full).then_some(*index);
    let acknowledged = status.matched.iter().find_map(matched).expect("it is a member");
    assert!(acknowledged < status.commit, "{status:?}");
    cluster.kill(full);
    let json = cluster.place.output(&["node", "inspect", &format!("n{full}"), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let durable = json["log"]["last_index"].as_u64().unwrap();
    assert!((acknowledged..status.commit).contains(&durable), "{durable}, {status:?}");
    cluster.launch(full, &[]);
    cluster.converge();
}

//! Nodes that a user starts without the harness, and the client for them.

use node::client::{Request, Response};
use node::kv::{Command, Proposal};

use super::cluster::Cluster;
use super::support::Place;

/// Who leads, as the others see it.
fn leader(cluster: &Cluster) -> u32 {
    let (code, members) = cluster.kv("30s", &["members"]);
    assert_eq!(code, 0, "{members}");
    let leader = members.split_once("led by n").and_then(|(_, rest)| rest.split_once(' '));
    leader.and_then(|(number, _)| number.parse().ok()).expect(&members)
}

#[test]
fn three_nodes_serve_a_client_and_survive_the_loss_of_one() {
    let mut cluster = Cluster::start(3);
    let check = |cluster: &Cluster, words: &[&str], code: i32, printed: &str| {
        assert_eq!(cluster.kv("30s", words), (code, printed.to_string()), "{words:?}");
    };
    check(&cluster, &["get", "x"], 0, "null");
    check(&cluster, &["put", "x", "5"], 0, "done");
    check(&cluster, &["cas", "x", "4", "6"], 1, "mismatch: nothing was changed");
    check(&cluster, &["cas", "x", "5", "-6"], 0, "done");
    for node in ["n1", "n2", "n3"] {
        check(&cluster, &["get", "x", "--at", node], 0, "-6");
    }
    assert_eq!(cluster.kv("30s", &["get", "x", "--at", "n4"]).0, 2, "nobody said where n4 is");
    let (code, status) = cluster.kv("30s", &["status"]);
    assert_eq!((code, status.matches("leads").count()), (0, 1), "{status}");
    assert_eq!(status.matches("1 reads as a follower").count(), 2, "{status}");
    let leader = status.lines().position(|line| line.contains("leads")).unwrap() as u32 + 1;
    cluster.kill(leader);
    check(&cluster, &["get", "x"], 0, "-6");
    (1..=3).filter(|node| *node != leader).for_each(|node| cluster.kill(node));
    assert_eq!(cluster.kv("300ms", &["put", "x", "7"]).0, 4, "certainly not done");
}

#[test]
fn members_come_and_go_while_the_cluster_serves() {
    let mut cluster = Cluster::start(4);
    let done = |cluster: &Cluster, words: &[&str]| {
        let (code, printed) = cluster.kv("30s", words);
        assert_eq!(code, 0, "{words:?}: {printed}");
        printed
    };
    let declined = |cluster: &Cluster, words: &[&str], why: &str| {
        assert_eq!(cluster.kv("30s", words), (1, format!("{why}: nothing was changed")));
    };
    assert!(done(&cluster, &["members"]).starts_with("voters n1 n2 n3  since the beginning"));
    declined(&cluster, &["members", "promote", "n4"], "n4 is no learner");
    declined(&cluster, &["transfer", "n4"], "n4 does not vote");
    let (code, why) = cluster.kv("30s", &["members", "add", "n9"]);
    assert!(code == 1 && why.contains("not told where n9 is"), "{code} {why}");
    assert!(done(&cluster, &["members", "add", "n4"]).contains("learners n4"));
    declined(&cluster, &["members", "add", "n4"], "n4 is a member already");
    assert!(done(&cluster, &["members", "promote", "n4"]).starts_with("voters n1 n2 n3 n4  since"));

    // Three of four are needed now, and one of the three is n4.
    let first = leader(&cluster);
    let victim = (1..=3).find(|number| *number != first).unwrap();
    let name = |number: u32| format!("n{number}");
    cluster.kill(victim);
    done(&cluster, &["put", "x", "5"]);
    done(&cluster, &["members", "remove", &name(victim)]);
    let used_up = format!("{} was removed, and its name cannot be used again", name(victim));
    declined(&cluster, &["members", "add", &name(victim)], &used_up);

    let old = leader(&cluster);
    let members = done(&cluster, &["members", "remove", &name(old)]);
    assert!(members.contains("removed") && members.contains(&name(old)), "{members}");
    let new = leader(&cluster);
    assert_ne!(new, old, "a leader that was removed steps down");
    assert_eq!(done(&cluster, &["get", "x"]), "5");
    let other = (1..=4).find(|number| ![old, victim, new].contains(number)).unwrap();
    done(&cluster, &["transfer", &name(other)]);
    assert_eq!(leader(&cluster), other);
    declined(&cluster, &["transfer", &name(old)], &format!("{} does not vote", name(old)));
}

#[test]
fn whoever_waits_for_a_node_that_ends_is_told_so() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    cluster.change(&Command::Add { key: "sum".into(), amount: 1 }).unwrap();
    let before = cluster.status(leader).unwrap().last_index;
    (1..=3).filter(|node| *node != leader).for_each(|node| cluster.kill(node));
    let add = Command::Add { key: "sum".into(), amount: 1 };
    let requests = vec![Request::Propose(Proposal::Plain(add)); 40];
    let ended = cluster.ask_many(leader, requests, || {
        // Nobody is there to agree to what its log has taken in. It gives up on them when it ends, if not before.
        cluster.wait_for("all are in the log", |cluster| {
            (cluster.status(leader)?.last_index >= before + 40).then_some(())
        });
        cluster.terminate(leader);
    });
    for answer in ended {
        assert!(matches!(answer, Ok(Response::Unknown { .. })), "{answer:?}");
    }
}

#[test]
fn a_member_without_an_address_is_bad_usage() {
    let place = Place::new();
    let output = place.output(&[
        "node",
        "--id",
        "n1",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        "n1",
        "--certs",
        "certs",
        "--members",
        "n1,n2",
    ]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("there is no address of n2 among --peers"), "{told}");
}

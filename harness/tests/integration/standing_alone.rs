//! Nodes that a user starts without the harness, and the client for them.

use std::net::UdpSocket;
use std::process::{Child, Stdio};

use super::support::Place;

/// A node, killed when the test is over.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cluster that a test made.
struct Cluster {
    place: Place,
    /// The nodes and their addresses, as both commands take them.
    nodes: String,
    running: Vec<Node>,
}

impl Cluster {
    /// Nodes n1, n2, …, of which the first three are the members.
    fn start(count: usize) -> Self {
        let place = Place::new();
        let names: Vec<_> = (1..=count).map(|number| format!("n{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).chain(["client"]).collect();
        assert!(place.output(&[&["certs", "certs"], &names[..]].concat()).status.success());
        // Ports that were free a moment ago.
        let sockets: Vec<_> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> =
            sockets.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
        drop(sockets);
        let each = |(n, address): (usize, &String)| format!("n{}={address}", n + 1);
        let nodes = addresses.iter().enumerate().map(each).collect::<Vec<_>>().join(",");
        let running = addresses.iter().enumerate().map(|(n, address)| {
            let name = format!("n{}", n + 1);
            let who = ["node", "--id", &name, "--data-dir", &name, "--certs", "certs"];
            let mut command = place.faultline(&who);
            command.args(["--listen", address, "--peers", &nodes, "--members", "n1,n2,n3"]);
            Node(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        });
        let running = running.collect();
        Self { place, nodes, running }
    }

    /// Who leads.
    fn leader(&self) -> usize {
        let (code, members) = self.kv("30s", &["members"]);
        assert_eq!(code, 0, "{members}");
        let leader = members.split_once("led by n").and_then(|(_, rest)| rest.split_once(' '));
        leader.and_then(|(number, _)| number.parse().ok()).expect(&members)
    }

    /// The exit code of `faultline kv`, and what it prints.
    fn kv(&self, timeout: &str, words: &[&str]) -> (i32, String) {
        let common = ["kv", "--certs", "certs", "--timeout", timeout, "--nodes", &self.nodes];
        let output = self.place.output(&[&common, words].concat());
        let printed = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), printed.trim().to_string())
    }
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
    let (code, status) = cluster.kv("30s", &["status"]);
    assert_eq!((code, status.matches("leads").count()), (0, 1), "{status}");
    let leader = status.lines().position(|line| line.contains("leads")).unwrap();
    drop(cluster.running.remove(leader));
    check(&cluster, &["get", "x"], 0, "-6");
    cluster.running.clear();
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
    let leader = cluster.leader();
    let victim = (1..=3).find(|number| *number != leader).unwrap();
    let name = |number: usize| format!("n{number}");
    cluster.running.remove(victim - 1);
    done(&cluster, &["put", "x", "5"]);
    done(&cluster, &["members", "remove", &name(victim)]);
    let used_up = format!("{} was removed, and its name cannot be used again", name(victim));
    declined(&cluster, &["members", "add", &name(victim)], &used_up);

    let old = cluster.leader();
    let members = done(&cluster, &["members", "remove", &name(old)]);
    assert!(members.contains("removed") && members.contains(&name(old)), "{members}");
    let new = cluster.leader();
    assert_ne!(new, old, "a leader that was removed steps down");
    assert_eq!(done(&cluster, &["get", "x"]), "5");
    let other = (1..=4).find(|number| ![old, victim, new].contains(number)).unwrap();
    done(&cluster, &["transfer", &name(other)]);
    assert_eq!(cluster.leader(), other);
    declined(&cluster, &["transfer", &name(old)], &format!("{} does not vote", name(old)));
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

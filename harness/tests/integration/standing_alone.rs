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

/// Three nodes of a cluster that this test made.
struct Cluster {
    place: Place,
    /// The nodes and their addresses, as both commands take them.
    nodes: String,
    running: Vec<Node>,
}

impl Cluster {
    fn start() -> Self {
        let place = Place::new();
        assert!(place.output(&["certs", "certs", "n1", "n2", "n3", "client"]).status.success());
        // Ports that were free a moment ago.
        let sockets: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> =
            sockets.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
        drop(sockets);
        let each = |(n, address): (usize, &String)| format!("n{}={address}", n + 1);
        let nodes = addresses.iter().enumerate().map(each).collect::<Vec<_>>().join(",");
        let running = addresses.iter().enumerate().map(|(n, address)| {
            let name = format!("n{}", n + 1);
            let who = ["node", "--id", &name, "--data-dir", &name, "--certs", "certs"];
            let mut command = place.faultline(&who);
            command.args(["--listen", address, "--peers", &nodes]);
            Node(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        });
        let running = running.collect();
        Self { place, nodes, running }
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
    let mut cluster = Cluster::start();
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

//! What nodes are started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use node::reads::Reads;

use super::Cluster;
use crate::plan::CLIENTS;
use crate::run::Programs;
use crate::sabotage::Sabotage;

/// How nodes are started.
#[derive(Clone, Debug)]
pub(crate) struct NodeProgram {
    /// The binaries under test.
    pub(crate) programs: Programs,
    pub(crate) seed: u64,
    /// The run's zero on the monotonic clock.
    pub(crate) epoch: u64,
    /// The shortest election time-out, where the workload says so.
    pub(crate) election_timeout: Option<Duration>,
    /// When the first election time-out of every node ends, on the run's clock, in nanoseconds.
    pub(crate) first_election_at: Option<u64>,
    /// How many entries a snapshot comes after, where the workload says so.
    pub(crate) snapshot_entries: Option<u64>,
    /// The members with which the cluster begins, where these are not all nodes.
    pub(crate) members: Option<Vec<String>>,
    /// How a leader makes sure that it may answer a read, where the workload says so.
    pub(crate) reads: Option<Reads>,
    pub(crate) plant: Option<String>,
    /// What of the harness itself is broken on purpose, if anything.
    pub(crate) sabotage: Option<Sabotage>,
}

impl Cluster {
    /// The command line of the node contract (`docs/formats.md`).
    pub(super) fn arguments(&self, name: &str, incarnation: u64) -> Vec<String> {
        let listen = self.nodes[name].address.unwrap_or_else(|| SocketAddr::from((loopback(), 0)));
        let program = &self.program;
        let mut arguments = vec!["node".to_string()];
        let mut flag = |name: &str, value: String| {
            arguments.push(format!("--{name}"));
            arguments.push(value);
        };
        flag("id", name.to_string());
        flag("listen", listen.to_string());
        for peer in self.nodes.keys().filter(|peer| *peer != name) {
            // Messages that are looked at go to the message relay first, and from there over the same link.
            let entrance = match &self.relay {
                Some(relay) => relay.entrance(name, peer),
                None => self.network.entrance(name, peer),
            };
            flag("peer", format!("{peer}={entrance}"));
        }
        for node in self.nodes.keys() {
            flag("advertise", format!("{node}={}", self.network.entrance(CLIENTS, node)));
        }
        flag("data-dir", self.directory.data(name).display().to_string());
        flag("certs", self.directory.certs().display().to_string());
        flag("trace", self.directory.trace(name, incarnation).display().to_string());
        flag("incarnation", incarnation.to_string());
        flag("seed", node_seed(program.seed, name, incarnation).to_string());
        flag("epoch", program.epoch.to_string());
        if let Some(timeout) = program.election_timeout {
            flag("election-timeout", timeout.as_millis().to_string());
        }
        // The fixed first time-out is for the start of the run; a restarted node draws its own.
        if let Some(at) = program.first_election_at.filter(|_| incarnation == 1) {
            flag("first-election-at", at.to_string());
        }
        if let Some(entries) = program.snapshot_entries {
            flag("snapshot-entries", entries.to_string());
        }
        if let Some(members) = &program.members {
            flag("members", members.join(","));
        }
        if let Some(reads) = program.reads {
            flag("reads", reads.to_string());
        }
        if let Some(bug) = &program.plant {
            flag("plant", bug.clone());
        }
        arguments
    }
}

/// Where nodes listen: an address of the loopback network that no other run on this machine has. So nobody can take the port of a node that is down.
fn loopback() -> Ipv4Addr {
    let [high, rest @ ..] = std::process::id().to_be_bytes();
    debug_assert_eq!(high, 0, "Linux has at most 2²² processes");
    Ipv4Addr::new(127, rest[0], rest[1], rest[2])
}

/// Every incarnation draws other time-outs, and the same ones for the same seed.
fn node_seed(seed: u64, name: &str, incarnation: u64) -> u64 {
    crate::plan::stream(seed, &format!("node {name}.{incarnation}")).next()
}

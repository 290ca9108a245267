//! The nodes as OS processes: start, stop, kill, pause, restart, and the certainty that none is left behind.
//!
//! A `Cluster` has one owner (the fault injector while faults run, the run before and after), so no two things are done to a
//! node at once.

mod process;
mod spawner;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use node::reads::Reads;
use tokio::sync::mpsc;

pub(crate) use self::process::{Exit, OURSELVES, guarded};
use self::process::{Process, StartError};
pub(crate) use self::spawner::Spawner;
use crate::ledger::Ledger;
use crate::links::{MessageRelay, Network};
use crate::run_directory::RunDirectory;

/// A node that does not say that it is ready within this time will not.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// A node that does not end within this time after SIGTERM is killed.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// How nodes are started.
#[derive(Clone, Debug)]
pub(crate) struct NodeProgram {
    /// The binary under test.
    pub(crate) binary: PathBuf,
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
}

/// What a node is doing.
#[derive(Debug)]
enum State {
    Running(Process),
    Paused(Process),
    Down,
}

#[derive(Debug)]
struct Node {
    state: State,
    incarnation: u64,
    /// Where it serves; kept for its whole life, so that nobody need be told after a restart.
    address: Option<SocketAddr>,
}

/// The processes of a run.
pub(crate) struct Cluster {
    program: NodeProgram,
    directory: RunDirectory,
    network: Arc<Network>,
    relay: Option<Arc<MessageRelay>>,
    spawner: Spawner,
    nodes: BTreeMap<String, Node>,
    exits: mpsc::UnboundedSender<Exit>,
}

impl Cluster {
    /// A cluster whose nodes are all down. Deaths that nobody ordered are sent to `exits`.
    pub(crate) fn new(
        names: &[String],
        program: NodeProgram,
        directory: RunDirectory,
        network: Arc<Network>,
        relay: Option<Arc<MessageRelay>>,
        exits: mpsc::UnboundedSender<Exit>,
    ) -> anyhow::Result<Self> {
        let down = || Node { state: State::Down, incarnation: 0, address: None };
        let nodes = names.iter().map(|name| (name.clone(), down())).collect();
        let ledger = Ledger::create(directory.path()).context("cannot write the ledger")?;
        let spawner = Spawner::start(Arc::new(ledger))
            .context("cannot start the thread that starts nodes")?;
        Ok(Self { program, directory, network, relay, spawner, nodes, exits })
    }

    /// Starts every node, all at once.
    pub(crate) async fn start_all(&mut self) -> anyhow::Result<()> {
        let names: Vec<_> = self.nodes.keys().cloned().collect();
        let mut starting = Vec::new();
        for name in &names {
            let incarnation = self.node_mut(name).incarnation + 1;
            self.node_mut(name).incarnation = incarnation;
            starting.push(self.spawn(name, incarnation)?);
        }
        for (name, process) in names.iter().zip(starting) {
            let process = self.ready(process).await.with_context(|| format!("node {name}"))?;
            self.up(name, process);
        }
        Ok(())
    }

    /// The nodes that run, neither down nor paused.
    pub(crate) fn running(&self) -> Vec<String> {
        let runs = |node: &Node| matches!(node.state, State::Running(_));
        self.nodes.iter().filter(|(_, node)| runs(node)).map(|(name, _)| name.clone()).collect()
    }

    /// Kills a node with SIGKILL, paused or not. Returns its pid and how it ended.
    pub(crate) async fn kill(&mut self, name: &str) -> anyhow::Result<(u32, String)> {
        let node = self.node_mut(name);
        match std::mem::replace(&mut node.state, State::Down) {
            State::Running(process) | State::Paused(process) => {
                Ok((process.pid(), process.kill().await))
            }
            State::Down => bail!("node {name} is down already"),
        }
    }

    /// Starts a node that is down, on the state that it left. Returns its pid and its incarnation.
    pub(crate) async fn restart(&mut self, name: &str) -> anyhow::Result<(u32, u64)> {
        let node = self.node_mut(name);
        if !matches!(node.state, State::Down) {
            bail!("node {name} is not down");
        }
        node.incarnation += 1;
        let incarnation = node.incarnation;
        let process = self.spawn(name, incarnation)?;
        let process = self.ready(process).await.with_context(|| format!("node {name}"))?;
        let pid = process.pid();
        self.up(name, process);
        Ok((pid, incarnation))
    }

    /// Stops a node in its tracks (SIGSTOP). Returns its pid and the state that the kernel shows.
    pub(crate) async fn pause(&mut self, name: &str) -> anyhow::Result<(u32, char)> {
        let node = self.node_mut(name);
        match std::mem::replace(&mut node.state, State::Down) {
            State::Running(process) => {
                let seen = process.pause().await;
                let pid = process.pid();
                node.state = State::Paused(process);
                Ok((pid, seen?))
            }
            other => {
                node.state = other;
                bail!("node {name} is not running");
            }
        }
    }

    /// Lets a paused node go on. Returns the state that the kernel shows.
    pub(crate) async fn resume(&mut self, name: &str) -> anyhow::Result<char> {
        let node = self.node_mut(name);
        match std::mem::replace(&mut node.state, State::Down) {
            State::Paused(process) => {
                let seen = process.resume().await;
                node.state = State::Running(process);
                seen
            }
            other => {
                node.state = other;
                bail!("node {name} is not paused");
            }
        }
    }

    /// Takes note that a node ended by itself.
    pub(crate) fn died(&mut self, exit: &Exit) {
        let node = self.node_mut(&exit.node);
        if node.incarnation == exit.incarnation {
            node.state = State::Down;
        }
    }

    /// Ends every node: orderly where possible, by force after a moment. Nothing is started afterwards.
    pub(crate) async fn stop_all(&mut self) {
        let mut ending = Vec::new();
        for node in self.nodes.values_mut() {
            match std::mem::replace(&mut node.state, State::Down) {
                State::Running(process) | State::Paused(process) => {
                    ending.push(process.stop(STOP_GRACE));
                }
                State::Down => {}
            }
        }
        for end in ending {
            end.await;
        }
        self.spawner.ledger().close();
    }

    fn node_mut(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).expect("faults are planned for nodes of the cluster")
    }

    fn spawn(&self, name: &str, incarnation: u64) -> anyhow::Result<Process> {
        let arguments = self.arguments(name, incarnation);
        let log = self.directory.log(name, incarnation);
        let exits = self.exits.clone();
        Process::start(
            &self.spawner,
            &self.program.binary,
            arguments,
            name,
            incarnation,
            &log,
            exits,
        )
    }

    async fn ready(&self, mut process: Process) -> Result<Process, StartError> {
        match process.ready(READY_TIMEOUT).await {
            Ok(()) => Ok(process),
            Err(error) => {
                process.kill().await;
                Err(error)
            }
        }
    }

    fn up(&mut self, name: &str, process: Process) {
        let address = process.address();
        self.network.set_listener(name, address);
        // Else the message relay dials in its place.
        if self.relay.is_none() {
            self.network.set_dialer(name, address);
        }
        let node = self.node_mut(name);
        node.address = Some(address);
        node.state = State::Running(process);
    }

    /// The command line of the node contract (`docs/formats.md`).
    fn arguments(&self, name: &str, incarnation: u64) -> Vec<String> {
        let listen =
            self.nodes[name].address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
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

/// The end of the links on which clients are.
pub(crate) const CLIENTS: &str = "clients";

/// Every incarnation draws other time-outs, and the same ones for the same seed.
fn node_seed(seed: u64, name: &str, incarnation: u64) -> u64 {
    crate::plan::stream(seed, &format!("node {name}.{incarnation}")).next()
}

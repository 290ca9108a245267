//! The nodes as OS processes: start, stop, kill, pause, starve, limit, restart, wipe, and the certainty that none is left behind.
//!
//! A `Cluster` has one owner (the fault injector while faults run, the run before and after), so no two things are done to a
//! node at once.

pub(crate) mod kernel;
mod process;
mod program;
mod spawner;
mod starve;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use tokio::sync::mpsc;

pub(crate) use self::process::{Exit, OURSELVES, guarded};
use self::process::{Process, StartError};
pub(crate) use self::program::NodeProgram;
pub(crate) use self::spawner::Spawner;
pub(crate) use self::starve::Starved;
use self::starve::Starving;
use crate::ledger::Ledger;
use crate::links::{MessageRelay, Network};
use crate::run_directory::RunDirectory;
use crate::sabotage::Sabotage;

/// The shortest election time-out of our nodes where nobody says another.
pub(crate) const ELECTION_TIMEOUT_MS: u64 = 250;
/// A node that does not say that it is ready within this time will not.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// A node that does not end within this time after SIGTERM is killed.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// A process that is killed and does not end within this time was not killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long a node that is asked to end may take: a leader hands over first.
const TERMINATE_GRACE: Duration = Duration::from_secs(5);

/// What a node is doing.
#[derive(Debug)]
enum State {
    Running(Process),
    Paused(Process),
    Starved(Process, Starving),
    Down,
}

impl State {
    /// The process, whatever it is doing.
    fn process(&self) -> Option<&Process> {
        match self {
            Self::Running(process) | Self::Paused(process) | Self::Starved(process, _) => {
                Some(process)
            }
            Self::Down => None,
        }
    }

    fn into_process(self) -> Option<Process> {
        match self {
            Self::Running(process) | Self::Paused(process) | Self::Starved(process, _) => {
                Some(process)
            }
            Self::Down => None,
        }
    }
}

/// How a process was ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) pid: u32,
    /// Its wait status in words; `alive` if there is none.
    pub(crate) status: String,
}

/// What a process may have of something, as the kernel says.
#[derive(Clone, Debug)]
pub(crate) struct Limited {
    pub(crate) pid: u32,
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// Where its log was then, and how long.
    pub(crate) log: (PathBuf, u64),
}

#[derive(Debug)]
struct Node {
    state: State,
    incarnation: u64,
    /// Whether it is started as the next version.
    upgraded: bool,
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
    /// The processes whose limits are not what they were.
    limited: BTreeSet<u32>,
    is_over: bool,
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
        let down = || Node { state: State::Down, incarnation: 0, upgraded: false, address: None };
        let nodes = names.iter().map(|name| (name.clone(), down())).collect();
        let ledger = Ledger::create(directory.path()).context("cannot write the ledger")?;
        let spawner = Spawner::start(Arc::new(ledger))
            .context("cannot start the thread that starts nodes")?;
        Ok(Self {
            program,
            directory,
            network,
            relay,
            spawner,
            nodes,
            exits,
            limited: BTreeSet::new(),
            is_over: false,
        })
    }

    /// The run is over: no node is brought back any more.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether it is.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
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

    /// The pid of a node that is not down.
    pub(crate) fn pid(&self, name: &str) -> anyhow::Result<u32> {
        let process = self.nodes[name].state.process();
        Ok(process.with_context(|| format!("node {name} is down already"))?.pid())
    }

    /// Makes sure that none of the nodes is down, so that what is begun with one of them can be done with all.
    pub(crate) fn ensure_up(&self, names: &[String]) -> anyhow::Result<()> {
        names.iter().try_for_each(|name| self.pid(name).map(drop))
    }

    /// Makes sure that the nodes run, neither paused nor starved.
    pub(crate) fn ensure_running(&self, names: &[String]) -> anyhow::Result<()> {
        let running = self.running();
        for name in names {
            ensure!(running.contains(name), "node {name} is not running");
        }
        Ok(())
    }

    /// Kills a node with SIGKILL, paused or not. One that does not end is left as it is.
    pub(crate) async fn kill(&mut self, name: &str) -> anyhow::Result<Ended> {
        let real = self.program.sabotage != Some(Sabotage::KillKillsNothing);
        let node = self.node_mut(name);
        let Some(process) = node.state.process() else { bail!("node {name} is down already") };
        let pid = process.pid();
        if real {
            process.end_by(Signal::KILL);
        }
        let Some(status) = process.ended_within(KILL_LIMIT).await else {
            return Ok(Ended { pid, status: "alive".into() });
        };
        node.state = State::Down;
        Ok(Ended { pid, status })
    }

    /// Asks a node to end (SIGTERM), and kills it if it takes too long.
    pub(crate) async fn terminate(&mut self, name: &str) -> anyhow::Result<Ended> {
        self.ensure_running(&[name.to_string()])?;
        let state = std::mem::replace(&mut self.node_mut(name).state, State::Down);
        let process = state.into_process().context("it runs")?;
        let pid = process.pid();
        process.end_by(Signal::TERM);
        let status = match process.ended_within(TERMINATE_GRACE).await {
            Some(status) => status,
            None => process.kill().await,
        };
        Ok(Ended { pid, status })
    }

    /// Sets the data directory of a node that is down aside. Returns where it is now, from the directory of the run on.
    pub(crate) fn set_data_aside(&mut self, name: &str) -> anyhow::Result<String> {
        let node = &self.nodes[name];
        ensure!(matches!(node.state, State::Down), "node {name} is not down");
        let aside = format!("{name}.wiped-{}", node.incarnation);
        let data = self.directory.data(name);
        let moved = std::fs::rename(&data, data.with_file_name(&aside));
        moved.with_context(|| format!("cannot set {} aside", data.display()))?;
        Ok(format!("data/{aside}"))
    }

    /// Has a node started as the next version from now on, or no longer.
    pub(crate) fn set_upgraded(&mut self, name: &str, upgraded: bool) {
        self.node_mut(name).upgraded = upgraded;
    }

    /// Whether the process of a node runs the program that it should.
    pub(crate) fn runs_its_program(&self, name: &str) -> bool {
        let process = self.nodes[name].state.process();
        process.is_some_and(|process| kernel::runs(process.pid(), self.binary(name)))
    }

    fn binary(&self, name: &str) -> &Path {
        self.program.programs.of(name, self.nodes[name].upgraded)
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

    /// Stops a node in its tracks (SIGSTOP). Returns its pid and the state that the kernel shows. One that does not stop runs on.
    pub(crate) async fn pause(&mut self, name: &str) -> anyhow::Result<(u32, char)> {
        self.ensure_running(&[name.to_string()])?;
        let real = self.program.sabotage != Some(Sabotage::PausePausesNothing);
        let node = self.node_mut(name);
        let state = std::mem::replace(&mut node.state, State::Down);
        let process = state.into_process().context("it runs")?;
        let pid = process.pid();
        if let Err(error) = process.stopping() {
            node.state = State::Running(process);
            return Err(error);
        }
        if real {
            kernel::signal_group(pid, Signal::STOP);
        }
        let seen = process.stopped().await;
        if seen.is_err() {
            kernel::signal_group(pid, Signal::CONT);
            node.state = State::Running(process);
        } else {
            node.state = State::Paused(process);
        }
        Ok((pid, seen?))
    }

    /// Lets the paused process of a node go on. Returns the state that the kernel shows.
    pub(crate) async fn resume(&mut self, name: &str, pid: u32) -> anyhow::Result<char> {
        let node = self.node_mut(name);
        match std::mem::replace(&mut node.state, State::Down) {
            State::Paused(process) if process.pid() == pid => {
                let seen = process.resume().await;
                node.state = State::Running(process);
                seen
            }
            other => {
                node.state = other;
                bail!("pid {pid} of node {name} is not paused");
            }
        }
    }

    /// Lets a node run in this share of each cycle only. Returns its pid.
    pub(crate) fn starve(
        &mut self,
        name: &str,
        share: f64,
        cycle: Duration,
    ) -> anyhow::Result<u32> {
        self.ensure_running(&[name.to_string()])?;
        let node = self.node_mut(name);
        let state = std::mem::replace(&mut node.state, State::Down);
        let process = state.into_process().context("it runs")?;
        let pid = process.pid();
        if let Err(error) = process.stopping() {
            node.state = State::Running(process);
            return Err(error);
        }
        node.state = State::Starved(process, Starving::start(pid, share, cycle));
        Ok(pid)
    }

    /// Ends the starvation of a node's process. Nothing if that has ended meanwhile.
    pub(crate) async fn feed(&mut self, name: &str, pid: u32) -> anyhow::Result<Option<Starved>> {
        let node = self.node_mut(name);
        match std::mem::replace(&mut node.state, State::Down) {
            State::Starved(process, starving) if process.pid() == pid => {
                let starved = starving.end().await;
                process.continued();
                node.state = State::Running(process);
                starved.map(Some)
            }
            other => {
                node.state = other;
                Ok(None)
            }
        }
    }

    /// Limits how many file descriptors a node may have.
    pub(crate) fn limit_open_files(&mut self, name: &str, files: u64) -> anyhow::Result<Limited> {
        self.ensure_up(&[name.to_string()])?;
        let process = self.nodes[name].state.process().context("it is up")?;
        let pid = process.pid();
        ensure!(!self.limited.contains(&pid), "pid {pid} of node {name} is limited already");
        let log = process.log().to_path_buf();
        let length = std::fs::metadata(&log).map_or(0, |log| log.len());
        let before = kernel::open_files_limit(pid)?;
        kernel::limit_open_files(pid, files)?;
        let after = kernel::open_files_limit(pid)?;
        self.limited.insert(pid);
        Ok(Limited { pid, before, after, log: (log, length) })
    }

    /// Gives a process that was limited back what it could have, if it is still there. Returns what the kernel says.
    pub(crate) fn lift_limit(&mut self, name: &str, was: &Limited) -> anyhow::Result<Option<u64>> {
        self.limited.remove(&was.pid);
        if self.pid(name).ok() != Some(was.pid) {
            return Ok(None);
        }
        kernel::limit_open_files(was.pid, was.before)?;
        Ok(Some(kernel::open_files_limit(was.pid)?))
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
            let state = std::mem::replace(&mut node.state, State::Down);
            ending.extend(state.into_process().map(|process| process.stop(STOP_GRACE)));
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
        Process::start(&self.spawner, self.binary(name), arguments, name, incarnation, &log, exits)
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
}

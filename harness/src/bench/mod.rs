//! `faultline bench-node`: how quick the reference system is, and etcd beside it.
//!
//! Three nodes on this machine, clients that ask for the next thing when they have the answer to the last (a closed loop), each with a
//! connection of its own to the leader. Both systems get the same clients, the same durations, the same values, and sync every write to the
//! same file system. What differs stands in the table's heading: ours encrypts, etcd does not.

#[cfg(feature = "etcd")]
mod etcd;
mod links;
mod load;
mod messages;
mod ours;
mod outages;
mod processes;
mod recording;
mod table;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

pub(crate) use self::links::{LinksPlan, bench_links};
use self::load::{Measured, failover, load};

pub(crate) use self::messages::bench_messages;
pub(crate) use self::recording::bench_recording;
pub(crate) use self::table::Table;
use crate::console::err;

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Numbers of clients, one after another.
    pub(crate) clients: Vec<usize>,
    /// How long each load goes on.
    pub(crate) duration: Duration,
    /// How often the leader is killed, and all links are cut and healed.
    pub(crate) kills: usize,
    /// Entries in the log of the node that is restarted; none is restarted for 0.
    pub(crate) restart_entries: u64,
}

/// What clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    /// Linearizable.
    Read,
}

/// How many nodes each system has.
const NODES: usize = 3;
/// How often a node is asked what it is at, and how often at most until it is what is waited for.
const POLL: Duration = Duration::from_millis(20);
const POLLS_MAX: u32 = 500;

/// Running nodes of a system.
trait System: Sized {
    /// A client with a connection of its own to one node.
    type Client: Client;
    /// Its name in the table, with what is to be known about it.
    const NAME: &'static str;

    /// Starts the nodes.
    async fn start(dir: &Path) -> anyhow::Result<Self>;

    /// Starts the node at this place, again or for the first time.
    fn launch(&self, place: usize) -> anyhow::Result<processes::Process>;

    /// What the node at this place is at, if it answers.
    async fn state(&self, place: usize) -> Option<State>;

    /// Connects a client to the node at this place.
    async fn connect(&self, place: usize) -> anyhow::Result<Self::Client>;

    /// The processes of the nodes, by place.
    fn processes(&mut self) -> &mut [processes::Process];

    /// The place of the node that leads, once one does.
    async fn leader(&self) -> anyhow::Result<usize> {
        for _ in 0..POLLS_MAX {
            for place in 0..NODES {
                if self.state(place).await.is_some_and(|state| state.leads) {
                    return Ok(place);
                }
            }
            tokio::time::sleep(POLL).await;
        }
        anyhow::bail!("no node leads")
    }

    /// Starts the node at this place again and waits until it has caught up.
    async fn restart(&mut self, place: usize) -> anyhow::Result<()> {
        self.processes()[place] = self.launch(place)?;
        let leader = self.leader().await?;
        for _ in 0..POLLS_MAX {
            let (own, of_leader) = (self.state(place).await, self.state(leader).await);
            if let (Some(own), Some(of_leader)) = (own, of_leader)
                && own.index >= of_leader.index
            {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        anyhow::bail!("the node at place {place} did not catch up")
    }
}

/// What a node says about itself.
#[derive(Clone, Copy, Debug)]
struct State {
    leads: bool,
    /// How far it has come.
    index: u64,
}

/// A client of one node.
trait Client: Clone + Send + 'static {
    /// Sets a key; true if that is acknowledged.
    fn write(&mut self, key: String, value: i64) -> impl Future<Output = bool> + Send;

    /// Reads a key linearizably; true if there is an answer.
    fn read(&mut self, key: String) -> impl Future<Output = bool> + Send;
}

/// The measurements of one system.
#[derive(Debug)]
struct Row {
    system: &'static str,
    loads: Vec<(usize, Kind, Measured)>,
    /// From one moment to another, measured several times; what it is, in words.
    outages: Vec<(String, Vec<Duration>)>,
}

/// Measures our system, and etcd after it where that is asked for.
pub(crate) async fn bench(plan: &Plan, against_etcd: bool) -> anyhow::Result<Table> {
    #[cfg(not(feature = "etcd"))]
    if against_etcd {
        anyhow::bail!(
            "this binary was built without etcd's client: cargo build --release --features etcd (needs protoc)"
        );
    }
    let mut rows = vec![measure::<ours::Cluster>(plan).await?];
    rows[0].outages.extend(outages::measure(plan).await?);
    #[cfg(feature = "etcd")]
    if against_etcd {
        match measure::<etcd::Cluster>(plan).await {
            Ok(row) => rows.push(row),
            // What was measured is not thrown away.
            Err(error) => return Err(error.context(Table::new(&rows).to_string())),
        }
    }
    Ok(Table::new(&rows))
}

async fn measure<S: System>(plan: &Plan) -> anyhow::Result<Row> {
    let dir = scratch()?;
    let measured = measure_in::<S>(plan, dir.path()).await;
    measured.map_err(|error| kept(error, dir))
}

/// A directory for the files of nodes, on the file system on which we are: what is in memory is quicker than any disk.
fn scratch() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("faultline-bench-").tempdir_in(".")
}

/// Keeps the logs, and says where.
fn kept(error: anyhow::Error, dir: tempfile::TempDir) -> anyhow::Error {
    error.context(format!("the logs are in {}", dir.keep().display()))
}

async fn measure_in<S: System>(plan: &Plan, dir: &Path) -> anyhow::Result<Row> {
    let mut system = S::start(dir).await.with_context(|| S::NAME.to_string())?;
    let mut loads = Vec::new();
    for clients in &plan.clients {
        for kind in [Kind::Write, Kind::Read] {
            let measured = load(&mut system, *clients, kind, plan.duration).await?;
            err!("{}: {clients} clients, {kind:?}: {measured}", S::NAME);
            loads.push((*clients, kind, measured));
        }
    }
    let mut failovers = Vec::new();
    for _ in 0..plan.kills {
        failovers.push(failover(&mut system).await?);
    }
    let what = "from the kill of the leader to the first acknowledged write";
    Ok(Row { system: S::NAME, loads, outages: vec![(what.to_string(), failovers)] })
}

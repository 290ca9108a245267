//! Our own nodes, as a user starts them without the harness.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use node::client::{Connection, Request, Response};
use node::kv::{Answer, Command, Proposal, Query};
use node::raft::NodeId;
use node::transport::Authority;

use super::processes::Process;
use super::{NODES, State, System};
use crate::cluster::guarded;
use crate::links::{CutMode, LinkName, Network, Rule};

/// The name of what is done to the links.
const CUT: &str = "cut";

/// Nodes of ours, three unless said otherwise.
pub(super) struct Cluster {
    dir: PathBuf,
    addresses: Vec<SocketAddr>,
    /// The links between nodes, where they are to be cut.
    network: Option<Network>,
    /// What every node is told beside where the others are.
    options: Vec<String>,
    processes: Vec<Process>,
    client: node::client::Client,
}

impl System for Cluster {
    type Client = Connection;

    const NAME: &'static str = "faultline (mutual TLS over QUIC)";

    async fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::prepare(dir, NODES)?.launched()
    }

    async fn connect(&self, place: usize) -> anyhow::Result<Connection> {
        Ok(self.client.connect(self.addresses[place], node_at(place)).await?)
    }

    fn processes(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    fn launch(&self, place: usize) -> anyhow::Result<Process> {
        let name = node_at(place).to_string();
        let peers = self.addresses.iter().enumerate().map(|(peer, at)| {
            let behind = self.network.as_ref().filter(|_| peer != place);
            let at =
                behind.map_or(*at, |network| network.entrance(&name, &node_at(peer).to_string()));
            format!("{}={at}", node_at(peer))
        });
        let peers: Vec<_> = peers.collect();
        let ourselves = std::env::current_exe().context("who am I")?;
        let mut command = guarded(&ourselves, vec!["node".into()]);
        command.args(["--id", &name, "--listen", &self.addresses[place].to_string()]);
        command.args(["--peers", &peers.join(",")]).arg("--certs").arg(&self.dir);
        command
            .arg("--data-dir")
            .arg(self.dir.join(&name))
            .args(&self.options)
            .env("RUST_LOG", "warn");
        Process::start(&mut command, &self.dir.join(format!("{name}.log")))
    }

    async fn state(&self, place: usize) -> Option<State> {
        let connection = self.connect(place).await.ok()?;
        match connection.call(&Request::Status).await {
            Ok(Response::Status(status)) => {
                Some(State { leads: status.leads, index: status.commit })
            }
            _ => None,
        }
    }
}

impl Cluster {
    /// Makes certificates and finds free ports for so many nodes; none is started.
    fn prepare(dir: &Path, nodes: usize) -> anyhow::Result<Self> {
        let names = (0..nodes).map(|place| node_at(place).to_string());
        Authority::new()?.write(dir, &names.chain(["client".to_string()]).collect::<Vec<_>>())?;
        let sockets: Vec<_> =
            (0..nodes).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let addresses: Vec<_> =
            sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let client = node::client::Client::open(dir, "client")?;
        let (network, options, processes) = (None, Vec::new(), Vec::new());
        Ok(Self { dir: dir.into(), addresses, network, options, processes, client })
    }

    fn launched(mut self) -> anyhow::Result<Self> {
        for place in 0..self.addresses.len() {
            let process = self.launch(place)?;
            self.processes.push(process);
        }
        Ok(self)
    }

    /// One node that forms a cluster alone, with more options.
    pub(super) fn alone(dir: &Path, options: &[String]) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(dir, 1)?;
        cluster.options = options.to_vec();
        cluster.launched()
    }

    /// Three nodes that reach each other over links that can be cut.
    pub(super) fn behind_links(dir: &Path) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(dir, NODES)?;
        let network = Network::open(&links(), 1)?;
        for (place, address) in cluster.addresses.iter().enumerate() {
            network.set_address(&node_at(place).to_string(), *address);
        }
        cluster.network = Some(network);
        cluster.launched()
    }

    /// Cuts every link between nodes for so long.
    pub(super) async fn apart(&self, duration: Duration) {
        self.cut(links());
        tokio::time::sleep(duration).await;
        self.heal();
    }

    /// Cuts every link to and from the node at this place, until that is healed. Its clients still reach it.
    pub(super) fn cut_off(&self, place: usize) {
        let name = node_at(place).to_string();
        self.cut(links().into_iter().filter(|(from, to)| *from == name || *to == name));
    }

    /// No link is cut any more.
    pub(super) fn heal(&self) {
        self.network().end(CUT);
    }

    fn cut(&self, links: impl IntoIterator<Item = LinkName>) {
        let cut = Rule::Cut { mode: CutMode::Drop, flapping: None };
        let rules: Vec<_> = links.into_iter().map(|link| (link, cut.clone())).collect();
        self.network().begin(CUT, &rules);
    }

    fn network(&self) -> &Network {
        self.network.as_ref().expect("only a cluster behind links is cut")
    }
}

/// Every node to every other.
fn links() -> Vec<LinkName> {
    let name = |place| node_at(place).to_string();
    let pairs = (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to)));
    pairs.filter(|(from, to)| from != to).map(|(from, to)| (name(from), name(to))).collect()
}

fn node_at(place: usize) -> NodeId {
    NodeId(place as u32 + 1)
}

impl super::Client for Connection {
    async fn write(&mut self, key: String, value: i64) -> bool {
        let command = Proposal::Plain(Command::Write { key, value });
        let answer = self.call(&Request::Propose(command)).await;
        matches!(answer, Ok(Response::Outcome(Ok(Answer::Done))))
    }

    async fn read(&mut self, key: String) -> bool {
        let answer = self.call(&Request::Query(Query::Read { key })).await;
        matches!(answer, Ok(Response::Outcome(Ok(Answer::Object(_)))))
    }
}

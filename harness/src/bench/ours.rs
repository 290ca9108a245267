//! Our own nodes, as a user starts them without the harness.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use node::client::{Connection, Request, Response, Status};
use node::kv::{Answer, Command, Proposal, Query};
use node::raft::NodeId;
use node::transport::Authority;

use super::processes::Process;
use crate::cluster::guarded;

const NODES: u32 = 3;
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: u32 = 500;

/// Three nodes.
pub(super) struct Cluster {
    dir: PathBuf,
    addresses: Vec<SocketAddr>,
    processes: Vec<Process>,
    client: node::client::Client,
}

impl super::System for Cluster {
    type Client = Connection;

    const NAME: &'static str = "faultline (mutual TLS over QUIC)";

    async fn start(dir: &Path) -> anyhow::Result<Self> {
        let names: Vec<_> =
            (1..=NODES).map(|id| NodeId(id).to_string()).chain(["client".to_string()]).collect();
        Authority::new()?.write(dir, &names)?;
        let sockets: Vec<_> =
            (0..NODES).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let addresses: Vec<_> =
            sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        drop(sockets);
        let client = node::client::Client::open(dir, "client")?;
        let mut cluster = Self { dir: dir.into(), addresses, processes: Vec::new(), client };
        for place in 0..NODES as usize {
            let process = cluster.launch(place)?;
            cluster.processes.push(process);
        }
        Ok(cluster)
    }

    async fn leader(&self) -> anyhow::Result<usize> {
        for _ in 0..PATIENCE {
            for place in 0..self.addresses.len() {
                if self.status(place).await.is_some_and(|status| status.leads) {
                    return Ok(place);
                }
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("no node leads; see {}", self.dir.display())
    }

    async fn connect(&self, place: usize) -> anyhow::Result<Connection> {
        Ok(self.client.connect(self.addresses[place], NodeId(place as u32 + 1)).await?)
    }

    fn processes(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    async fn restart(&mut self, place: usize) -> anyhow::Result<()> {
        self.processes[place] = self.launch(place)?;
        let leader = self.leader().await?;
        for _ in 0..PATIENCE {
            let (own, of_leader) = (self.status(place).await, self.status(leader).await);
            if let (Some(own), Some(of_leader)) = (own, of_leader)
                && own.commit >= of_leader.commit
            {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("n{} did not catch up; see {}", place + 1, self.dir.display())
    }
}

impl Cluster {
    fn launch(&self, place: usize) -> anyhow::Result<Process> {
        let name = NodeId(place as u32 + 1).to_string();
        let nodes = self.addresses.iter().enumerate();
        let peers: Vec<_> = nodes.map(|(place, at)| format!("n{}={at}", place + 1)).collect();
        let ourselves = std::env::current_exe().context("who am I")?;
        let mut command = guarded(&ourselves, vec!["node".into()]);
        command.args(["--id", &name, "--listen", &self.addresses[place].to_string()]);
        command.args(["--peers", &peers.join(",")]).arg("--certs").arg(&self.dir);
        command.arg("--data-dir").arg(self.dir.join(&name)).env("RUST_LOG", "warn");
        Process::start(&mut command, &self.dir.join(format!("{name}.log")))
    }

    async fn status(&self, place: usize) -> Option<Status> {
        let connection = super::System::connect(self, place).await.ok()?;
        match connection.call(&Request::Status).await {
            Ok(Response::Status(status)) => Some(status),
            _ => None,
        }
    }
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

//! Our own nodes, as a user starts them without the harness.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::Context;
use node::client::{Connection, Request, Response};
use node::kv::{Answer, Command, Proposal, Query};
use node::raft::NodeId;
use node::transport::Authority;

use super::processes::Process;
use super::{NODES, State, System};
use crate::cluster::guarded;

/// Three nodes.
pub(super) struct Cluster {
    dir: PathBuf,
    addresses: Vec<SocketAddr>,
    processes: Vec<Process>,
    client: node::client::Client,
}

impl System for Cluster {
    type Client = Connection;

    const NAME: &'static str = "faultline (mutual TLS over QUIC)";

    async fn start(dir: &Path) -> anyhow::Result<Self> {
        let names: Vec<_> = (0..NODES)
            .map(|place| node_at(place).to_string())
            .chain(["client".to_string()])
            .collect();
        Authority::new()?.write(dir, &names)?;
        let sockets: Vec<_> =
            (0..NODES).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let addresses: Vec<_> =
            sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        drop(sockets);
        let client = node::client::Client::open(dir, "client")?;
        let mut cluster = Self { dir: dir.into(), addresses, processes: Vec::new(), client };
        for place in 0..NODES {
            let process = cluster.launch(place)?;
            cluster.processes.push(process);
        }
        Ok(cluster)
    }

    async fn connect(&self, place: usize) -> anyhow::Result<Connection> {
        Ok(self.client.connect(self.addresses[place], node_at(place)).await?)
    }

    fn processes(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    fn launch(&self, place: usize) -> anyhow::Result<Process> {
        let name = node_at(place).to_string();
        let nodes = self.addresses.iter().enumerate();
        let peers: Vec<_> = nodes.map(|(place, at)| format!("n{}={at}", place + 1)).collect();
        let ourselves = std::env::current_exe().context("who am I")?;
        let mut command = guarded(&ourselves, vec!["node".into()]);
        command.args(["--id", &name, "--listen", &self.addresses[place].to_string()]);
        command.args(["--peers", &peers.join(",")]).arg("--certs").arg(&self.dir);
        command.arg("--data-dir").arg(self.dir.join(&name)).env("RUST_LOG", "warn");
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

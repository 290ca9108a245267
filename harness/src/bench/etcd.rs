//! etcd, as Debian packages it, with its defaults: a peer to measure ourselves by.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::processes::Process;
use super::{NODES, State, System};
use crate::cluster::guarded;

/// Three members.
pub(super) struct Cluster {
    dir: PathBuf,
    /// Where clients reach each.
    clients: Vec<SocketAddr>,
    /// Where the others reach each.
    peers: Vec<SocketAddr>,
    processes: Vec<Process>,
}

impl System for Cluster {
    type Client = etcd_client::Client;

    const NAME: &'static str = "etcd (no TLS)";

    async fn start(dir: &Path) -> anyhow::Result<Self> {
        let listeners: Vec<_> =
            (0..2 * NODES).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let mut clients: Vec<_> =
            listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        drop(listeners);
        let peers = clients.split_off(NODES);
        let mut cluster = Self { dir: dir.into(), clients, peers, processes: Vec::new() };
        for place in 0..NODES {
            let process = cluster.launch(place)?;
            cluster.processes.push(process);
        }
        Ok(cluster)
    }

    async fn connect(&self, place: usize) -> anyhow::Result<etcd_client::Client> {
        let url = format!("http://{}", self.clients[place]);
        Ok(etcd_client::Client::connect([url], None).await?)
    }

    fn processes(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    fn launch(&self, place: usize) -> anyhow::Result<Process> {
        let name = format!("m{place}");
        let url = |address: SocketAddr| format!("http://{address}");
        let members = self.peers.iter().enumerate();
        let members: Vec<_> = members.map(|(n, at)| format!("m{n}={}", url(*at))).collect();
        let (own, peer) = (url(self.clients[place]), url(self.peers[place]));
        let mut command = guarded(Path::new("etcd"), vec![]);
        command.args(["--name", &name, "--data-dir"]).arg(self.dir.join(&name));
        command.args(["--listen-client-urls", &own, "--advertise-client-urls", &own]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &members.join(","), "--initial-cluster-state", "new"]);
        Process::start(&mut command, &self.dir.join(format!("{name}.log")))
    }

    async fn state(&self, place: usize) -> Option<State> {
        let mut client = self.connect(place).await.ok()?;
        let asked = tokio::time::timeout(Duration::from_secs(1), client.status());
        let status = asked.await.ok()?.ok()?;
        let leads = status.header().is_some_and(|own| own.member_id() == status.leader());
        Some(State { leads, index: status.raft_applied_index() })
    }
}

impl super::Client for etcd_client::Client {
    async fn write(&mut self, key: String, value: i64) -> bool {
        self.put(key, value.to_le_bytes(), None).await.is_ok()
    }

    async fn read(&mut self, key: String) -> bool {
        self.get(key, None).await.is_ok()
    }
}

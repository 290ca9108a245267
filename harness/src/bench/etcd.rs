//! etcd, as Debian packages it, with its defaults: a peer to measure ourselves by.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;

use super::processes::Process;
use crate::cluster::guarded;

const NODES: usize = 3;
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: u32 = 500;

/// Three members.
pub(super) struct Cluster {
    dir: PathBuf,
    /// Where clients reach each.
    clients: Vec<SocketAddr>,
    /// Where the others reach each.
    peers: Vec<SocketAddr>,
    processes: Vec<Process>,
}

impl super::System for Cluster {
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

    async fn leader(&self) -> anyhow::Result<usize> {
        for _ in 0..PATIENCE {
            for place in 0..NODES {
                let status = self.status(place).await;
                let leads = |status: &etcd_client::StatusResponse| {
                    status.header().is_some_and(|header| header.member_id() == status.leader())
                };
                if status.as_ref().is_some_and(leads) {
                    return Ok(place);
                }
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("no member leads; see {}", self.dir.display())
    }

    async fn connect(&self, place: usize) -> anyhow::Result<etcd_client::Client> {
        let url = format!("http://{}", self.clients[place]);
        Ok(etcd_client::Client::connect([url], None).await?)
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
                && own.raft_applied_index() >= of_leader.raft_applied_index()
            {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("member {place} did not catch up; see {}", self.dir.display())
    }
}

impl Cluster {
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

    async fn status(&self, place: usize) -> Option<etcd_client::StatusResponse> {
        let mut client = super::System::connect(self, place).await.ok()?;
        tokio::time::timeout(Duration::from_secs(1), client.status()).await.ok()?.ok()
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

//! Nodes that a test starts without the harness, and what it asks of them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use node::client::{CallError, Client, Request, Response, Status};
use node::kv::{Command as Change, Outcome, Proposal};
use node::raft::NodeId;
use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::support::{Place, signal};

/// A node, killed when the test is over.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address of this process alone, with a port that the system gives to nobody who asks for any.
fn unused_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, high | 128, middle, low);
    SocketAddr::from((address, NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Nodes n1, n2, …, each with its name as its data directory. The first three are the members.
pub(crate) struct Cluster {
    pub(crate) place: Place,
    addresses: Vec<SocketAddr>,
    running: BTreeMap<u32, Node>,
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Cluster {
    /// Makes what so many nodes need.
    fn new(count: u32) -> Self {
        let place = Place::new();
        let names: Vec<_> = (1..=count).map(|number| format!("n{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).chain(["client"]).collect();
        assert!(place.output(&[&["certs", "certs"], &names[..]].concat()).status.success());
        let addresses = (0..count).map(|_| unused_address()).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let within = runtime.enter();
        let client = Client::open(&place.path().join("certs"), "client").unwrap();
        drop(within);
        Self { place, addresses, running: BTreeMap::new(), runtime, client }
    }

    /// So many nodes that run.
    pub(crate) fn start(count: u32) -> Self {
        let mut cluster = Self::new(count);
        (1..=count).for_each(|node| cluster.launch(node, &[]));
        cluster
    }

    /// The nodes and their addresses, as the commands take them.
    pub(crate) fn nodes(&self) -> String {
        let each = self.addresses.iter().zip(1..).map(|(address, n)| format!("n{n}={address}"));
        each.collect::<Vec<_>>().join(",")
    }

    /// `faultline node`, with more arguments. A limit on the size of its files is an error for it and not its end, as a full disk is.
    pub(crate) fn command(&self, node: u32, more: &[&str]) -> Command {
        let (name, listen) = (format!("n{node}"), self.addresses[node as usize - 1].to_string());
        let mut command = Command::new("bash");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_faultline")]);
        command.args(["node", "--id", &name, "--data-dir", &name, "--certs", "certs"]);
        command.args(["--listen", &listen, "--peers", &self.nodes()]);
        command.args(["--members", "n1,n2,n3"]).args(more);
        command.current_dir(self.place.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    pub(crate) fn launch(&mut self, node: u32, more: &[&str]) {
        let child = self.command(node, more).stderr(Stdio::null()).spawn().unwrap();
        self.running.insert(node, Node(child));
    }

    pub(crate) fn kill(&mut self, node: u32) {
        self.running.remove(&node).expect("it runs");
    }

    /// Asks a node to end, and waits until it has.
    pub(crate) fn stop(&mut self, node: u32) {
        let mut node = self.running.remove(&node).expect("it runs");
        signal(&node.0, Signal::TERM);
        assert_eq!(node.0.wait().unwrap().code(), Some(0));
    }

    /// Limits the size of the files that a node may write, from now on.
    pub(crate) fn limit_files(&self, node: u32, bytes: Option<u64>) {
        let pid = Pid::from_raw(self.running[&node].0.id() as i32);
        let limit = Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(pid, Resource::Fsize, limit).unwrap();
    }

    /// The exit code of `faultline kv`, and what it prints.
    pub(crate) fn kv(&self, timeout: &str, words: &[&str]) -> (i32, String) {
        let nodes = self.nodes();
        let common = ["kv", "--certs", "certs", "--timeout", timeout, "--nodes", &nodes];
        let output = self.place.output(&[&common, words].concat());
        let printed = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), printed.trim().to_string())
    }

    /// What a node answers, if it does.
    pub(crate) fn ask(&self, node: u32, request: &Request) -> Option<Response> {
        let address = self.addresses[node as usize - 1];
        self.runtime.block_on(async {
            let connection = self.client.connect(address, NodeId(node)).await.ok()?;
            let answer = tokio::time::timeout(Duration::from_secs(5), connection.call(request));
            answer.await.ok()?.ok()
        })
    }

    /// Sends a node many requests at once over one connection, and waits for the end of each after `meanwhile`.
    pub(crate) fn ask_many(
        &self,
        node: u32,
        requests: Vec<Request>,
        meanwhile: impl FnOnce(),
    ) -> Vec<Result<Response, CallError>> {
        let connecting = self.client.connect(self.addresses[node as usize - 1], NodeId(node));
        let connection = Arc::new(self.runtime.block_on(connecting).unwrap());
        let call = |request| {
            let connection = connection.clone();
            self.runtime.spawn(async move { connection.call(&request).await })
        };
        let calls: Vec<_> = requests.into_iter().map(call).collect();
        meanwhile();
        calls.into_iter().map(|call| self.runtime.block_on(call).unwrap()).collect()
    }

    /// Asks a node to end, and does not wait.
    pub(crate) fn terminate(&self, node: u32) {
        signal(&self.running[&node].0, Signal::TERM);
    }

    pub(crate) fn status(&self, node: u32) -> Option<Status> {
        match self.ask(node, &Request::Status)? {
            Response::Status(status) => Some(*status),
            other => panic!("a status was asked for: {other:?}"),
        }
    }

    /// Who leads now, as far as it knows itself.
    pub(crate) fn leader(&self) -> u32 {
        self.wait_for("a leader", |cluster| {
            let leads = |node: &u32| cluster.status(*node).is_some_and(|status| status.leads);
            cluster.running.keys().copied().find(leads)
        })
    }

    /// Has the leader carry out a change, once at least.
    pub(crate) fn change(&self, change: &Change) -> Outcome {
        let request = Request::Propose(Proposal::Plain(change.clone()));
        self.wait_for("a change is done", |cluster| match cluster.ask(cluster.leader(), &request) {
            Some(Response::Outcome(outcome)) => Some(outcome),
            _ => None,
        })
    }

    /// Waits until all nodes that run have applied everything.
    pub(crate) fn converge(&self) {
        self.wait_for("all are as far as each other", |cluster| {
            let statuses = cluster.running.keys().map(|node| cluster.status(*node));
            let statuses = statuses.collect::<Option<Vec<_>>>()?;
            let end = statuses.iter().find(|status| status.leads)?.last_index;
            statuses.iter().all(|status| status.applied == end).then_some(())
        });
    }

    /// Waits for something that must happen; the limit only ends a test that hangs.
    pub(crate) fn wait_for<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            if begin.elapsed() > Duration::from_secs(60) {
                let statuses = self.running.keys().map(|node| self.status(*node));
                panic!("still not: {what}; {:#?}", statuses.collect::<Vec<_>>());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The events of a trace so far, by name, with their lines.
    pub(crate) fn trace(&self, name: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

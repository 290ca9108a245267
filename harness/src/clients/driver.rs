//! The client processes: each carries out its planned operations, one at a time, and records every attempt.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use checker::history::{EventType, Process};
use node::client::Client;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::kv::{Operation, Outcome, Sessions};
use crate::plan::{OperationKind, OperationStream, Random, stream};
use crate::recorder::{Line, Recorder};
use crate::workload::{Routing, Workload};

/// Pause between two attempts of the final reads.
const FINAL_READ_PAUSE: Duration = Duration::from_millis(100);

/// All clients of a run.
pub(crate) struct Drive {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) client: Client,
    /// Where clients reach each node.
    pub(crate) addresses: BTreeMap<String, SocketAddr>,
    /// Numbers of processes that were never used.
    pub(crate) next_process: Arc<AtomicU64>,
}

impl Drive {
    /// Runs every client until `stop`; each finishes the operation that it is at.
    pub(crate) async fn run(&self, workload: &Workload, seed: u64, stop: &CancellationToken) {
        let mut clients = tokio::task::JoinSet::new();
        for index in 0..workload.clients.count as usize {
            let runner = self.runner(index, workload, seed);
            let plan = OperationStream::new(workload, seed, index);
            clients.spawn(runner.run(plan, stop.clone()));
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("no client panics");
        }
    }

    fn runner(&self, index: usize, workload: &Workload, seed: u64) -> Runner {
        let nodes: Vec<_> = self.addresses.keys().cloned().collect();
        Runner {
            recorder: self.recorder.clone(),
            sessions: Sessions::new(self.client.clone(), self.addresses.clone()),
            routing: workload.clients.routing,
            timeout: workload.clients.timeout,
            target: index % nodes.len(),
            nodes,
            random: stream(seed, &format!("routing {index}")),
            process: self.next_process.fetch_add(1, Ordering::Relaxed),
            next_process: self.next_process.clone(),
            seen: BTreeMap::new(),
        }
    }
}

/// Reads every key back, each until it succeeds or the time is over. Every attempt is recorded.
pub(crate) async fn final_reads(
    drive: &Drive,
    workload: &Workload,
    keys: &[String],
    limit: Duration,
) {
    let mut runner = drive.runner(0, workload, 0);
    runner.routing = Routing::Leader;
    let deadline = Instant::now() + limit;
    for key in keys {
        while Instant::now() < deadline {
            let outcome = runner.perform(Operation::Read { key: key.clone() }).await;
            if outcome.event_type == EventType::Ok {
                break;
            }
            tokio::time::sleep(FINAL_READ_PAUSE).await;
        }
    }
}

/// One client.
struct Runner {
    recorder: Arc<Recorder>,
    sessions: Sessions,
    routing: Routing,
    timeout: Duration,
    nodes: Vec<String>,
    /// The node that is asked next.
    target: usize,
    random: Random,
    /// The process under which this client records; a new one after every *info*.
    process: u64,
    next_process: Arc<AtomicU64>,
    /// The last value seen of each key: what a cas expects.
    seen: BTreeMap<String, Option<i64>>,
}

impl Runner {
    async fn run(mut self, plan: OperationStream, stop: CancellationToken) {
        let mut pace = tokio::time::interval_at(Instant::now() + plan.phase(), plan.interval());
        // A client that was held up goes on at its pace; it does not make up for what it missed.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for planned in plan {
            tokio::select! {
                _ = pace.tick() => {}
                () = stop.cancelled() => return,
            }
            let key = planned.key;
            let operation = match planned.kind {
                OperationKind::Read => Operation::Read { key },
                OperationKind::Write(value) => Operation::Write { key, value },
                OperationKind::Cas(new) => {
                    let old = self.seen.get(&key).copied().flatten();
                    Operation::Cas { key, old, new }
                }
            };
            self.perform(operation).await;
        }
    }

    /// Carries out an operation on the node whose turn it is, and records both ends of it.
    async fn perform(&mut self, operation: Operation) -> Outcome {
        if self.routing == Routing::Any {
            self.target = self.random.below(self.nodes.len() as u64) as usize;
        }
        let node = self.nodes[self.target].clone();
        self.record(&operation, &node, EventType::Invoke, operation.value(), None);
        let outcome = self.sessions.perform(&node, &operation, self.timeout).await;
        let (value, error) = (outcome.value.clone(), outcome.error.clone());
        self.record(&operation, &node, outcome.event_type, value, error);
        if outcome.event_type == EventType::Info {
            self.process = self.next_process.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(value) = outcome.seen(&operation) {
            self.seen.insert(operation.key().to_string(), value);
        }
        if self.routing == Routing::Leader {
            self.follow(&outcome);
        }
        outcome
    }

    /// Where to go next: to the leader that was named, or, where none was and it did not work, to the next node.
    fn follow(&mut self, outcome: &Outcome) {
        let named =
            outcome.leader.as_ref().and_then(|leader| self.nodes.iter().position(|n| n == leader));
        let mismatch = outcome.error.as_deref() == Some("mismatch");
        match (named, outcome.event_type) {
            (Some(leader), _) => self.target = leader,
            (None, EventType::Ok) => {}
            (None, _) if mismatch => {}
            (None, _) => self.target = (self.target + 1) % self.nodes.len(),
        }
    }

    fn record(
        &self,
        operation: &Operation,
        node: &str,
        event_type: EventType,
        value: serde_json::Value,
        error: Option<String>,
    ) {
        self.recorder.record(Line {
            process: Process::Client(self.process),
            event_type,
            f: operation.f().to_string(),
            key: Some(operation.key().to_string()),
            value,
            node: Some(node.to_string()),
            error,
            fault: None,
            stage: None,
        });
    }
}

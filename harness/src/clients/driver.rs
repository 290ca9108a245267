//! All clients of a run: what is prepared for them, what they do, and what is looked at after the heal.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use checker::history::EventType;
use node::client::Client;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::protocol::Ending;
use super::runner::Runner;
use crate::plan::{FinalStep, OperationStream, final_steps, preparations};
use crate::recorder::Recorder;
use crate::workload::{Routing, Workload};

/// Pause between two attempts of a final step.
const FINAL_STEP_PAUSE: Duration = Duration::from_millis(100);

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
    /// Does what must be done before the first operation. On failure says why it was not done in time.
    pub(crate) async fn prepare(&self, workload: &Workload, limit: Duration) -> Result<(), String> {
        let mut runner = Runner::new(self, 0, workload, 0);
        let deadline = Instant::now() + limit;
        for operation in preparations(workload) {
            let outcome = runner.insist(&operation, deadline).await;
            if outcome.event_type != EventType::Ok {
                return Err(outcome.error.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Runs every client until `stop`; each finishes the operation that it is at.
    pub(crate) async fn run(&self, workload: &Workload, seed: u64, stop: &CancellationToken) {
        let mut clients = tokio::task::JoinSet::new();
        for index in 0..workload.clients.count as usize {
            let runner = Runner::new(self, index, workload, seed);
            let plan = OperationStream::new(workload, seed, index);
            clients.spawn(drive(runner, plan, stop.clone()));
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("no client panics");
        }
    }

    /// Looks at every key, each until that succeeds or the time is over. Every attempt is recorded.
    pub(crate) async fn finish(&self, workload: &Workload, limit: Duration) {
        let mut runner = Runner::new(self, 0, workload, 0);
        runner.routing = Routing::Leader;
        let deadline = Instant::now() + limit;
        for FinalStep { operation, drains } in final_steps(workload) {
            while Instant::now() < deadline {
                let outcome = runner.perform(operation.clone()).await;
                if outcome.ending != Ending::Answered {
                    tokio::time::sleep(FINAL_STEP_PAUSE).await;
                } else if !drains || outcome.value == Value::Null {
                    break;
                }
            }
        }
    }
}

async fn drive(mut runner: Runner, plan: OperationStream, stop: CancellationToken) {
    let interval = plan.interval();
    let mut next = Instant::now() + plan.phase();
    for operation in plan {
        // Timers have a resolution of a millisecond: what is due already must not go through one.
        if next > Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = stop.cancelled() => return,
            }
        } else if stop.is_cancelled() {
            return;
        }
        // A client that was held up goes on at its pace; it does not make up for what it missed.
        next = next.max(Instant::now()) + interval;
        runner.perform(operation).await;
    }
}

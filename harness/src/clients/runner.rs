//! One client: carries out operations one at a time, again where that is safe, and records both ends of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use checker::history::{EventType, Process};
use serde_json::Value;
use tokio::time::Instant;

use super::connections::Connections;
use super::driver::Drive;
use super::protocol::{Ending, Outcome, Place, is_change};
use crate::plan::{Action, Operation, Random, stream};
use crate::recorder::{Line, Recorder};
use crate::workload::{Routing, Workload};

/// Pause before the next attempt at an operation: a cluster without a leader refuses at once.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// One client.
pub(super) struct Runner {
    pub(super) routing: Routing,
    recorder: Arc<Recorder>,
    connections: Connections,
    timeout: Duration,
    retry_for: Option<Duration>,
    nodes: Vec<String>,
    /// The node that is asked next.
    target: usize,
    random: Random,
    /// The process under which this client records; a new one after every *info*.
    process: u64,
    next_process: Arc<AtomicU64>,
    /// The last value seen of each register: what a cas expects.
    seen: BTreeMap<String, Option<i64>>,
    /// Its session, once it needs one.
    session: Option<u64>,
    /// The number of its next change within the session.
    next_sequence: u64,
}

impl Runner {
    pub(super) fn new(drive: &Drive, index: usize, workload: &Workload, seed: u64) -> Self {
        let nodes: Vec<_> = drive.addresses.keys().cloned().collect();
        Self {
            recorder: drive.recorder.clone(),
            connections: Connections::new(drive.client.clone(), drive.addresses.clone())
                .with_follower_reads(workload.clients.follower_reads),
            routing: workload.clients.routing,
            timeout: workload.clients.timeout,
            retry_for: workload.clients.retry_for,
            target: index % nodes.len(),
            nodes,
            random: stream(seed, &format!("routing {index}")),
            process: drive.next_process.fetch_add(1, Ordering::Relaxed),
            next_process: drive.next_process.clone(),
            seen: BTreeMap::new(),
            session: None,
            next_sequence: 0,
        }
    }

    /// Carries out an operation, at first on the node whose turn it is, and records both ends of it.
    pub(super) async fn perform(&mut self, mut operation: Operation) -> Outcome {
        if let (Action::Cas { old, .. }, Some(key)) = (&mut operation.action, &operation.key) {
            *old = self.seen.get(key).copied().flatten();
        }
        if self.routing == Routing::Any {
            self.target = self.random.below(self.nodes.len() as u64) as usize;
        }
        let home = self.target;
        self.record(&operation, EventType::Invoke, operation.value(), None);
        let outcome = match self.retry_for {
            None => self.attempt(&operation, None).await,
            Some(limit) => self.insist(&operation, Instant::now() + limit).await,
        };
        let (value, error) = (outcome.value.clone(), outcome.error.clone());
        self.record(&operation, outcome.event_type, value, error);
        if outcome.event_type == EventType::Info {
            self.process = self.next_process.fetch_add(1, Ordering::Relaxed);
        }
        if let Some((key, value)) = operation.key.clone().zip(outcome.seen(&operation)) {
            self.seen.insert(key, value);
        }
        match self.routing {
            Routing::Leader => self.follow(&outcome),
            Routing::Pinned => self.target = home,
            Routing::Any => {}
        }
        outcome
    }

    /// Tries an operation until it is answered, each time on another node. All attempts at a change carry the same number within the client's
    /// session, so that it happens once: together they are one operation.
    pub(super) async fn insist(&mut self, operation: &Operation, deadline: Instant) -> Outcome {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let mut is_in_doubt = false;
        loop {
            let outcome = self.attempt_once(operation, sequence).await;
            is_in_doubt |= outcome.event_type == EventType::Info;
            match outcome.ending {
                Ending::Answered => return outcome,
                Ending::NoSession => self.session = None,
                Ending::Unanswered if Instant::now() + RETRY_PAUSE < deadline => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                    self.follow(&outcome);
                    continue;
                }
                Ending::Unanswered => {}
            }
            return given_up(outcome, is_in_doubt);
        }
    }

    /// One attempt, of a change within the session, which is opened where there is none.
    async fn attempt_once(&mut self, operation: &Operation, sequence: u64) -> Outcome {
        if !is_change(operation) {
            return self.attempt(operation, None).await;
        }
        let session = match self.session {
            Some(session) => session,
            None => {
                let node = &self.nodes[self.target];
                match self.connections.register(node, operation, self.timeout).await {
                    Ok(session) => *self.session.insert(session),
                    Err(outcome) => return outcome,
                }
            }
        };
        self.attempt(operation, Some(Place { session, sequence })).await
    }

    async fn attempt(&mut self, operation: &Operation, place: Option<Place>) -> Outcome {
        let node = &self.nodes[self.target];
        self.connections.attempt(node, operation, place, self.timeout).await
    }

    /// Where to go next: to the leader that was named, or, where none was and the store did not answer, to the next node.
    fn follow(&mut self, outcome: &Outcome) {
        let named =
            outcome.leader.as_ref().and_then(|leader| self.nodes.iter().position(|n| n == leader));
        match (named, outcome.ending) {
            (Some(leader), _) => self.target = leader,
            (None, Ending::Answered) => {}
            (None, _) => self.target = (self.target + 1) % self.nodes.len(),
        }
    }

    fn record(
        &self,
        operation: &Operation,
        event_type: EventType,
        value: Value,
        error: Option<String>,
    ) {
        self.recorder.record(Line {
            process: Process::Client(self.process),
            event_type,
            f: operation.f().to_string(),
            key: operation.key.clone(),
            value,
            node: Some(self.nodes[self.target].clone()),
            error,
            fault: None,
            stage: None,
        });
    }
}

/// How an operation ends whose last attempt got no answer. That attempt may have failed for certain, but one of which that is not known may still take
/// effect.
fn given_up(last: Outcome, is_in_doubt: bool) -> Outcome {
    let event_type = if is_in_doubt { EventType::Info } else { last.event_type };
    Outcome { event_type, ..last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_in_an_earlier_attempt_has_not_failed() {
        let operation = Operation::on("k", Action::Add(1));
        let refused = Outcome::unanswered(EventType::Fail, &operation, "not the leader");
        assert_eq!(given_up(refused.clone(), false), refused);
        assert_eq!(given_up(refused, true).event_type, EventType::Info);
    }
}

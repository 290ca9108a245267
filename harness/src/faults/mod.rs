//! The fault injector: carries out the schedule, step by step, and records what each fault did.
//!
//! One task owns the cluster and the links while faults run. It does one thing at a time, so two faults never get in each other's way halfway;
//! that they overlap in time is the point.

mod network;
mod process;

use std::sync::Arc;
use std::time::Duration;

use checker::history::Stage;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::network::NetworkFault;
use self::process::{Killed, Paused};
use crate::cluster::{Cluster, Exit};
use crate::links::Network;
use crate::observer::Observer;
use crate::plan::{Schedule, Step, Surroundings};
use crate::recorder::{Line, Recorder};
use crate::workload::Fault;

/// How long a fault that targets the leader looks for one before it gives up, loudly.
const FIND_LEADER_LIMIT: Duration = Duration::from_secs(5);

/// The fault injector and what it works on.
pub(crate) struct Nemesis {
    pub(crate) cluster: Cluster,
    pub(crate) network: Arc<Network>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) names: Vec<String>,
    pub(crate) exits: mpsc::UnboundedReceiver<Exit>,
    /// What is in force, in words, for the progress line.
    pub(crate) in_force: watch::Sender<Vec<String>>,
    active: Vec<Active>,
}

/// A fault in force.
struct Active {
    step: Step,
    until: Instant,
    action: String,
    applied: Applied,
}

/// What was done, and what is needed to undo it.
enum Applied {
    Network(NetworkFault),
    Killed(Killed),
    Paused(Paused),
}

/// What a fault did, in words and in figures.
struct Effect {
    effective: bool,
    healed: bool,
    effect: String,
    evidence: Value,
}

/// What to do next.
enum Next {
    Begin(Step),
    End(usize),
    Death(Exit),
    Stop,
}

impl Nemesis {
    pub(crate) fn new(
        cluster: Cluster,
        network: Arc<Network>,
        observer: Arc<Observer>,
        recorder: Arc<Recorder>,
        names: Vec<String>,
        exits: mpsc::UnboundedReceiver<Exit>,
    ) -> Self {
        let in_force = watch::Sender::new(Vec::new());
        Self { cluster, network, observer, recorder, names, exits, in_force, active: Vec::new() }
    }

    /// Carries out the schedule, which counts from `start`, until `end` or until it is stopped. What is in force then stays so
    /// until [`Nemesis::heal_all`].
    pub(crate) async fn run(
        &mut self,
        schedule: Schedule,
        start: Instant,
        end: Instant,
        stop: &CancellationToken,
    ) {
        let mut steps = schedule.steps.into_iter().peekable();
        loop {
            let begin = steps.peek().map(|step| start + step.at);
            let next = tokio::select! {
                () = at(begin) => steps.next().map_or(Next::Stop, Next::Begin),
                index = at_end(&self.active) => Next::End(index),
                Some(exit) = self.exits.recv() => Next::Death(exit),
                () = tokio::time::sleep_until(end) => Next::Stop,
                () = stop.cancelled() => Next::Stop,
            };
            match next {
                Next::Begin(step) => self.begin(step).await,
                Next::End(index) => self.end(index).await,
                Next::Death(exit) => self.note_death(&exit),
                Next::Stop => return,
            }
        }
    }

    /// Ends every fault that is in force, the latest first.
    pub(crate) async fn heal_all(&mut self) {
        while !self.active.is_empty() {
            self.end(self.active.len() - 1).await;
        }
        self.note_deaths();
    }

    /// Takes note of all deaths so far.
    pub(crate) fn note_deaths(&mut self) {
        while let Ok(exit) = self.exits.try_recv() {
            self.note_death(&exit);
        }
    }

    fn note_death(&mut self, exit: &Exit) {
        self.cluster.died(exit);
        let value = json!({
            "pid": exit.pid, "incarnation": exit.incarnation, "status": exit.status, "log": exit.last_lines,
        });
        self.recorder
            .record(Line { node: Some(exit.node.clone()), ..Line::nemesis("node-died", value) });
    }

    async fn begin(&mut self, step: Step) {
        let plan = serde_json::to_value(&step.fault).expect("a fault always serialises");
        self.record(&step, names(&step.fault).0, Stage::Plan, plan, None);
        match self.apply(&step).await {
            Ok((action, evidence, applied)) => {
                let done = merged(json!({ "action": action }), evidence);
                self.record(&step, names(&step.fault).0, Stage::Done, done, None);
                let until = Instant::now() + step.lasts;
                self.active.push(Active { step, until, action, applied });
            }
            Err(error) => {
                let end = json!({ "effective": false, "healed": true, "effect": "not applied" });
                self.record(
                    &step,
                    names(&step.fault).1,
                    Stage::End,
                    end,
                    Some(format!("{error:#}")),
                );
            }
        }
        self.show_active();
    }

    async fn apply(&mut self, step: &Step) -> anyhow::Result<(String, Value, Applied)> {
        let leader = match step.fault.needs_leader() {
            true => self.observer.find_leader(FIND_LEADER_LIMIT).await,
            false => None,
        };
        let running = self.cluster.running();
        let surroundings = Surroundings {
            nodes: &self.names,
            running: &running,
            leader: leader.as_ref().map(|(node, _)| node.as_str()),
            seed: step.seed,
        };
        let words = Words { leader: leader.clone() };
        match &step.fault {
            Fault::Partition(partition) => {
                network::partition(&self.network, &step.id, partition, &surroundings, &words)
            }
            Fault::Packets(packets) => {
                network::packets(&self.network, &step.id, packets, &surroundings)
            }
            Fault::Kill(kill) => {
                let nodes = crate::plan::targets(&kill.node, &surroundings)?;
                process::kill(&mut self.cluster, &nodes, &words).await
            }
            Fault::Pause(pause) => {
                let nodes = crate::plan::targets(&pause.node, &surroundings)?;
                process::pause(&mut self.cluster, &nodes, &words).await
            }
        }
    }

    async fn end(&mut self, index: usize) {
        let Active { step, applied, .. } = self.active.remove(index);
        let effect = match applied {
            Applied::Network(fault) => fault.heal(&self.network, &step.id),
            Applied::Killed(killed) => killed.heal(&mut self.cluster).await,
            Applied::Paused(paused) => paused.heal(&mut self.cluster).await,
        };
        let Effect { effective, healed, effect, evidence } = effect;
        let value = json!({ "effective": effective, "healed": healed, "effect": effect });
        self.record(&step, names(&step.fault).1, Stage::End, merged(value, evidence), None);
        self.show_active();
    }

    fn show_active(&self) {
        let words = self.active.iter().map(|active| active.action.clone()).collect();
        self.in_force.send_replace(words);
    }

    fn record(&self, step: &Step, f: &str, stage: Stage, value: Value, error: Option<String>) {
        let line = Line::nemesis(f, value);
        let (fault, stage) = (Some(step.id.clone()), Some(stage));
        self.recorder.record(Line { fault, stage, error, ..line });
    }
}

/// How targets are put into words: the leader with its term.
struct Words {
    leader: Option<(String, u64)>,
}

impl Words {
    fn node(&self, name: &str) -> String {
        match &self.leader {
            Some((leader, term)) if leader == name => format!("leader {name} (term {term})"),
            _ => name.to_string(),
        }
    }

    fn nodes(&self, names: &[String]) -> String {
        names.iter().map(|name| self.node(name)).collect::<Vec<_>>().join(", ")
    }
}

/// Jepsen's names for the beginning and the end of a fault.
fn names(fault: &Fault) -> (&'static str, &'static str) {
    match fault {
        Fault::Partition(_) => ("start-partition", "stop-partition"),
        Fault::Packets(_) => ("start-packets", "stop-packets"),
        Fault::Kill(_) => ("kill", "restart"),
        Fault::Pause(_) => ("pause", "resume"),
    }
}

fn merged(mut value: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, more) {
        fields.extend(more);
    }
    value
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Waits for the first active fault that is over; its place in the list.
async fn at_end(active: &[Active]) -> usize {
    let first = active.iter().enumerate().min_by_key(|(_, active)| active.until);
    at(first.map(|(_, active)| active.until)).await;
    first.map_or(0, |(index, _)| index)
}

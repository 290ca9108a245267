//! The fault injector: carries out the schedule, step by step, and records what each fault did.
//!
//! One task owns the cluster and the links while faults run. It does one thing at a time, so two faults never get in each other's way halfway;
//! that they overlap in time is the point. *When* things are done is the conductor's business, what is waited for that of `events`.

mod conductor;
mod deeds;
mod events;
mod membership;
mod messages;
mod network;
mod process;

use std::sync::Arc;
use std::time::Duration;

use checker::history::Stage;
use node::client::ReadCounts;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::conductor::{Conductor, Due, Order};
pub(crate) use self::deeds::Deeds;
use self::events::Events;
pub(crate) use self::membership::Operator;
use self::membership::{Changed, HandedOver};
use self::network::NetworkFault;
use self::process::{Killed, Paused};
use crate::cluster::{Cluster, Exit};
use crate::links::{MessageRelay, Network};
use crate::observer::Observer;
use crate::plan::{Cue, PlannedFault, Schedule, Surroundings};
use crate::recorder::{Line, Recorder};
use crate::workload::Fault;

/// How long a fault that targets the leader looks for one before it gives up, loudly.
const FIND_LEADER_LIMIT: Duration = Duration::from_secs(5);

/// The fault injector and what it works on.
pub(crate) struct Nemesis {
    pub(crate) cluster: Cluster,
    pub(crate) network: Arc<Network>,
    pub(crate) relay: Option<Arc<MessageRelay>>,
    pub(crate) observer: Arc<Observer>,
    operator: Operator,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) names: Vec<String>,
    pub(crate) exits: mpsc::UnboundedReceiver<Exit>,
    /// What was done, for doing it again.
    pub(crate) deeds: Deeds,
    /// What is in force, in words, for the progress line.
    pub(crate) in_force: watch::Sender<Vec<String>>,
    active: Vec<Active>,
}

/// A fault in force.
struct Active {
    planned: PlannedFault,
    /// Whether it stays in force to the end of the run.
    forever: bool,
    action: String,
    applied: Applied,
}

/// What was done, and what is needed to undo it.
enum Applied {
    Network(NetworkFault),
    Messages,
    Killed(Killed),
    Paused(Paused),
    Changed(Box<Changed>),
    HandedOver(HandedOver),
}

/// What a fault did, in words and in figures.
struct Effect {
    effective: bool,
    healed: bool,
    effect: String,
    evidence: Value,
}

/// What the fault injector is made of.
pub(crate) struct Parts {
    pub(crate) cluster: Cluster,
    pub(crate) network: Arc<Network>,
    pub(crate) relay: Option<Arc<MessageRelay>>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) names: Vec<String>,
    pub(crate) exits: mpsc::UnboundedReceiver<Exit>,
    pub(crate) deeds: Deeds,
    pub(crate) operator: Operator,
}

impl Nemesis {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { cluster, network, relay, observer, recorder, names, exits, deeds, operator } =
            parts;
        let (in_force, active) = (watch::Sender::new(Vec::new()), Vec::new());
        Self {
            cluster,
            network,
            relay,
            observer,
            operator,
            recorder,
            names,
            exits,
            deeds,
            in_force,
            active,
        }
    }

    /// Carries out the schedule, which counts from now, until `end` or until it is stopped. What is in force then stays so
    /// until [`Nemesis::heal_all`].
    pub(crate) async fn run(&mut self, schedule: Schedule, end: Instant, stop: &CancellationToken) {
        let events = Events::new(
            self.recorder.clone(),
            self.observer.clone(),
            self.relay.clone(),
            self.names.clone(),
        );
        let (sender, mut orders) = mpsc::channel(1);
        let conductor = Conductor::start(schedule, &events, sender);
        self.deeds.begin(events);
        loop {
            tokio::select! {
                Some(order) = orders.recv() => self.obey(order).await,
                Some(exit) = self.exits.recv() => self.note_death(&exit),
                () = tokio::time::sleep_until(end) => break,
                () = stop.cancelled() => break,
            }
        }
        for (planned, cue) in conductor.stop() {
            let Cue::On(trigger) = cue else { continue };
            let why = format!("it waited for {}, which never came", trigger.describe());
            self.record(&planned, names(&planned.fault).0, Stage::Plan, plan(&planned), None);
            self.not_applied(&planned, why);
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Begin { fault, begun } => {
                self.begin(&fault).await;
                let _ = begun.send(());
            }
            Order::End { id, unmatched } => {
                if let Some(index) = self.active.iter().position(|each| each.planned.id == id) {
                    self.end(index, unmatched).await;
                }
            }
        }
    }

    /// Ends every fault that is in force and is to end, the latest first.
    pub(crate) async fn heal_all(&mut self) {
        while let Some(index) = self.active.iter().rposition(|active| !active.forever) {
            self.end(index, None).await;
        }
        self.note_deaths();
    }

    /// Ends what was to stay broken: the run is over.
    pub(crate) async fn end_all(&mut self) {
        while !self.active.is_empty() {
            self.end(self.active.len() - 1, None).await;
        }
    }

    /// Takes note of how nodes that run have answered reads, where they did so in other ways than as a leader that asked a majority.
    pub(crate) async fn note_reads(&mut self) {
        for node in self.cluster.running() {
            let Some(reads) = self.operator.reads_of(&node).await else { continue };
            if reads != ReadCounts::default() {
                let value = json!({ "leased": reads.leased, "followed": reads.followed });
                let line = Line::nemesis("reads-served", value);
                self.recorder.record(Line { node: Some(node), ..line });
            }
        }
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

    async fn begin(&mut self, due: &Due) {
        let Due { planned, forever, .. } = due;
        self.record(planned, names(&planned.fault).0, Stage::Plan, plan(planned), None);
        match self.apply(planned).await {
            Ok((action, evidence, applied)) => {
                self.deeds.began(due, &action);
                let mut done = merged(json!({ "action": action }), evidence);
                if let Some(why) = &due.unmatched {
                    done["unmatched"] = why.as_str().into();
                }
                self.record(planned, names(&planned.fault).0, Stage::Done, done, None);
                let (planned, forever) = (planned.clone(), *forever);
                self.active.push(Active { planned, forever, action, applied });
            }
            Err(error) => self.not_applied(planned, format!("{error:#}")),
        }
        self.show_active();
    }

    fn not_applied(&self, planned: &PlannedFault, why: String) {
        let end = json!({ "effective": false, "healed": true, "effect": "not applied" });
        self.record(planned, names(&planned.fault).1, Stage::End, end, Some(why));
    }

    async fn apply(&mut self, planned: &PlannedFault) -> anyhow::Result<(String, Value, Applied)> {
        let leader = match planned.fault.needs_leader() {
            true => self.observer.find_leader(FIND_LEADER_LIMIT).await,
            false => None,
        };
        let running = self.cluster.running();
        let surroundings = Surroundings {
            nodes: &self.names,
            running: &running,
            leader: leader.as_ref().map(|(node, _)| node.as_str()),
            seed: planned.seed,
        };
        let words = Words { leader: leader.clone() };
        match &planned.fault {
            Fault::Partition(partition) => {
                network::partition(&self.network, &planned.id, partition, &surroundings, &words)
            }
            Fault::Packets(packets) => {
                network::packets(&self.network, &planned.id, packets, &surroundings)
            }
            Fault::Messages(rule) => {
                messages::messages(self.relay.as_deref(), &planned.id, rule, &surroundings)
            }
            Fault::Kill(kill) => {
                let nodes = crate::plan::targets(&kill.node, &surroundings)?;
                process::kill(&mut self.cluster, &nodes, &words).await
            }
            Fault::Pause(pause) => {
                let nodes = crate::plan::targets(&pause.node, &surroundings)?;
                process::pause(&mut self.cluster, &nodes, &words).await
            }
            Fault::Members(members) => self.operator.change(members, &surroundings).await,
            Fault::Transfer(transfer) => {
                self.operator.transfer(transfer, &surroundings, &words).await
            }
        }
    }

    async fn end(&mut self, index: usize, unmatched: Option<String>) {
        let Active { planned, applied, .. } = self.active.remove(index);
        let effect = match applied {
            Applied::Network(fault) => fault.heal(&self.network, &planned.id),
            Applied::Messages => messages::heal(self.relay.as_deref(), &planned.id),
            Applied::Killed(killed) => killed.heal(&mut self.cluster).await,
            Applied::Paused(paused) => paused.heal(&mut self.cluster).await,
            Applied::Changed(changed) => changed.heal(&mut self.operator).await,
            Applied::HandedOver(handed_over) => handed_over.heal(),
        };
        self.deeds.ended(&planned);
        let Effect { effective, healed, effect, evidence } = effect;
        let mut value = json!({ "effective": effective, "healed": healed, "effect": effect });
        if let Some(why) = unmatched {
            value["unmatched"] = why.into();
        }
        self.record(&planned, names(&planned.fault).1, Stage::End, merged(value, evidence), None);
        self.show_active();
    }

    fn show_active(&self) {
        let words = self.active.iter().map(|active| active.action.clone()).collect();
        self.in_force.send_replace(words);
    }

    fn record(
        &self,
        planned: &PlannedFault,
        f: &str,
        stage: Stage,
        value: Value,
        error: Option<String>,
    ) {
        let line = Line::nemesis(f, value);
        let (fault, stage) = (Some(planned.id.clone()), Some(stage));
        self.recorder.record(Line { fault, stage, error, ..line });
    }
}

fn plan(planned: &PlannedFault) -> Value {
    serde_json::to_value(&planned.fault).expect("a fault always serialises")
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
        Fault::Messages(_) => ("start-messages", "stop-messages"),
        Fault::Kill(_) => ("kill", "restart"),
        Fault::Pause(_) => ("pause", "resume"),
        Fault::Members(_) => ("change-members", "restore-members"),
        Fault::Transfer(_) => ("transfer", "end-transfer"),
    }
}

fn merged(mut value: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, more) {
        fields.extend(more);
    }
    value
}

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
use self::process::{Away, Hungry, Limits, Paused, Restarting, Upgraded, Wiped};
use crate::cluster::{Cluster, Exit};
use crate::links::{MessageRelay, Network};
use crate::observer::{Leader, Observer};
use crate::plan::{Cue, Damage, PlannedFault, Schedule, Step, Surroundings};
use crate::recorder::{Line, Recorder};
use crate::workload::{Budget, Fault};

/// How long the injector looks for the leader or a candidate, which there was a moment ago, before the fault is given up, loudly.
const FIND_LIMIT: Duration = Duration::from_secs(1);

/// How long a node that has complained of a limit may take to end of it.
const ENDING_GRACE: Duration = Duration::from_millis(300);

/// The fault injector and what it works on.
pub(crate) struct Nemesis {
    pub(crate) parts: Parts,
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
    damage: Damage,
}

/// What was done, and what is needed to undo it.
enum Applied {
    Network(NetworkFault),
    Messages,
    Away(Away),
    Restarting(Restarting),
    Paused(Paused),
    Starving(Hungry),
    Limited(Limits),
    Upgraded(Upgraded),
    Wiped(Wiped),
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

/// What the fault injector works on.
pub(crate) struct Parts {
    pub(crate) cluster: Cluster,
    pub(crate) network: Arc<Network>,
    pub(crate) relay: Option<Arc<MessageRelay>>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) names: Vec<String>,
    pub(crate) exits: mpsc::UnboundedReceiver<Exit>,
    /// What was done, for doing it again.
    pub(crate) deeds: Deeds,
    pub(crate) operator: Operator,
    pub(crate) budget: Budget,
}

/// Whom a fault may mean at this moment.
struct Now {
    running: Vec<String>,
    leader: Option<Leader>,
    candidates: Vec<String>,
}

impl Now {
    fn surroundings<'a>(&'a self, nodes: &'a [String], seed: u64) -> Surroundings<'a> {
        Surroundings {
            nodes,
            running: &self.running,
            leader: self.leader.as_ref().map(|(node, _)| node.as_str()),
            candidates: &self.candidates,
            seed,
        }
    }
}

impl Nemesis {
    pub(crate) fn new(parts: Parts) -> Self {
        let (in_force, active) = (watch::Sender::new(Vec::new()), Vec::new());
        Self { parts, in_force, active }
    }

    /// Carries out the schedule, which counts from now, until `end` or until it is stopped. What is in force then stays so
    /// until [`Nemesis::heal_all`].
    pub(crate) async fn run(&mut self, schedule: Schedule, end: Instant, stop: &CancellationToken) {
        let events = Events::new(
            self.parts.recorder.clone(),
            self.parts.observer.clone(),
            self.parts.relay.clone(),
            self.parts.names.clone(),
        );
        let (sender, mut orders) = mpsc::channel(1);
        let conductor = Conductor::start(schedule, &events, sender);
        self.parts.deeds.begin(events);
        loop {
            let again = self.next_restart().unwrap_or(end);
            tokio::select! {
                Some(order) = orders.recv() => self.obey(order).await,
                Some(exit) = self.parts.exits.recv() => self.note_death(&exit),
                () = tokio::time::sleep_until(again), if again < end => self.restart_again().await,
                () = tokio::time::sleep_until(end) => break,
                () = stop.cancelled() => break,
            }
        }
        for step in conductor.stop() {
            self.never_came(&step);
        }
    }

    /// Notes that a step was not done, for what it waited for never came. If it does nothing itself, those that follow would have.
    fn never_came(&self, step: &Step) {
        let what = match &step.cue {
            Some(Cue::On(trigger)) => trigger.describe(),
            Some(Cue::Again(moment)) => {
                format!("{} operations and {} leaders", moment.operations, moment.leaders)
            }
            None => return,
        };
        let why = format!("it waited for {what}, which never came");
        if step.faults.is_empty() {
            let what = format!("a step of a sequence was not gone through: {why}");
            self.parts.recorder.record(Line::nemesis("problem", json!({ "what": what })));
        }
        for planned in &step.faults {
            self.record(planned, names(&planned.fault).0, Stage::Plan, plan(planned), None);
            self.not_applied(planned, why.clone());
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

    /// When nodes that are restarted over and over are due again.
    fn next_restart(&self) -> Option<Instant> {
        let next = |active: &Active| match &active.applied {
            Applied::Restarting(restarting) => restarting.next(),
            _ => None,
        };
        self.active.iter().filter_map(next).min()
    }

    async fn restart_again(&mut self) {
        let now = Instant::now();
        for active in &mut self.active {
            if let Applied::Restarting(restarting) = &mut active.applied
                && restarting.next().is_some_and(|next| next <= now)
            {
                restarting.round(&mut self.parts.cluster).await;
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

    /// Ends what was to stay broken: the run is over. A node that was to stay away does.
    pub(crate) async fn end_all(&mut self) {
        self.parts.cluster.end();
        while !self.active.is_empty() {
            self.end(self.active.len() - 1, None).await;
        }
    }

    /// Takes note of how nodes that run have answered reads, where they did so in other ways than as a leader that asked a majority.
    pub(crate) async fn note_reads(&mut self) {
        for node in self.parts.cluster.running() {
            let Some(reads) = self.parts.operator.reads_of(&node).await else { continue };
            if reads != ReadCounts::default() {
                let value = json!({ "leased": reads.leased, "followed": reads.followed });
                let line = Line::nemesis("reads-served", value);
                self.parts.recorder.record(Line { node: Some(node), ..line });
            }
        }
    }

    /// Takes note of all deaths so far.
    pub(crate) fn note_deaths(&mut self) {
        while let Ok(exit) = self.parts.exits.try_recv() {
            self.note_death(&exit);
        }
    }

    fn note_death(&mut self, exit: &Exit) {
        self.parts.cluster.died(exit);
        let explains = |active: &mut Active| match &mut active.applied {
            Applied::Limited(limits) => limits.explains(exit),
            _ => false,
        };
        // What a fault makes a node do is told when the fault ends.
        if self.active.iter_mut().any(explains) {
            return;
        }
        let value = json!({
            "pid": exit.pid, "incarnation": exit.incarnation, "status": exit.status, "log": exit.last_lines,
        });
        self.parts
            .recorder
            .record(Line { node: Some(exit.node.clone()), ..Line::nemesis("node-died", value) });
    }

    async fn begin(&mut self, due: &Due) {
        let Due { planned, forever, .. } = due;
        let now = self.now(planned).await;
        let damage = Damage::of(&planned.fault, &now.surroundings(&self.parts.names, planned.seed));
        let beyond = self.beyond_budget(&damage);
        if let Some(why) = beyond.as_ref().filter(|_| self.parts.budget == Budget::Minority) {
            let value = json!({ "fault": plan(planned), "why": why });
            self.parts.recorder.record(Line::nemesis("withheld", value));
            return;
        }
        self.record(planned, names(&planned.fault).0, Stage::Plan, plan(planned), None);
        let beginning = self.parts.deeds.beginning();
        match self.apply(planned, &now).await {
            Ok((action, evidence, applied)) => {
                if let Some(beginning) = beginning {
                    self.parts.deeds.began(due, beginning, &action);
                }
                let mut done = merged(json!({ "action": action }), evidence);
                if let Some(why) = &due.unmatched {
                    done["unmatched"] = why.as_str().into();
                }
                if let Some(beyond) = beyond {
                    done["beyond_budget"] = beyond.into();
                }
                self.record(planned, names(&planned.fault).0, Stage::Done, done, None);
                let (planned, forever) = (planned.clone(), *forever);
                self.active.push(Active { planned, forever, action, applied, damage });
            }
            Err(error) => self.not_applied(planned, format!("{error:#}")),
        }
        self.show_active();
    }

    fn not_applied(&self, planned: &PlannedFault, why: String) {
        let end = json!({ "effective": false, "healed": true, "effect": "not applied" });
        self.record(planned, names(&planned.fault).1, Stage::End, end, Some(why));
    }

    /// Looks whom the targets of a fault mean.
    async fn now(&self, planned: &PlannedFault) -> Now {
        let leader = match planned.fault.needs_leader() {
            true => self.parts.observer.find_leader(FIND_LIMIT).await,
            false => None,
        };
        let candidates = match planned.fault.needs_candidate() {
            true => self.parts.observer.find_candidates(FIND_LIMIT).await,
            false => Vec::new(),
        };
        Now { running: self.parts.cluster.running(), leader, candidates }
    }

    /// What is broken now.
    fn damage(&self) -> Damage {
        let in_force = self.active.iter().map(|active| &active.damage);
        let running = self.parts.cluster.running();
        let down = self.parts.names.iter().filter(|name| !running.contains(name)).cloned();
        let dead = Damage { down: down.collect(), ..Damage::default() };
        in_force.fold(dead, |sum, damage| sum.with(damage))
    }

    /// Why the system need not bear this on top of what is broken already; nothing if it must.
    fn beyond_budget(&self, more: &Damage) -> Option<String> {
        let voters = self.voters();
        let sum = self.damage().with(more);
        let whole = sum.whole(&voters).len();
        let new = *more != Damage::default() && !sum.is_tolerable(&voters);
        new.then(|| format!("{whole} of {} voters would run and reach each other", voters.len()))
    }

    /// Whose majority the system needs: the voters by the newest that a node has said, or all nodes if none has said anything.
    fn voters(&self) -> Vec<String> {
        let board = self.parts.observer.board();
        let statuses = board.values().filter_map(|seen| seen.status.as_ref());
        match statuses.max_by_key(|status| (status.term, status.commit)) {
            Some(status) => status.members.voters.iter().map(ToString::to_string).collect(),
            None => self.parts.names.clone(),
        }
    }

    /// The nodes that run and reach each other, as far as we know.
    pub(crate) fn whole(&self) -> Vec<String> {
        self.damage().whole(&self.parts.names)
    }

    async fn apply(
        &mut self,
        planned: &PlannedFault,
        now: &Now,
    ) -> anyhow::Result<(String, Value, Applied)> {
        let parts = &mut self.parts;
        let surroundings = now.surroundings(&parts.names, planned.seed);
        let words = Words { leader: now.leader.clone() };
        match &planned.fault {
            Fault::Partition(partition) => {
                network::partition(&parts.network, &planned.id, partition, &surroundings, &words)
            }
            Fault::Packets(packets) => {
                network::packets(&parts.network, &planned.id, packets, &surroundings)
            }
            Fault::Messages(rule) => {
                messages::messages(parts.relay.as_deref(), &planned.id, rule, &surroundings)
            }
            Fault::Members(members) => parts.operator.change(members, &surroundings).await,
            Fault::Transfer(transfer) => {
                parts.operator.transfer(transfer, &surroundings, &words).await
            }
            fault => {
                let mut nodes = Vec::new();
                for (_, target) in fault.targets() {
                    nodes.extend(crate::plan::targets(target, &surroundings)?);
                }
                strike(parts, fault, &nodes, &words).await
            }
        }
    }

    async fn end(&mut self, index: usize, unmatched: Option<String>) {
        self.note_deaths();
        if let Applied::Limited(limits) = &self.active[index].applied
            && limits.may_end_yet()
        {
            // An end that comes just now is still what the fault did, and no death.
            tokio::time::sleep(ENDING_GRACE).await;
            self.note_deaths();
        }
        let Active { planned, applied, .. } = self.active.remove(index);
        let effect = match applied {
            Applied::Network(fault) => fault.heal(&self.parts.network, &planned.id),
            Applied::Messages => messages::heal(self.parts.relay.as_deref(), &planned.id),
            Applied::Away(away) => away.heal(&mut self.parts.cluster).await,
            Applied::Restarting(restarting) => restarting.heal(&mut self.parts.cluster).await,
            Applied::Starving(hungry) => hungry.heal(&mut self.parts.cluster).await,
            Applied::Limited(limits) => limits.heal(&mut self.parts.cluster).await,
            Applied::Upgraded(upgraded) => upgraded.heal(&mut self.parts.cluster).await,
            Applied::Wiped(wiped) => wiped.heal(&mut self.parts.cluster).await,
            Applied::Paused(paused) => paused.heal(&mut self.parts.cluster).await,
            Applied::Changed(changed) => changed.heal(&mut self.parts.operator).await,
            Applied::HandedOver(handed_over) => handed_over.heal(),
        };
        self.parts.deeds.ended(&planned);
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
        self.parts.recorder.record(Line { fault, stage, error, ..line });
    }
}

/// Does something to processes.
async fn strike(
    parts: &mut Parts,
    fault: &Fault,
    nodes: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    let cluster = &mut parts.cluster;
    match fault {
        Fault::Kill(_) => process::kill(cluster, nodes, words).await,
        Fault::Terminate(_) => process::terminate(cluster, &parts.observer, nodes, words).await,
        Fault::Restart(restart) => process::restart(cluster, restart, nodes, words).await,
        Fault::Pause(_) => process::pause(cluster, nodes, words).await,
        Fault::Starve(starve) => process::starve(cluster, starve, nodes, words),
        Fault::Limit(limit) => process::limit(cluster, limit, nodes, words),
        Fault::Upgrade(_) => process::upgrade(cluster, nodes, words).await,
        Fault::Wipe(_) => process::wipe(cluster, nodes, words).await,
        Fault::Partition(_)
        | Fault::Packets(_)
        | Fault::Messages(_)
        | Fault::Members(_)
        | Fault::Transfer(_) => anyhow::bail!("it does nothing to processes"),
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
        Fault::Terminate(_) => ("terminate", "restart"),
        Fault::Restart(_) => ("start-restarts", "stop-restarts"),
        Fault::Pause(_) => ("pause", "resume"),
        Fault::Starve(_) => ("start-starving", "stop-starving"),
        Fault::Limit(_) => ("limit", "lift-limit"),
        Fault::Upgrade(_) => ("upgrade", "end-upgrade"),
        Fault::Wipe(_) => ("wipe", "restart"),
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

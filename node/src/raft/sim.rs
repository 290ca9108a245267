//! Whole clusters in one thread, from one seed: links that lose, delay, repeat and reorder messages, partitions, crashes at any point between
//! two effects, and clients whose history the checker judges.
//!
//! 500 seeds run in the test suite. More: `FAULTLINE_SIM_SEEDS=10000 cargo test -p faultline-node --release sim`. One, again:
//! `FAULTLINE_SIM_SEED=17 cargo test -p faultline-node sim`.

use std::collections::{BTreeMap, BTreeSet};

use checker::history::{Event as HistoryEvent, EventType, History, Process};
use checker::judge::Limits;
use checker::linearizability;
use checker::models::Model;
use checker::properties::raft;
use checker::trace::{Trace, Written};
use checker::verdict::{CheckReport, Verdict};
use serde_json::{Value, json};

use super::disk::Disk;
use super::effects::{Answer, Effects, Input};
use super::log::Payload;
use super::message::Message;
use super::random::Random;
use super::{Config, NodeId, Raft, RequestId};
use crate::bug::Bug;
use crate::kv::{Command, Outcome, Store};
use crate::trace::{Event, Line, Record};

/// Ticks in which things go wrong.
const FAULT_TICKS: u64 = 800;
/// Ticks in which a healed cluster must have elected a leader and served every key.
const LIVENESS_TICKS: u64 = 3_000;
const CLIENTS: u32 = 4;
const KEYS: u32 = 2;
/// No effect is the last before a crash.
const NEVER: u32 = u32::MAX;
/// An operation without an answer after so many ticks is given up.
const PATIENCE_TICKS: u64 = 120;

/// What a seed did, so that a test can tell a run that proved something from one that did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    ok: u64,
    info: u64,
    leaders: u64,
    crashes: u64,
    lost: u64,
    repeated: u64,
}

/// What came of a seed.
struct Run {
    tally: Tally,
    linearizable: CheckReport,
    /// Every Raft property, judged on the traces.
    raft: Vec<CheckReport>,
    /// The history as it would be on disk.
    history: String,
}

impl Run {
    /// What is not valid.
    fn not_valid(&self) -> Vec<&CheckReport> {
        let all = self.raft.iter().chain([&self.linearizable]);
        all.filter(|report| report.verdict != Verdict::Valid).collect()
    }
}

struct Sim {
    random: Random,
    now: u64,
    nodes: BTreeMap<NodeId, Node>,
    /// Messages on their way, by due time and number.
    network: BTreeMap<(u64, u64), Sent>,
    sent: u64,
    /// Directed links that lose everything.
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Whether things go wrong at all.
    faulty: bool,
    clients: Vec<Client>,
    next_process: u64,
    next_value: i64,
    history: Vec<HistoryEvent>,
    traces: Vec<Trace>,
    /// The hash of the log up to each index that some node has applied.
    applied: BTreeMap<u64, u64>,
    tally: Tally,
    sound: bool,
}

struct Node {
    config: Config,
    disk: Disk,
    raft: Option<Raft>,
    store: Store,
    applied: u64,
    incarnation: u64,
    /// Who waits, by request.
    waiting: BTreeMap<RequestId, usize>,
}

#[derive(Clone)]
struct Sent {
    from: NodeId,
    to: NodeId,
    message: Message,
}

#[derive(Clone)]
enum Operation {
    Read,
    Change(Command),
}

struct Client {
    process: u64,
    key: String,
    /// The operation that it waits for, and until when.
    waiting: Option<(Operation, u64)>,
    request: RequestId,
    seen: BTreeMap<String, Option<i64>>,
    target: NodeId,
}

impl Sim {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Random::seeded(seed);
        let count = random.between(3, 6);
        let ids: BTreeSet<_> = (1..=count).map(NodeId).collect();
        let mut sim = Self {
            random,
            now: 0,
            nodes: BTreeMap::new(),
            network: BTreeMap::new(),
            sent: 0,
            cut: BTreeSet::new(),
            faulty: true,
            clients: Vec::new(),
            next_process: 0,
            next_value: 0,
            history: Vec::new(),
            traces: Vec::new(),
            applied: BTreeMap::new(),
            tally: Tally::default(),
            sound: bug.is_none(),
        };
        for id in &ids {
            let config = Config {
                id: *id,
                peers: ids.iter().copied().filter(|peer| peer != id).collect(),
                heartbeat_ticks: 3,
                election_timeout_ticks: 10..20,
                first_election_timeout_ticks: None,
                seed: seed.wrapping_mul(31) + u64::from(id.0),
                bug,
            };
            let node = Node {
                config,
                disk: Disk::default(),
                raft: None,
                store: Store::default(),
                applied: 0,
                incarnation: 0,
                waiting: BTreeMap::new(),
            };
            sim.nodes.insert(*id, node);
            sim.start(*id);
        }
        for number in 0..CLIENTS {
            let process = sim.fresh_process();
            let target = NodeId(number % count + 1);
            let (key, seen) = (String::new(), BTreeMap::new());
            sim.clients.push(Client {
                process,
                key,
                waiting: None,
                request: RequestId(0),
                seen,
                target,
            });
        }
        sim
    }

    fn fresh_process(&mut self) -> u64 {
        self.next_process += 1;
        self.next_process
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.between(0, 100) < percent
    }

    fn any_node(&mut self) -> NodeId {
        NodeId(self.random.between(1, self.nodes.len() as u32 + 1))
    }

    /// Starts a node on its disk.
    fn start(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        node.incarnation += 1;
        node.config.seed = node.config.seed.wrapping_add(1);
        node.raft =
            Some(Raft::new(node.config.clone(), node.disk.hard_state, node.disk.entries.clone()));
        node.store = Store::default();
        node.applied = 0;
        let (node, incarnation) = (id.to_string(), node.incarnation);
        self.traces.push(Trace { node, incarnation, lines: Vec::new() });
    }

    fn crash(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        if node.raft.take().is_some() {
            node.waiting.clear(); // Its clients will lose patience.
            self.tally.crashes += 1;
        }
    }

    fn step(&mut self, id: NodeId, input: Input) {
        let Some(raft) = self.nodes.get_mut(&id).and_then(|node| node.raft.as_mut()) else {
            return;
        };
        let effects = raft.step(input);
        // A crash may hit between any two effects, and likes to hit a node that has just voted.
        let voted = effects.trace.iter().any(|r| matches!(r.event, Event::VoteGranted { .. }));
        let one_in = if voted { 10 } else { 4_000 };
        let crashes = self.faulty && self.random.between(0, one_in) == 0;
        let crash_after = if crashes { self.random.between(0, 4) } else { NEVER };
        if crash_after == 0 {
            self.crash(id);
            return;
        }
        self.nodes.get_mut(&id).expect("nodes are numbered").disk.persist(&effects);
        if crash_after == 1 {
            self.crash(id);
            return;
        }
        self.record_trace(id, &effects.trace);
        if crash_after == 2 {
            self.crash(id);
            return;
        }
        self.carry_out(id, effects);
        if crash_after == 3 {
            self.crash(id);
        }
    }

    fn carry_out(&mut self, id: NodeId, effects: Effects) {
        for (to, message) in effects.messages {
            self.send(Sent { from: id, to, message });
        }
        for commit in effects.committed {
            let (index, hash) = (commit.entry.index.0, commit.hash);
            let node = self.nodes.get_mut(&id).expect("nodes are numbered");
            assert_eq!(index, node.applied + 1, "{id} applies without gaps");
            node.applied = index;
            let known = *self.applied.entry(index).or_insert(hash);
            assert!(!self.sound || known == hash, "two nodes apply different entries at {index}");
            let Payload::Command(command) = &commit.entry.payload else { continue };
            let outcome =
                node.store.apply(&postcard::from_bytes(command).expect("our own commands"));
            let client = commit.request.and_then(|request| node.waiting.remove(&request));
            match (client, outcome) {
                (Some(client), Outcome::Done) => self.finish(client, EventType::Ok, None),
                (Some(client), Outcome::Mismatch) => {
                    self.finish(client, EventType::Fail, Some("mismatch"))
                }
                (None, _) => {}
            }
        }
        for read in effects.reads {
            let node = self.nodes.get_mut(&id).expect("nodes are numbered");
            let Some(client) = node.waiting.remove(&read.id) else { continue };
            let value = node.store.read(&self.clients[client].key);
            self.finish_read(client, value);
        }
        for (request, answer) in effects.answers {
            let node = self.nodes.get_mut(&id).expect("nodes are numbered");
            let Some(client) = node.waiting.remove(&request) else { continue };
            match answer {
                Answer::NotLeader { leader } => {
                    self.clients[client].target = leader.unwrap_or_else(|| self.any_node());
                    self.finish(client, EventType::Fail, None);
                }
                Answer::ReadAbandoned => self.finish(client, EventType::Fail, None),
                Answer::OutcomeUnknown => self.finish(client, EventType::Info, None),
            }
        }
        self.acknowledge_early(id);
    }

    /// The planted bug `ack-before-commit`, which is the shell's.
    fn acknowledge_early(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        if node.config.bug != Some(Bug::AckBeforeCommit) {
            return;
        }
        let is_write = |client: &usize| {
            matches!(
                self.clients[*client].waiting,
                Some((Operation::Change(Command::Write { .. }), _))
            )
        };
        let early = node.waiting.iter().find(|(_, client)| is_write(client)).map(|(r, c)| (*r, *c));
        // At most one write begins in a step.
        if let Some((request, client)) = early {
            node.waiting.remove(&request);
            self.finish(client, EventType::Ok, None);
        }
    }

    fn record_trace(&mut self, id: NodeId, records: &[Record]) {
        let incarnation = self.nodes[&id].incarnation;
        let trace = self.traces.iter_mut().rfind(|trace| trace.node == id.to_string());
        let trace = trace.expect("every start begins a trace");
        for record in records {
            self.tally.leaders += u64::from(matches!(record.event, Event::BecameLeader { .. }));
            let (seq, record) = (trace.lines.len() as u64, record.clone());
            let line = Line { node: id, incarnation, seq, time: self.now, record };
            let text = serde_json::to_vec(&line).expect("a trace line always serialises");
            let written = Written::parse(&text).expect("the checker reads what a node writes");
            trace.lines.push(written.line);
        }
    }

    fn send(&mut self, sent: Sent) {
        if self.cut.contains(&(sent.from, sent.to)) || self.faulty && self.chance(8) {
            self.tally.lost += 1;
            return;
        }
        let copies = if self.faulty && self.chance(4) { 2 } else { 1 };
        self.tally.repeated += copies - 1;
        for _ in 0..copies {
            // Mostly quick; now and then so late that much has happened meanwhile.
            let delay = match self.faulty && self.chance(5) {
                true => self.random.between(1, 40),
                false => self.random.between(1, 4),
            };
            self.sent += 1;
            self.network.insert((self.now + u64::from(delay), self.sent), sent.clone());
        }
    }

    /// One unit of time: messages that are due, ticks, clients, and whatever goes wrong.
    fn advance(&mut self) {
        self.now += 1;
        while let Some(((due, _), _)) = self.network.first_key_value()
            && *due <= self.now
        {
            let (_, Sent { from, to, message }) = self.network.pop_first().expect("it is there");
            self.step(to, Input::Message { from, message });
        }
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.step(id, Input::Tick);
        }
        for client in 0..self.clients.len() {
            self.drive(client);
        }
        if self.faulty {
            self.break_something();
        }
    }

    fn break_something(&mut self) {
        if self.random.between(0, 120) == 0 {
            let id = self.any_node();
            self.crash(id);
        }
        let down: Vec<_> =
            self.nodes.iter().filter(|(_, node)| node.raft.is_none()).map(|(id, _)| *id).collect();
        for id in down {
            if self.random.between(0, 8) == 0 {
                self.start(id);
            }
        }
        match self.random.between(0, 150) {
            0 => self.cut.clear(),
            1 => {
                let cut_off = self.any_node();
                self.cut = self.links(|from, to| from == cut_off || to == cut_off);
            }
            2 => {
                let mute = self.any_node();
                self.cut = self.links(|from, _| from == mute);
            }
            3 => {
                let border = self.any_node();
                self.cut = self.links(|from, to| (from <= border) != (to <= border));
            }
            4 | 5 => {
                // Two that do not hear each other, with a bridge between them.
                let (one, other) = (self.any_node(), self.any_node());
                self.cut =
                    self.links(|from, to| (from, to) == (one, other) || (to, from) == (one, other));
            }
            _ => {}
        }
    }

    fn links(&self, cut: impl Fn(NodeId, NodeId) -> bool) -> BTreeSet<(NodeId, NodeId)> {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        let pairs = ids.iter().flat_map(|from| ids.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| cut(*from, *to)).collect()
    }

    /// Begins a client's next operation, or gives up the one that took too long.
    fn drive(&mut self, client: usize) {
        match self.clients[client].waiting {
            Some((_, until)) if self.now < until => return,
            Some(_) => {
                for node in self.nodes.values_mut() {
                    node.waiting.retain(|_, waiting| *waiting != client);
                }
                self.clients[client].target = self.any_node();
                self.finish(client, EventType::Info, None);
            }
            None => {}
        }
        if self.random.between(0, 4) == 0 {
            let key = format!("k{}", self.random.between(0, KEYS));
            let kind = self.random.between(0, 5);
            self.invoke(client, key, kind);
        }
    }

    fn invoke(&mut self, client: usize, key: String, kind: u32) {
        self.next_value += 1;
        let value = self.next_value;
        let old = self.clients[client].seen.get(&key).copied().flatten();
        let (f, argument, operation) = match kind {
            0 | 1 => ("read", Value::Null, Operation::Read),
            2 | 3 => (
                "write",
                json!(value),
                Operation::Change(Command::Write { key: key.clone(), value }),
            ),
            _ => {
                let cas = Command::Cas { key: key.clone(), old, new: value };
                ("cas", json!([old, value]), Operation::Change(cas))
            }
        };
        let id = RequestId(self.next_value as u64);
        self.record(client, EventType::Invoke, f, &key, argument, None);
        let state = &mut self.clients[client];
        state.key = key;
        state.request = id;
        state.waiting = Some((operation.clone(), self.now + PATIENCE_TICKS));
        let target = state.target;
        let node = self.nodes.get_mut(&target).expect("nodes are numbered");
        if node.raft.is_none() {
            self.clients[client].target = self.any_node();
            self.finish(client, EventType::Fail, Some("not sent"));
            return;
        }
        node.waiting.insert(id, client);
        let input = match operation {
            Operation::Read => Input::Read { id },
            Operation::Change(command) => Input::Propose {
                id,
                command: postcard::to_stdvec(&command).expect("our own command"),
            },
        };
        self.step(target, input);
    }

    fn finish_read(&mut self, client: usize, value: Option<i64>) {
        let key = self.clients[client].key.clone();
        self.clients[client].waiting = None;
        self.clients[client].seen.insert(key.clone(), value);
        self.tally.ok += 1;
        self.record(client, EventType::Ok, "read", &key, json!(value), None);
    }

    fn finish(&mut self, client: usize, event_type: EventType, error: Option<&str>) {
        let Some((operation, _)) = self.clients[client].waiting.take() else { return };
        let key = self.clients[client].key.clone();
        let (f, value) = match operation {
            Operation::Read => ("read", Value::Null),
            Operation::Change(Command::Write { value, .. }) => ("write", json!(value)),
            Operation::Change(Command::Cas { old, new, .. }) => ("cas", json!([old, new])),
        };
        self.record(client, event_type, f, &key, value.clone(), error);
        match event_type {
            EventType::Ok => {
                self.tally.ok += 1;
                let now = value.get(1).unwrap_or(&value).as_i64();
                self.clients[client].seen.insert(key, now);
            }
            EventType::Info => {
                self.tally.info += 1;
                self.clients[client].process = self.fresh_process();
            }
            EventType::Fail | EventType::Invoke => {}
        }
    }

    fn record(
        &mut self,
        client: usize,
        event_type: EventType,
        f: &str,
        key: &str,
        value: Value,
        error: Option<&str>,
    ) {
        self.history.push(HistoryEvent {
            index: self.history.len() as u64,
            time: self.now,
            process: Process::Client(self.clients[client].process),
            event_type,
            f: f.into(),
            key: Some(key.into()),
            value,
            node: Some(self.clients[client].target.to_string()),
            error: error.map(str::to_string),
            fault: None,
            stage: None,
        });
    }

    /// Heals everything, and requires that the cluster serves again: every key is read and written.
    fn must_recover(&mut self) {
        self.faulty = false;
        self.cut.clear();
        let down: Vec<_> =
            self.nodes.iter().filter(|(_, node)| node.raft.is_none()).map(|(id, _)| *id).collect();
        for id in down {
            self.start(id);
        }
        let healed = self.history.len();
        for _ in 0..LIVENESS_TICKS {
            self.advance();
            if self.served_since(healed) {
                return;
            }
        }
        assert!(!self.sound, "not every key was served in {LIVENESS_TICKS} ticks after the heal");
    }

    /// Whether every key was read and written since this place in the history.
    fn served_since(&self, place: usize) -> bool {
        let ok = self.history[place..].iter().filter(|event| event.event_type == EventType::Ok);
        let served: BTreeSet<_> = ok
            .map(|event| (event.key.as_ref().and_then(Value::as_str), event.f.as_str()))
            .collect();
        (0..KEYS).all(|key| {
            let key = format!("k{key}");
            ["read", "write"].iter().all(|f| served.contains(&(Some(key.as_str()), *f)))
        })
    }
}

fn run(seed: u64, bug: Option<Bug>) -> Run {
    let mut sim = Sim::new(seed, bug);
    for _ in 0..FAULT_TICKS {
        sim.advance();
    }
    sim.must_recover();
    let lines: Vec<_> = sim
        .history
        .iter()
        .map(|event| serde_json::to_string(event).expect("it serialises"))
        .collect();
    let history = History::pair(sim.history).expect("the simulation records a well-formed history");
    Run {
        tally: sim.tally,
        linearizable: linearizability::check(&history, Model::CasRegister, &Limits::default()),
        raft: raft::PROPERTIES.iter().map(|(_, check)| check(&sim.traces)).collect(),
        history: lines.join("\n"),
    }
}

/// The seeds to run: 500, or as the environment says.
#[expect(clippy::disallowed_methods, reason = "the environment chooses seeds, not results")]
fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("FAULTLINE_SIM_SEED"), number("FAULTLINE_SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => 0..count,
        (None, None) => 0..500,
    }
}

#[test]
fn sim_sound_clusters_keep_their_promises_and_recover() {
    let mut sum = Tally::default();
    for seed in seeds() {
        let again = format!("FAULTLINE_SIM_SEED={seed} cargo test -p faultline-node sim");
        let Ok(run) = std::panic::catch_unwind(|| run(seed, None)) else {
            panic!("seed {seed} broke an assertion; again: {again}");
        };
        assert!(run.not_valid().is_empty(), "again: {again}\n{:#?}", run.not_valid());
        let Tally { ok, info, leaders, crashes, lost, repeated } = run.tally;
        // A run in which almost nothing succeeded, or nothing went wrong, would prove nothing.
        assert!(ok > 30 && leaders > 1 && lost > 50, "seed {seed} proved nothing: {:?}", run.tally);
        sum.ok += ok;
        sum.info += info;
        sum.leaders += leaders;
        sum.crashes += crashes;
        sum.lost += lost;
        sum.repeated += repeated;
    }
    println!("{} seeds: {sum:?}", seeds().count());
    let count = seeds().count() as u64;
    assert!(sum.crashes > count && sum.repeated > count && sum.info > count, "{sum:?}");
}

#[test]
fn sim_the_same_seed_gives_the_same_bytes() {
    for seed in [3, 17] {
        let (first, second) = (run(seed, None), run(seed, None));
        assert_eq!(first.history, second.history);
        assert_eq!(first.tally, second.tally);
    }
    assert_ne!(run(3, None).history, run(4, None).history);
}

/// Some seed convicts the bug, and by each of these checks.
fn convict(bug: Bug, by: &[&str]) {
    let mut convictions: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..200 {
        let run = run(seed, Some(bug));
        let invalid =
            run.not_valid().into_iter().filter(|report| report.verdict == Verdict::Invalid);
        for report in invalid {
            *convictions.entry(report.name.clone()).or_default() += 1;
        }
    }
    println!("{bug}: convicted in 200 seeds by {convictions:?}");
    for check in by {
        assert!(convictions.contains_key(*check), "no seed convicts {bug} by {check}");
    }
}

#[test]
fn sim_planted_bugs_are_convicted() {
    convict(Bug::DoubleVote, &["vote-once", "election-safety"]);
    convict(Bug::VoteNotPersisted, &["vote-once", "election-safety"]);
    convict(Bug::MinorityQuorum, &["commit-quorum", "linearizable"]);
    convict(Bug::LocalLeaderRead, &["linearizable"]);
    convict(Bug::AckBeforeCommit, &["linearizable"]);
}

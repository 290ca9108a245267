//! A cluster under a virtual clock: nodes with their disks, and links that lose, delay, repeat and reorder.

use std::collections::{BTreeMap, BTreeSet};

use checker::history::{Event as HistoryEvent, EventType};
use checker::trace::{Trace, Written};

use super::super::disk::Disk;
use super::super::effects::{Answer, Apply, Commit, Effects, Input};
use super::super::log::Payload;
use super::super::message::Message;
use super::super::random::Random;
use super::super::{Config, Limits, LogIndex, NodeId, Raft, RequestId, Role};
use crate::bug::Bug;
use crate::kv::{self, Command, Object, Query, Refusal, Store};
use crate::trace::{Event, Line, Record};

use super::clients::{Client, Operation};
use super::{CLIENTS, LEASE_TICKS, NEVER, SNAPSHOT_ENTRIES, SPARE_NODES, Tally};

pub(super) struct Sim {
    pub(super) random: Random,
    pub(super) now: u64,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    /// Messages on their way, by due time and number.
    pub(super) network: BTreeMap<(u64, u64), Sent>,
    pub(super) sent: u64,
    /// Directed links that lose everything.
    pub(super) cut: BTreeSet<(NodeId, NodeId)>,
    /// Whether things go wrong at all.
    pub(super) faulty: bool,
    pub(super) clients: Vec<Client>,
    pub(super) next_process: u64,
    pub(super) next_value: i64,
    pub(super) history: Vec<HistoryEvent>,
    pub(super) traces: Vec<Trace>,
    /// The hash of the log up to each index that some node has applied.
    pub(super) applied: BTreeMap<u64, u64>,
    pub(super) tally: Tally,
    pub(super) sound: bool,
}

pub(super) struct Node {
    pub(super) config: Config,
    pub(super) disk: Disk,
    pub(super) raft: Option<Raft>,
    pub(super) store: Store,
    pub(super) applied: u64,
    /// How far it ever said that it had committed.
    pub(super) committed: u64,
    pub(super) incarnation: u64,
    /// Who waits, by request.
    pub(super) waiting: BTreeMap<RequestId, usize>,
}

#[derive(Clone)]
pub(super) struct Sent {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) message: Message,
}

impl Node {
    fn new(config: Config) -> Self {
        Self {
            config,
            disk: Disk::default(),
            raft: None,
            store: Store::default(),
            applied: 0,
            committed: 0,
            incarnation: 0,
            waiting: BTreeMap::new(),
        }
    }
}

/// Limits are so narrow that everything happens that they are there for.
fn config(id: NodeId, founders: BTreeSet<NodeId>, seed: u64) -> Config {
    Config {
        id,
        founders,
        heartbeat_ticks: 3,
        election_timeout_ticks: 10..20,
        first_election_timeout_ticks: None,
        limits: Limits {
            message_bytes_max: 100,
            inflight_messages_max: 3,
            inflight_bytes_max: 250,
            uncommitted_bytes_max: 1_000,
            chunk_bytes_max: 10,
            retained_entries: 2,
            learner_lag_entries: 5,
        },
        lease_ticks: None,
        is_traced: true,
        is_readable: |_| true,
        seed,
        bug: None,
    }
}

impl Sim {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Random::seeded(seed);
        let count = random.between(3, 6);
        let leases = random.between(0, 4) == 0;
        let founders: BTreeSet<_> = (1..=count).map(NodeId).collect();
        let ids: Vec<_> = (1..=count + SPARE_NODES).map(NodeId).collect();
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
        for id in ids {
            let seed = seed.wrapping_mul(31) + u64::from(id.0);
            let lease_ticks = leases.then_some(LEASE_TICKS);
            let founders = founders.clone();
            sim.nodes
                .insert(id, Node::new(Config { lease_ticks, bug, ..config(id, founders, seed) }));
            sim.start(id);
        }
        for number in 0..CLIENTS {
            let process = sim.fresh_process();
            sim.clients.push(Client {
                process,
                key: String::new(),
                waiting: None,
                request: RequestId(0),
                seen: BTreeMap::new(),
                target: NodeId(number % count + 1),
            });
        }
        sim
    }

    pub(super) fn fresh_process(&mut self) -> u64 {
        self.next_process += 1;
        self.next_process
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.random.between(0, 100) < percent
    }

    pub(super) fn any_node(&mut self) -> NodeId {
        NodeId(self.random.between(1, self.nodes.len() as u32 + 1))
    }

    /// Who believes that it leads.
    pub(super) fn leaders(&self) -> Vec<NodeId> {
        let leads = |raft: &Raft| matches!(raft.role(), Role::Leader(_));
        let nodes = self.nodes.iter();
        nodes.filter(|(_, node)| node.raft.as_ref().is_some_and(leads)).map(|(id, _)| *id).collect()
    }

    /// A node to do something to: a leader as often as not, since that is where it hurts.
    pub(super) fn victim(&mut self) -> NodeId {
        let leaders = self.leaders();
        match leaders.first() {
            Some(leader) if self.chance(50) => *leader,
            _ => self.any_node(),
        }
    }

    /// Starts a node on its disk.
    pub(super) fn start(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        node.incarnation += 1;
        node.config.seed = node.config.seed.wrapping_add(1);
        let (raft, effects) = Raft::new(node.config.clone(), node.disk.durable.clone());
        node.raft = Some(raft);
        node.store = Store::default();
        node.applied = 0;
        let (node, incarnation) = (id.to_string(), node.incarnation);
        self.traces.push(Trace { node, incarnation, lines: Vec::new() });
        self.carry_out_and_crash(id, effects);
    }

    pub(super) fn crash(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        if node.raft.take().is_some() {
            node.waiting.clear(); // Its clients will lose patience.
            self.tally.crashes += 1;
            self.maybe_damage(id);
        }
    }

    pub(super) fn step(&mut self, id: NodeId, input: Input) {
        let Some(raft) = self.nodes.get_mut(&id).and_then(|node| node.raft.as_mut()) else {
            return;
        };
        let effects = raft.step(input);
        self.carry_out_and_crash(id, effects);
        self.maybe_snapshot(id);
    }

    /// A crash may hit between any two effects, in the middle of what is written to disk too, and likes to hit a node that has just voted or taken
    /// a snapshot.
    pub(super) fn carry_out_and_crash(&mut self, id: NodeId, effects: Effects) {
        let voted = effects.trace.iter().any(|r| matches!(r.event, Event::VoteGranted { .. }));
        let one_in = if voted || effects.stand_alone() { 10 } else { 4_000 };
        let crashes = self.faulty && self.random.between(0, one_in) == 0;
        let crash_after = if crashes { self.random.between(0, 3) } else { NEVER };
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        if crash_after == 0 {
            node.disk.persist_part(&effects, self.random.between(0, 5) as usize);
            self.crash(id);
            return;
        }
        node.disk.persist(&effects);
        self.tally.snapshots += u64::from(effects.snapshot.is_some());
        if node.raft.as_ref().is_some_and(|raft| !raft.is_repairing()) {
            node.disk.durable.damaged_up_to = None;
        }
        node.committed = node.committed.max(node.raft.as_ref().map_or(0, |raft| raft.commit().0));
        self.record_trace(id, &effects.trace);
        if crash_after == 1 {
            self.crash(id);
            return;
        }
        self.carry_out(id, effects);
        if crash_after == 2 {
            self.crash(id);
        }
    }

    /// Writes the state machine down when enough has been applied since the last time.
    fn maybe_snapshot(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        let kept = node.disk.durable.snapshot.as_ref().map_or(0, |s| s.meta.last_index.0);
        if node.raft.is_some() && node.applied >= kept + SNAPSHOT_ENTRIES {
            let (index, data) = (LogIndex(node.applied), node.store.snapshot().into());
            self.step(id, Input::Snapshotted { index, data });
        }
    }

    fn carry_out(&mut self, id: NodeId, effects: Effects) {
        for (to, message) in effects.messages {
            self.send(Sent { from: id, to, message });
        }
        for apply in effects.apply {
            match apply {
                Apply::Entry(commit) => self.apply(id, &commit),
                Apply::Restore(snapshot) => {
                    let node = self.nodes.get_mut(&id).expect("nodes are numbered");
                    node.store = Store::restore(&snapshot.data).expect("our own bytes");
                    node.applied = snapshot.meta.last_index.0;
                    self.see_applied(id, snapshot.meta.last_index.0, snapshot.meta.hash);
                    self.tally.restored += 1;
                }
            }
        }
        for read in effects.reads {
            let node = self.nodes.get_mut(&id).expect("nodes are numbered");
            let Some(client) = node.waiting.remove(&read.id) else { continue };
            if read.leased && !node.raft.as_ref().is_some_and(Raft::lease_holds) {
                self.finish(client, EventType::Fail, None);
                continue;
            }
            self.tally.leased += u64::from(read.leased);
            let query = Query::Read { key: self.clients[client].key.clone() };
            let value = match node.store.query(&query) {
                Ok(kv::Answer::Object(Some(Object::Register(value)))) => Some(value),
                _ => None,
            };
            self.finish_read(client, value);
        }
        for (request, answer) in effects.answers {
            let node = self.nodes.get_mut(&id).expect("nodes are numbered");
            let Some(client) = node.waiting.remove(&request) else { continue };
            match answer {
                Answer::NotLeader { leader } => {
                    self.turn_to(client, leader);
                    self.finish(client, EventType::Fail, None);
                }
                Answer::ReadAbandoned | Answer::Refused(_) => {
                    self.finish(client, EventType::Fail, None)
                }
                Answer::OutcomeUnknown => self.finish(client, EventType::Info, None),
            }
        }
        self.acknowledge_early(id);
    }

    fn apply(&mut self, id: NodeId, commit: &Commit) {
        let index = commit.entry.index.0;
        self.see_applied(id, index, commit.hash);
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        assert!(!self.sound || index == node.applied + 1, "{id} applies without gaps");
        node.applied = index;
        if let Payload::Configuration(members) = &commit.entry.payload {
            self.tally.changes += u64::from(commit.request.is_some() && !members.is_joint());
        }
        let Payload::Command(command) = &commit.entry.payload else { return };
        let proposal = postcard::from_bytes(command).expect("our own commands");
        let outcome = node.store.apply(index, &proposal);
        let client = commit.request.and_then(|request| node.waiting.remove(&request));
        match (client, outcome) {
            (Some(client), Ok(_)) => self.finish(client, EventType::Ok, None),
            (Some(client), Err(refusal)) => {
                assert_eq!(refusal, Refusal::Mismatch, "there are registers only");
                self.finish(client, EventType::Fail, Some("mismatch"));
            }
            (None, _) => {}
        }
    }

    fn see_applied(&mut self, id: NodeId, index: u64, hash: u64) {
        let known = *self.applied.entry(index).or_insert(hash);
        assert!(
            !self.sound || known == hash,
            "{id} applies other entries than others up to {index}"
        );
    }

    /// The planted bug `ack-before-commit`, which is the shell's.
    pub(super) fn acknowledge_early(&mut self, id: NodeId) {
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

    pub(super) fn record_trace(&mut self, id: NodeId, records: &[Record]) {
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

    pub(super) fn send(&mut self, sent: Sent) {
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
    pub(super) fn advance(&mut self) {
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
}

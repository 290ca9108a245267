//! A cluster under a virtual clock: nodes with their disks, and links that lose, delay, repeat and reorder.

use std::collections::{BTreeMap, BTreeSet};

use checker::history::{Event as HistoryEvent, EventType};
use checker::trace::{Trace, Written};

use super::super::disk::Disk;
use super::super::effects::{Answer, Effects, Input};
use super::super::log::Payload;
use super::super::message::Message;
use super::super::random::Random;
use super::super::{Config, Limits, NodeId, Raft, RequestId, Role};
use crate::bug::Bug;
use crate::kv::{Command, Outcome, Store};
use crate::trace::{Event, Line, Record};

use super::clients::{Client, Operation};
use super::{CLIENTS, NEVER, Tally};

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

impl Sim {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
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
                founders: ids.clone(),
                heartbeat_ticks: 3,
                election_timeout_ticks: 10..20,
                first_election_timeout_ticks: None,
                limits: Limits {
                    message_bytes_max: 100,
                    inflight_messages_max: 3,
                    inflight_bytes_max: 250,
                    uncommitted_bytes_max: 1_000,
                },
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
        node.raft =
            Some(Raft::new(node.config.clone(), node.disk.hard_state, node.disk.entries.clone()));
        node.store = Store::default();
        node.applied = 0;
        let (node, incarnation) = (id.to_string(), node.incarnation);
        self.traces.push(Trace { node, incarnation, lines: Vec::new() });
    }

    pub(super) fn crash(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        if node.raft.take().is_some() {
            node.waiting.clear(); // Its clients will lose patience.
            self.tally.crashes += 1;
        }
    }

    pub(super) fn step(&mut self, id: NodeId, input: Input) {
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

    pub(super) fn carry_out(&mut self, id: NodeId, effects: Effects) {
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
                Answer::ReadAbandoned | Answer::Refused(_) => {
                    self.finish(client, EventType::Fail, None)
                }
                Answer::OutcomeUnknown => self.finish(client, EventType::Info, None),
            }
        }
        self.acknowledge_early(id);
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

    pub(super) fn break_something(&mut self) {
        if self.random.between(0, 100) == 0 {
            let id = self.victim();
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
                let cut_off = self.victim();
                self.cut = self.links(|from, to| from == cut_off || to == cut_off);
            }
            2 => {
                let mute = self.victim();
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

    pub(super) fn links(&self, cut: impl Fn(NodeId, NodeId) -> bool) -> BTreeSet<(NodeId, NodeId)> {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        let pairs = ids.iter().flat_map(|from| ids.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| cut(*from, *to)).collect()
    }
}

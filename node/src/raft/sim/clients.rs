//! What the clients of a simulated cluster ask, and what they record.

use std::collections::{BTreeMap, BTreeSet};

use checker::history::{Event as HistoryEvent, EventType, Process};
use serde_json::{Value, json};

use super::super::effects::Input;
use super::super::{NodeId, RequestId};
use super::cluster::Sim;
use super::{KEYS, LIVENESS_TICKS, PATIENCE_TICKS, PINNED_READER};
use crate::kv::{Command, Proposal};

#[derive(Clone)]
pub(super) enum Operation {
    Read,
    Change(Command),
}

pub(super) struct Client {
    pub(super) process: u64,
    pub(super) key: String,
    /// The operation that it waits for, and until when.
    pub(super) waiting: Option<(Operation, u64)>,
    pub(super) request: RequestId,
    pub(super) seen: BTreeMap<String, Option<i64>>,
    pub(super) target: NodeId,
}

impl Sim {
    /// Begins a client's next operation, or gives up the one that took too long.
    pub(super) fn drive(&mut self, client: usize) {
        match self.clients[client].waiting {
            Some((_, until)) if self.now < until => return,
            Some(_) => {
                for node in self.nodes.values_mut() {
                    node.waiting.retain(|_, waiting| *waiting != client);
                }
                self.turn_to(client, None);
                self.finish(client, EventType::Info, None);
            }
            None => {}
        }
        if self.random.between(0, 4) == 0 {
            let key = format!("k{}", self.random.between(0, KEYS));
            let kind = self.random.between(0, 5);
            let kind = if client == PINNED_READER { 0 } else { kind };
            self.invoke(client, key, kind);
        }
    }

    /// A client turns to another node. Not so the one that stays where it is and reads: it sees what is stale there.
    pub(super) fn turn_to(&mut self, client: usize, node: Option<NodeId>) {
        let node = node.unwrap_or_else(|| self.any_node());
        if client != PINNED_READER {
            self.clients[client].target = node;
        }
    }

    pub(super) fn invoke(&mut self, client: usize, key: String, kind: u32) {
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
        let forward = self.chance(50);
        let state = &mut self.clients[client];
        state.key = key;
        state.request = id;
        state.waiting = Some((operation.clone(), self.now + PATIENCE_TICKS));
        let target = state.target;
        let node = self.nodes.get_mut(&target).expect("nodes are numbered");
        if node.raft.is_none() {
            self.turn_to(client, None);
            self.finish(client, EventType::Fail, Some("not sent"));
            return;
        }
        node.waiting.insert(id, client);
        let input = match operation {
            Operation::Read => Input::Read { id, forward },
            Operation::Change(command) => Input::Propose {
                id,
                command: postcard::to_stdvec(&Proposal::Plain(command)).expect("our own command"),
            },
        };
        self.step(target, input);
    }

    pub(super) fn finish_read(&mut self, client: usize, value: Option<i64>) {
        let key = self.clients[client].key.clone();
        self.clients[client].waiting = None;
        self.clients[client].seen.insert(key.clone(), value);
        self.tally.ok += 1;
        self.record(client, EventType::Ok, "read", &key, json!(value), None);
    }

    pub(super) fn finish(&mut self, client: usize, event_type: EventType, error: Option<&str>) {
        let Some((operation, _)) = self.clients[client].waiting.take() else { return };
        let key = self.clients[client].key.clone();
        let (f, value) = match operation {
            Operation::Read => ("read", Value::Null),
            Operation::Change(Command::Write { value, .. }) => ("write", json!(value)),
            Operation::Change(Command::Cas { old, new, .. }) => ("cas", json!([old, new])),
            Operation::Change(other) => unreachable!("{other:?} is not asked"),
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

    pub(super) fn record(
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

    /// Crashes who leads, heals everything, and requires that the cluster serves again: every key is read and written.
    pub(super) fn must_recover(&mut self) {
        for id in self.leaders() {
            self.crash(id);
        }
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
        let nodes: Vec<_> = self.nodes.values().filter_map(|node| node.raft.as_ref()).collect();
        let last = nodes.iter().map(|raft| {
            let (id, term, role) = (raft.id(), raft.term(), raft.role());
            let (commit, last, members) = (raft.commit(), raft.last_index(), raft.configuration());
            let repairing = raft.repairing;
            format!("{id}: term {term}, {commit} of {last}, repairing {repairing:?}, {members:?}, {role:?}\n")
        });
        let last: String = last.collect();
        assert!(
            !self.sound,
            "not every key was served {LIVENESS_TICKS} ticks after the heal:\n{last}"
        );
    }

    /// Whether every key was read and written since this place in the history.
    pub(super) fn served_since(&self, place: usize) -> bool {
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

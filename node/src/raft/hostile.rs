//! What no peer of ours would say: random messages, with numbers near those of the receiver and far from them. A node may do what it likes with them, as long
//! as it neither panics nor breaks its own disk, which a restart then reads.

use std::collections::BTreeSet;

use super::configuration::Configuration;
use super::disk::Disk;
use super::effects::Input;
use super::log::{Entry, Payload};
use super::message::{Body, Message};
use super::random::Random;
use super::snapshot::SnapshotMeta;
use super::{Config, Limits, LogIndex, NodeId, Raft, RequestId, Term};

const SEEDS: u64 = 1_000;
const STEPS: u32 = 300;

#[test]
fn whatever_peers_say_a_node_goes_on() {
    for seed in 0..SEEDS {
        let mut stranger = Stranger(Random::seeded(seed));
        let config = config(seed);
        let mut disk = Disk::default();
        let (mut raft, effects) = Raft::new(config.clone(), disk.durable.clone());
        disk.persist(&effects);
        for step in 0..STEPS {
            let effects = raft.step(stranger.input(u64::from(step)));
            disk.persist(&effects);
            if stranger.number(40) == 0 {
                let started = Raft::new(config.clone(), disk.durable.clone());
                raft = started.0;
                disk.persist(&started.1);
            }
        }
    }
}

fn config(seed: u64) -> Config {
    Config {
        id: NodeId(1),
        founders: (1..=3).map(NodeId).collect(),
        heartbeat_ticks: 2,
        election_timeout_ticks: 5..10,
        first_election_timeout_ticks: None,
        limits: Limits { retained_entries: 2, chunk_bytes_max: 2, ..Limits::default() },
        lease_ticks: None,
        is_traced: true,
        is_readable: |state| state.len() % 3 > 0,
        seed,
        bug: None,
    }
}

/// Whoever says such things.
struct Stranger(Random);

impl Stranger {
    fn number(&mut self, below: u32) -> u64 {
        self.0.between(0, below).into()
    }

    fn any(&mut self) -> u64 {
        match self.number(20) {
            0 => [1 << 60, u64::MAX][self.number(2) as usize],
            1 => 1_000,
            _ => self.number(8),
        }
    }

    fn index(&mut self) -> LogIndex {
        LogIndex(self.any())
    }

    fn term(&mut self) -> Term {
        // Once a far term is adopted, everything else is of the past.
        Term(if self.number(500) == 0 { self.any() } else { 1 + self.number(12) })
    }

    fn is_so(&mut self) -> bool {
        self.number(2) == 0
    }

    fn input(&mut self, step: u64) -> Input {
        match self.number(10) {
            0 | 1 => Input::Tick,
            2 => Input::Propose { id: RequestId(step), command: vec![1, 2, 3] },
            3 => Input::Read { id: RequestId(step), forward: self.is_so() },
            _ => {
                let from = NodeId(self.number(5) as u32);
                Input::Message { from, message: Message { term: self.term(), body: self.body() } }
            }
        }
    }

    fn body(&mut self) -> Body {
        let (last_index, last_term) = (self.index(), self.term());
        let (round, repairing, granted) = (self.any(), self.is_so(), self.is_so());
        match self.number(14) {
            0 => Body::PreVote { last_index, last_term },
            1 => Body::PreVoteReply { campaign: last_term, granted },
            2 => Body::RequestVote { last_index, last_term, transfer: repairing },
            3 => Body::RequestVoteReply { granted },
            4 => Body::AppendAccepted { match_index: last_index, round, repairing },
            5 => {
                let retry_from = self.index();
                Body::AppendRejected { prev_index: last_index, retry_from, round, repairing }
            }
            6 => Body::ReadIndex { id: RequestId(round) },
            7 => Body::ReadIndexReply { id: RequestId(round), index: last_index },
            8 => Body::InstallSnapshot {
                meta: self.meta(last_index, last_term),
                offset: self.any(),
                chunk: vec![7; self.number(3) as usize],
                done: granted,
                round,
            },
            9 => Body::SnapshotReceived { last_index, offset: self.any(), round },
            10 => Body::TimeoutNow { last_index, last_term },
            _ => Body::AppendEntries {
                prev_index: last_index,
                prev_term: last_term,
                entries: self.entries(last_index),
                commit: self.index(),
                round,
            },
        }
    }

    fn meta(&mut self, last_index: LogIndex, last_term: Term) -> SnapshotMeta {
        SnapshotMeta { last_index, last_term, hash: self.any(), configuration: self.members() }
    }

    /// Mostly in order, as what is not is refused at once.
    fn entries(&mut self, after: LogIndex) -> Vec<Entry> {
        let count = self.number(4);
        let entry = |place: u64| {
            let index = if self.number(20) == 0 {
                self.index()
            } else {
                LogIndex(after.0.wrapping_add(place))
            };
            let payload = match self.number(4) {
                0 => Payload::Noop,
                1 => Payload::Configuration(self.members().into()),
                _ => Payload::Command(vec![place as u8]),
            };
            Entry { index, term: Term(1 + self.number(6)), payload }
        };
        (1..=count).map(entry).collect()
    }

    fn members(&mut self) -> Configuration {
        let mut some = || -> BTreeSet<NodeId> {
            (0..self.number(4)).map(|_| NodeId(self.number(5) as u32)).collect()
        };
        Configuration { voters: some(), outgoing: some(), learners: some(), removed: some() }
    }
}

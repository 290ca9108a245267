//! One replica: the core, its durable log, its store and the clients that wait.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::bug::Bug;
use crate::client::{Request, Response, Status};
use crate::kv::{Command, Outcome, Store};
use crate::raft::{
    Answer, Apply, Commit, ConfirmedRead, Effects, Input, LogIndex, Message, NodeId, Payload, Raft,
    RequestId, Role, Snapshot,
};
use crate::server::Error;
use crate::storage::Storage;
use crate::trace_file::{RunClock, TraceFile};
use crate::transport::Peers;

/// Raft's unit of time. Short against the time-outs, long against a scheduler's slice on a busy machine.
const TICK: Duration = Duration::from_millis(10);
/// 50 ms between heartbeats.
pub(crate) const HEARTBEAT_TICKS: u32 = 5;
/// Inputs whose effects share one sync.
pub(crate) const BATCH_INPUTS_MAX: usize = 256;

/// From the shortest election time-out to twice as much (5.2), in ticks. Never so short that a heartbeat could come too late.
pub(crate) fn election_timeout_ticks(shortest: Duration) -> Range<u32> {
    let ticks = (shortest.as_nanos() / TICK.as_nanos()) as u32;
    let ticks = ticks.max(2 * HEARTBEAT_TICKS);
    ticks..2 * ticks
}

/// A replica and everything that it owns.
pub(crate) struct Replica {
    raft: Raft,
    store: Store,
    storage: Storage,
    trace: TraceFile,
    peers: Peers,
    advertise: BTreeMap<NodeId, SocketAddr>,
    bug: Option<Bug>,
    /// Begins anew with each incarnation, where no earlier one has come to.
    next_request: u64,
    waiting: BTreeMap<RequestId, Waiting>,
    /// What the steps since the last `carry_out` ask for, in batches.
    effects: Vec<Effects>,
}

/// A client that waits for an answer.
struct Waiting {
    request: Request,
    reply: oneshot::Sender<Response>,
}

impl Replica {
    pub(crate) fn new(
        (raft, effects): (Raft, Effects),
        storage: Storage,
        trace: TraceFile,
        peers: Peers,
        advertise: BTreeMap<NodeId, SocketAddr>,
        incarnation: u64,
        bug: Option<Bug>,
    ) -> Self {
        Self {
            raft,
            store: Store::default(),
            storage,
            trace,
            peers,
            advertise,
            bug,
            next_request: incarnation << 40,
            waiting: BTreeMap::new(),
            effects: vec![effects],
        }
    }

    pub(crate) fn tick(&mut self) {
        self.step(Input::Tick);
    }

    pub(crate) fn receive(&mut self, from: NodeId, message: Message) {
        self.step(Input::Message { from, message });
    }

    /// Takes a client's request. A client that has gone away is found out when it is answered.
    pub(crate) fn request(&mut self, request: Request, reply: oneshot::Sender<Response>) {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let input = match &request {
            Request::Status => {
                let _ = reply.send(Response::Status(self.status()));
                return;
            }
            Request::Read { .. } => Input::Read { id, forward: false },
            Request::Write { key, value } => Input::Propose {
                id,
                command: encode(&Command::Write { key: key.clone(), value: *value }),
            },
            Request::Cas { key, old, new } => Input::Propose {
                id,
                command: encode(&Command::Cas { key: key.clone(), old: *old, new: *new }),
            },
        };
        self.waiting.insert(id, Waiting { request, reply });
        self.step(input);
    }

    /// Hands the leadership over, where this node has it.
    pub(crate) fn hand_over(&mut self) {
        self.step(Input::TransferLeadership { to: None });
    }

    pub(crate) fn leads(&self) -> bool {
        matches!(self.raft.role(), Role::Leader(_))
    }

    fn step(&mut self, input: Input) {
        let effects = self.raft.step(input);
        match self.effects.last_mut() {
            Some(batch) if !batch.stand_alone() && !effects.stand_alone() => batch.extend(effects),
            _ => self.effects.push(effects),
        }
    }

    /// Writes a snapshot down. This storage keeps none, and [`Input::Snapshotted`] is never given: no node takes snapshots, so none sends any.
    fn save_snapshot(&mut self, _snapshot: Snapshot) -> Result<(), Error> {
        Err(Error::Snapshots)
    }

    /// Forgets the log before an entry.
    fn compact(&mut self, _keep_from: LogIndex) -> Result<(), Error> {
        Err(Error::Snapshots)
    }

    /// Gives the store the state of a snapshot.
    fn restore(&mut self, _snapshot: Snapshot) -> Result<(), Error> {
        Err(Error::Snapshots)
    }

    /// Carries out what the steps since the last call ask for.
    pub(crate) fn carry_out(&mut self) -> Result<(), Error> {
        for effects in std::mem::take(&mut self.effects) {
            self.carry_out_batch(effects)?;
        }
        if self.bug == Some(Bug::AckBeforeCommit) {
            self.acknowledge_early();
        }
        Ok(())
    }

    /// In the order that [`Effects`] prescribes.
    fn carry_out_batch(&mut self, effects: Effects) -> Result<(), Error> {
        let Effects { hard_state, snapshot, log, compact, trace, messages, apply, reads, answers } =
            effects;
        if let Some(snapshot) = snapshot {
            self.save_snapshot(snapshot)?;
        }
        self.storage.persist(hard_state, log)?;
        if let Some(keep_from) = compact {
            self.compact(keep_from)?;
        }
        self.trace.write(trace)?;
        for (to, message) in messages {
            self.peers.send(to, message);
        }
        for apply in apply {
            match apply {
                Apply::Entry(commit) => self.apply(commit),
                Apply::Restore(snapshot) => self.restore(snapshot)?,
            }
        }
        for read in reads {
            self.answer_read(read);
        }
        for (id, answer) in answers {
            self.answer(id, |node| node.response(answer));
        }
        Ok(())
    }

    fn apply(&mut self, commit: Commit) {
        let Payload::Command(command) = &commit.entry.payload else { return };
        // The entry may have come from a peer: what cannot be read has no effect, on every replica alike.
        let Ok(command) = postcard::from_bytes(command) else {
            tracing::error!(index = %commit.entry.index, "unreadable command");
            return;
        };
        let outcome = self.store.apply(&command);
        if let Some(id) = commit.request {
            self.answer(id, |_| match outcome {
                Outcome::Done => Response::Done,
                Outcome::Mismatch => Response::Mismatch,
            });
        }
    }

    fn answer_read(&mut self, ConfirmedRead { id, leased }: ConfirmedRead) {
        if leased && !self.raft.lease_holds() {
            self.answer(id, |node| node.response(Answer::ReadAbandoned));
            return;
        }
        let Some(Waiting { request: Request::Read { key }, .. }) = self.waiting.get(&id) else {
            return;
        };
        let value = self.store.read(key);
        self.answer(id, |_| Response::Value(value));
    }

    fn answer(&mut self, id: RequestId, response: impl FnOnce(&Self) -> Response) {
        if let Some(waiting) = self.waiting.remove(&id) {
            let _ = waiting.reply.send(response(self)); // The client may have given up.
        }
    }

    fn response(&self, answer: Answer) -> Response {
        match answer {
            Answer::NotLeader { leader } => {
                let address = |id| self.advertise.get(&id).map(|address| (id, *address));
                Response::NotLeader { leader: leader.and_then(address) }
            }
            Answer::OutcomeUnknown => Response::Unknown { reason: "leadership lost".into() },
            Answer::ReadAbandoned => Response::Refused { reason: "leadership lost".into() },
            Answer::Refused(refusal) => Response::Refused { reason: refusal.to_string() },
        }
    }

    /// The planted bug `ack-before-commit`: whatever write is in the own log counts as done.
    fn acknowledge_early(&mut self) {
        let is_write = |waiting: &Waiting| matches!(waiting.request, Request::Write { .. });
        let writes = self.waiting.extract_if(.., |_, waiting| is_write(waiting));
        for (_, waiting) in writes {
            let _ = waiting.reply.send(Response::Done);
        }
    }

    fn status(&self) -> Status {
        Status {
            id: self.raft.id(),
            term: self.raft.term().0,
            leads: self.leads(),
            leader: self.raft.leader(),
            commit: self.raft.commit().0,
            last_index: self.raft.last_index().0,
        }
    }
}

fn encode(command: &Command) -> Vec<u8> {
    postcard::to_stdvec(command).expect("a command always serialises")
}

/// When the next tick is due. Ticks that were missed (a paused process, a busy machine) are not made up for: a burst of
/// them would only start elections.
pub(crate) struct Ticker {
    clock: RunClock,
    /// On the run's clock, in nanoseconds.
    next: u64,
    first_election_ticks: Option<u32>,
}

impl Ticker {
    /// With `first_election_at`, the ticks are laid so that one falls on that very instant, on every node.
    pub(crate) fn new(clock: RunClock, first_election_at: Option<u64>) -> Self {
        let tick = TICK.as_nanos() as u64;
        let now = clock.now();
        let ahead = first_election_at.map(|at| at.saturating_sub(now));
        let next = now + ahead.map_or(tick, |ahead| ahead % tick);
        let first_election_ticks = ahead.map(|ahead| (ahead / tick + 1) as u32);
        Self { clock, next, first_election_ticks }
    }

    /// The first election time-out in ticks, where it was fixed.
    pub(crate) fn first_election_ticks(&self) -> Option<u32> {
        self.first_election_ticks
    }

    pub(crate) fn until_next(&self) -> Duration {
        Duration::from_nanos(self.next.saturating_sub(self.clock.now()))
    }

    /// Whether a tick is due; if so, sets the time of the next.
    pub(crate) fn is_due(&mut self) -> bool {
        let (now, tick) = (self.clock.now(), TICK.as_nanos() as u64);
        if now < self.next {
            return false;
        }
        let missed = (now - self.next) / tick;
        self.next += (missed + 1) * tick;
        true
    }
}

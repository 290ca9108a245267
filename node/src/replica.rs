//! One replica: the core, its durable log, its store and the clients that wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::bug::Bug;
use crate::client::{Members, ReadCounts, Request, Response, Status};
use crate::handover::Waiter;
use crate::kv::{self, Command, Proposal, Store};
use crate::raft::{
    Answer, Apply, Commit, Configuration, ConfirmedRead, Effects, Input, LogIndex, LogWrite,
    MemberChange, Message, NodeId, Payload, Raft, Refusal, RequestId, Role, Snapshot,
};
use crate::server::{Error, Options};
use crate::storage::{self, Storage};
use crate::trace::{Event, Hash, Record};
use crate::trace_file::{RunClock, TraceFile};
use crate::transport::Peers;

/// Raft's unit of time. Short against the time-outs, long against a scheduler's slice on a busy machine.
const TICK: Duration = Duration::from_millis(10);
/// 50 ms between heartbeats.
pub(crate) const HEARTBEAT_TICKS: u32 = 5;
/// Inputs whose effects share one sync.
pub(crate) const BATCH_INPUTS_MAX: usize = 256;
/// The trace tells the state at every index that this divides: at the same ones on every node, so that they can be compared. Often enough for a
/// short run. It costs as much as the state is large, which is little in a test; without a trace none is taken.
const DIGEST_ENTRIES: u64 = 64;

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
    /// The last entry that `store` has taken in.
    applied: LogIndex,
    /// The last entry that the newest durable snapshot covers.
    snapshot_index: LogIndex,
    /// A snapshot is taken after so many entries.
    snapshot_entries: u64,
    storage: Storage,
    trace: TraceFile,
    peers: Peers,
    advertise: BTreeMap<NodeId, SocketAddr>,
    /// The longest election time-out.
    election_timeout_ticks: u32,
    bug: Option<Bug>,
    /// Begins anew with each incarnation, where no earlier one has come to.
    next_request: u64,
    waiting: BTreeMap<RequestId, Waiting>,
    /// How many reads it has answered, by some of the ways.
    reads: ReadCounts,
    /// The client that waits for another node to lead.
    handover: Option<Waiter>,
    /// What the steps since the last `carry_out` ask for, in batches.
    effects: VecDeque<Effects>,
    room: Room,
    /// How many refused connections the trace tells of.
    refusals: u32,
}

/// Whether there is room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// As far as is known.
    Enough,
    /// There was none for what comes next.
    Lacking,
    /// There was none, and a tick has passed: it may be tried again.
    Untried,
}

/// Of so many refused connections the trace tells.
const REFUSALS_TRACED_MAX: u32 = 64;
/// What clients are told for want of room.
const DISK_FULL: &str = "disk full";

/// A client that waits for an answer.
struct Waiting {
    request: Request,
    reply: oneshot::Sender<Response>,
}

/// What a replica is made of.
pub(crate) struct Parts {
    pub(crate) raft: Raft,
    /// What Raft asks for at the start.
    pub(crate) effects: Effects,
    /// The last entry that the snapshot covers on which the node starts.
    pub(crate) snapshot_index: LogIndex,
    pub(crate) storage: Storage,
    pub(crate) trace: TraceFile,
    pub(crate) peers: Peers,
}

impl Replica {
    pub(crate) fn new(parts: Parts, options: &Options) -> Self {
        let Parts { raft, effects, snapshot_index, storage, trace, peers } = parts;
        Self {
            raft,
            store: Store::default(),
            applied: LogIndex(0),
            snapshot_index,
            snapshot_entries: options.snapshot_entries,
            storage,
            trace,
            peers,
            advertise: options.advertise.clone(),
            election_timeout_ticks: election_timeout_ticks(options.election_timeout).end,
            bug: options.plant,
            next_request: options.incarnation << 32,
            waiting: BTreeMap::new(),
            reads: ReadCounts::default(),
            handover: None,
            effects: VecDeque::from([effects]),
            room: Room::Enough,
            refusals: 0,
        }
    }

    /// Time goes on with a full disk, too: a leader who hears of nobody steps down.
    pub(crate) fn tick(&mut self) {
        if self.room == Room::Lacking {
            self.room = Room::Untried;
        }
        self.step(Input::Tick);
        if let Some(waiter) = &mut self.handover {
            waiter.tick();
        }
    }

    /// Takes a message. With a full disk it counts as lost: nothing that it asks for could be done.
    pub(crate) fn receive(&mut self, from: NodeId, message: Message) {
        if self.room == Room::Enough {
            self.step(Input::Message { from, message });
        }
    }

    /// Takes a client's request. A client that has gone away is found out when it is answered.
    pub(crate) fn request(&mut self, request: Request, reply: oneshot::Sender<Response>) {
        if self.room != Room::Enough && request != Request::Status {
            let _ = reply.send(Response::Refused { reason: DISK_FULL.into() });
            return;
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let input = match &request {
            Request::Status => {
                let _ = reply.send(Response::Status(Box::new(self.status())));
                return;
            }
            Request::Query(_) => Ok(Input::Read { id, forward: false }),
            Request::QueryHere(_) => Ok(Input::Read { id, forward: true }),
            Request::Propose(proposal) => Ok(Input::Propose { id, command: encode(proposal) }),
            Request::ChangeMembers(change) => self.change(id, change),
            Request::TransferLeadership { to } => return self.transfer(*to, reply),
        };
        match input {
            Ok(input) => {
                self.waiting.insert(id, Waiting { request, reply });
                self.step(input);
            }
            Err(answer) => drop(reply.send(self.response(answer))),
        }
    }

    /// What a change of members comes to here and now, or why it does not.
    fn change(&self, id: RequestId, change: &MemberChange) -> Result<Input, Answer> {
        if !self.leads() {
            return Err(Answer::NotLeader { leader: self.raft.leader() });
        }
        let (voters, learners) =
            self.raft.configuration().changed(change).map_err(Answer::Refused)?;
        let is_known = |node: NodeId| node == self.raft.id() || self.peers.knows(node);
        match voters.union(&learners).find(|node| !is_known(**node)) {
            Some(stranger) => Err(Answer::Refused(Refusal::NoAddress(*stranger))),
            None => Ok(Input::ChangeMembers { id, voters, learners }),
        }
    }

    /// Begins to hand the leadership over, for a client that waits until it has come to something.
    fn transfer(&mut self, to: NodeId, reply: oneshot::Sender<Response>) {
        let term = self.raft.term();
        let may = match self.handover.is_some() {
            true => Err(Answer::Refused(Refusal::HandingOver)),
            false => self.raft.may_transfer(to),
        };
        match may {
            Err(answer) => drop(reply.send(self.response(answer))),
            Ok(()) if to == self.raft.id() => {
                let _ = reply.send(Response::HandedOver { term: term.0 });
            }
            Ok(()) => {
                self.handover = Some(Waiter::new(to, term, self.election_timeout_ticks, reply));
                self.step(Input::TransferLeadership { to: Some(to) });
            }
        }
    }

    /// Takes note of something about connections. Of a stranger who dials for ever the trace need not tell for ever.
    pub(crate) fn notice(&mut self, event: Event) {
        if self.refusals < REFUSALS_TRACED_MAX {
            self.refusals += 1;
            let trace = vec![Record { term: self.raft.term(), event }];
            self.enqueue(Effects { trace, ..Effects::default() });
        }
    }

    /// Hands the leadership over, where this node has it and somebody can take it.
    pub(crate) fn hand_over(&mut self) {
        self.step(Input::TransferLeadership { to: None });
    }

    pub(crate) fn is_handing_over(&self) -> bool {
        self.raft.is_handing_over()
    }

    fn leads(&self) -> bool {
        matches!(self.raft.role(), Role::Leader(_))
    }

    fn step(&mut self, input: Input) {
        let effects = self.raft.step(input);
        self.enqueue(effects);
    }

    fn enqueue(&mut self, effects: Effects) {
        match self.effects.back_mut() {
            Some(batch) if !batch.stand_alone() && !effects.stand_alone() => batch.extend(effects),
            _ => self.effects.push_back(effects),
        }
    }

    /// Makes a batch's changes durable. May be called again where there was no room for all of them.
    fn persist(&mut self, effects: &Effects) -> Result<(), storage::Error> {
        let Effects { hard_state, snapshot, log, compact, .. } = effects;
        if let Some(Snapshot { meta, data }) = snapshot {
            self.storage.persist(*hard_state, &[])?;
            let metadata = postcard::to_stdvec(&meta).expect("our own data always serialise");
            self.storage.save_snapshot(meta.last_index, meta.last_term, &metadata, data)?;
            self.snapshot_index = meta.last_index;
        }
        // Where a snapshot does not continue the log, storage has cut the log off already.
        let covered = self.snapshot_index;
        let is_done =
            |write: &&LogWrite| matches!(write, LogWrite::Truncate { from } if *from <= covered);
        let done = log.iter().take_while(is_done).count();
        self.storage.persist(hard_state.filter(|_| snapshot.is_none()), &log[done..])?;
        compact.map_or(Ok(()), |keep_from| self.storage.compact(keep_from))
    }

    /// There was no room for what comes next. Nothing of it was written, so nobody may hear of it; until there is room, this node is as good as cut off: the others elect
    /// another leader, and clients are told.
    fn wait_for_room(&mut self) {
        if self.room == Room::Enough {
            tracing::error!("the disk is full: nothing is taken on until there is room");
        }
        self.room = Room::Lacking;
        // Messages may be lost. Kept, they would grow in number, and come too late to be of use.
        self.effects.iter_mut().for_each(|batch| batch.messages.clear());
        self.give_up_waiting(DISK_FULL);
    }

    /// Tells everybody who waits that it is in vain. What was begun may still be done.
    fn give_up_waiting(&mut self, reason: &str) {
        for (_, Waiting { request, reply }) in std::mem::take(&mut self.waiting) {
            let reason = reason.into();
            let _ = reply.send(match request {
                Request::Query(_) | Request::QueryHere(_) => Response::Refused { reason },
                _ => Response::Unknown { reason },
            });
        }
    }

    /// Where everything that was lost is there again, and durable, the disk need not know of the damage any more.
    fn maybe_end_repair(&mut self) -> Result<(), Error> {
        if self.storage.repairing().is_none() || self.raft.is_repairing() {
            return Ok(());
        }
        match self.storage.end_repair() {
            Err(storage::Error::NoSpace { .. }) => Ok(()), // It can wait.
            ended => {
                tracing::info!("the log is whole again");
                Ok(ended?)
            }
        }
    }

    /// Writes the store down when enough has been applied since the last time, so that the log can be cut.
    fn maybe_snapshot(&mut self) {
        if self.applied.0 >= self.snapshot_index.0 + self.snapshot_entries {
            let data = self.store.snapshot().into();
            self.step(Input::Snapshotted { index: self.applied, data });
        }
    }

    /// Carries out what the steps since the last call ask for, or as much as there is room for.
    pub(crate) fn carry_out(&mut self, ticker: &mut Ticker) -> Result<(), Error> {
        if self.room != Room::Lacking {
            self.carry_out_batches(ticker)?;
        }
        if self.bug == Some(Bug::AckBeforeCommit) {
            self.acknowledge_early();
        }
        if let Some(waiter) = self.handover.take() {
            self.handover = waiter.maybe_answer(&self.raft);
        }
        if self.room == Room::Enough {
            self.maybe_end_repair()?;
            self.maybe_snapshot();
        }
        Ok(())
    }

    fn carry_out_batches(&mut self, ticker: &mut Ticker) -> Result<(), Error> {
        while let Some(effects) = self.effects.pop_front() {
            // A snapshot that cannot be read must not take the place of what can be.
            let restored =
                effects.apply.iter().find_map(Apply::snapshot).map(restore).transpose()?;
            match self.persist(&effects) {
                Ok(()) => self.carry_out_durable(effects, restored, ticker)?,
                Err(storage::Error::NoSpace { .. }) => {
                    self.effects.push_front(effects);
                    self.wait_for_room();
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if std::mem::replace(&mut self.room, Room::Enough) != Room::Enough {
            tracing::info!("there is room on the disk again");
        }
        Ok(())
    }

    /// Carries out, in the order that [`Effects`] prescribes, what may follow once the changes of the disk are durable.
    fn carry_out_durable(
        &mut self,
        effects: Effects,
        mut restored: Option<Store>,
        ticker: &mut Ticker,
    ) -> Result<(), Error> {
        let Effects { trace, messages, apply, reads, answers, .. } = effects;
        self.trace.write(trace)?;
        for (to, message) in messages {
            self.peers.send(to, message);
        }
        for apply in apply {
            match apply {
                Apply::Entry(commit) => self.apply(commit)?,
                Apply::Restore(snapshot) => {
                    self.store = restored.take().expect("a batch has one snapshot at most");
                    self.applied = snapshot.meta.last_index;
                }
            }
        }
        for read in reads {
            self.answer_read(read, ticker);
        }
        for (id, answer) in answers {
            self.answer(id, |node| node.response(answer));
        }
        Ok(())
    }

    fn apply(&mut self, commit: Commit) -> Result<(), Error> {
        let index = commit.entry.index;
        match &commit.entry.payload {
            // The entry may have come from a peer: what cannot be read has no effect, on every replica alike.
            Payload::Command(bytes) => match postcard::from_bytes(bytes) {
                Ok(proposal) => self.apply_proposal(index, &proposal, commit.request),
                Err(error) => tracing::error!(%index, %error, "unreadable command"),
            },
            Payload::Configuration(configuration) => {
                if let Some(id) = commit.request {
                    let members = members(configuration, index, true);
                    self.answer(id, |_| Response::Changed(members));
                }
            }
            Payload::Noop => {}
        }
        self.applied = index;
        if index.0.is_multiple_of(DIGEST_ENTRIES) { self.trace_state() } else { Ok(()) }
    }

    fn apply_proposal(&mut self, index: LogIndex, proposal: &Proposal, request: Option<RequestId>) {
        let outcome = match (self.bug, proposal) {
            (Some(Bug::RetryAppliedTwice), Proposal::Once { command, .. }) => {
                self.store.apply(index.0, &Proposal::Plain(command.clone()))
            }
            (Some(Bug::ApplyNondeterminism), Proposal::Plain(_)) if self.finds_it_late() => {
                Ok(kv::Answer::Done)
            }
            _ => self.store.apply(index.0, proposal),
        };
        if let Some(id) = request {
            self.answer(id, |_| Response::Outcome(outcome));
        }
    }

    /// The planted bug `apply-nondeterminism`: whether to apply a command is for the node's own clock to say.
    fn finds_it_late(&self) -> bool {
        let microseconds = self.trace.now() / 1_000;
        microseconds.is_multiple_of(64)
    }

    /// Tells the trace what the state is after everything that was applied.
    fn trace_state(&mut self) -> Result<(), Error> {
        if !self.trace.is_wanted() {
            return Ok(());
        }
        let state = Hash(self.store.digest().0);
        let event = Event::StateDigest { index: self.applied, state };
        self.trace.write(vec![Record { term: self.raft.term(), event }])
    }

    /// The last words of a node that ends orderly. One that was never given anything has no state to speak of.
    pub(crate) fn shut_down(mut self, reason: &str) -> Result<(), Error> {
        self.give_up_waiting(reason);
        if self.applied == LogIndex(0) { Ok(()) } else { self.trace_state() }
    }

    fn answer_read(&mut self, ConfirmedRead { id, leased }: ConfirmedRead, ticker: &mut Ticker) {
        // The disk may have taken its time since the core was asked.
        if leased && ticker.is_due() {
            self.tick();
        }
        if leased && !self.raft.lease_holds() {
            self.answer(id, |node| node.response(Answer::ReadAbandoned));
            return;
        }
        let request = self.waiting.get(&id).map(|waiting| &waiting.request);
        let Some(Request::Query(query) | Request::QueryHere(query)) = request else { return };
        self.reads.leased += u64::from(leased);
        self.reads.followed += u64::from(!matches!(self.raft.role(), Role::Leader(_)));
        let outcome = self.store.query(query);
        self.answer(id, |_| Response::Outcome(outcome));
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
            Answer::ReadAbandoned => {
                let reason = "the leadership was lost, or the leader did not answer".into();
                Response::Refused { reason }
            }
            Answer::Refused(refusal) if refusal.passes() => {
                Response::Refused { reason: refusal.to_string() }
            }
            Answer::Refused(refusal) => Response::Declined { reason: refusal.to_string() },
        }
    }

    /// The planted bug `ack-before-commit`: whatever write is in the own log counts as done.
    fn acknowledge_early(&mut self) {
        let is_write = |waiting: &Waiting| {
            use Proposal::{Once, Plain};
            let Request::Propose(Plain(command) | Once { command, .. }) = &waiting.request else {
                return false;
            };
            matches!(command, Command::Write { .. })
        };
        let writes = self.waiting.extract_if(.., |_, waiting| is_write(waiting));
        for (_, waiting) in writes {
            let _ = waiting.reply.send(Response::Outcome(Ok(kv::Answer::Done)));
        }
    }

    fn status(&self) -> Status {
        let raft = &self.raft;
        let committed = raft.change_is_committed();
        Status {
            id: self.raft.id(),
            term: self.raft.term().0,
            leads: self.leads(),
            leader: self.raft.leader(),
            commit: self.raft.commit().0,
            applied: self.applied.0,
            last_index: self.raft.last_index().0,
            snapshot_index: self.snapshot_index.0,
            members: members(raft.configuration(), raft.configured_at(), committed),
            matched: self.raft.matched().map(|(peer, index)| (peer, index.0)).collect(),
            reads: self.reads,
            syncs: self.storage.sync_times().figures(),
            repairing: self.storage.repairing().map(|up_to| up_to.0),
            disk_full: self.room != Room::Enough,
        }
    }
}

/// Members as clients are told of them.
fn members(configuration: &Configuration, index: LogIndex, committed: bool) -> Members {
    let Configuration { voters, outgoing, learners, removed } = configuration;
    let list = |ids: &BTreeSet<NodeId>| ids.iter().copied().collect();
    Members {
        index: index.0,
        committed,
        voters: list(voters),
        outgoing: list(outgoing),
        learners: list(learners),
        removed: list(removed),
    }
}

fn restore(snapshot: &Snapshot) -> Result<Store, Error> {
    Ok(Store::restore(&snapshot.data)?)
}

fn encode(proposal: &Proposal) -> Vec<u8> {
    postcard::to_stdvec(proposal).expect("a command always serialises")
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

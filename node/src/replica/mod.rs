//! One replica: the core, its durable log, its store and the clients that wait. Here is what it is and how it carries out what the core asks for; [`clients`] takes requests,
//! [`disk`] makes durable, [`machine`] applies, [`ticker`] tells the time.

mod clients;
mod disk;
mod handover;
mod machine;
mod ticker;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crate::bug::Bug;
use crate::client::ReadCounts;
use crate::kv::Store;
use crate::raft::{Apply, Effects, Input, LogIndex, Message, NodeId, Raft, RequestId, Role};
use crate::server::{Error, Options};
use crate::storage::{self, Storage};
use crate::trace::{Event, Record};
use crate::trace_file::TraceFile;
use crate::transport::Peers;

use clients::Waiting;
use disk::Room;
use machine::restore;
pub(crate) use ticker::{HEARTBEAT_TICKS, Ticker, election_timeout_ticks};

/// Inputs whose effects share one sync.
pub(crate) const BATCH_INPUTS_MAX: usize = 256;
/// Of so many refused connections the trace tells.
const REFUSALS_TRACED_MAX: u32 = 64;

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
    handover: Option<handover::Waiter>,
    /// What the steps since the last `carry_out` ask for, in batches.
    effects: VecDeque<Effects>,
    room: Room,
    /// How many refused connections the trace tells of.
    refusals: u32,
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

    /// The last words of a node that ends orderly. One that was never given anything has no state to speak of.
    pub(crate) fn shut_down(mut self, reason: &str) -> Result<(), Error> {
        self.give_up_waiting(reason);
        if self.applied == LogIndex(0) { Ok(()) } else { self.trace_state() }
    }
}

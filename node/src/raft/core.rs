//! The state of a node, and the small steps of which the rules in the other files of this folder are made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::configuration::{Configuration, majority};
use super::effects::{Answer, Apply, Durable, Effects, HardState, LogWrite};
use super::log::{Entry, Log, Payload};
use super::message::{Body, Message};
use super::progress::Limits;
use super::random::Random;
use super::reads::Forwarded;
use super::role::{Leadership, Role};
use super::snapshot::{Incoming, Snapshot, log_after};
use super::{LogIndex, NodeId, RequestId, Term};
use crate::bug::Bug;
use crate::trace::{Event, Hash, Position, Record, TAIL_ENTRIES_MAX};

/// No cluster comes so far by itself. Whoever took a later index from a peer could not go on to the next.
pub(super) const INDEX_MAX: LogIndex = LogIndex(1 << 62);

/// What a node must know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its own name.
    pub id: NodeId,
    /// The voters with which the cluster began, the same on every node for ever.
    pub founders: BTreeSet<NodeId>,
    /// Ticks between two heartbeats of a leader.
    pub heartbeat_ticks: u32,
    /// The interval from which election time-outs are drawn, in ticks. Its start is also how long a follower stands by a leader that it heard
    /// of; its end, how long a leader goes on without hearing from a majority.
    pub election_timeout_ticks: Range<u32>,
    /// The first time-out, in ticks, instead of a drawn one.
    pub first_election_timeout_ticks: Option<u32>,
    /// How much it takes on.
    pub limits: Limits,
    /// For how many ticks after the beginning of a round that a majority answered the leader may answer reads without asking again; nothing, to
    /// ask always. Must be shorter than any election time-out, by as much as clocks may differ in their speed: a stopped process or a
    /// slow clock makes such reads stale (dissertation, 6.4.1).
    pub lease_ticks: Option<u32>,
    /// Whether anybody reads the trace. If not, none is made: a record for each entry that is applied adds up.
    pub is_traced: bool,
    /// Whether the shell can restore its state machine from these bytes, which a peer has sent: what it cannot take over must not replace what it has.
    pub is_readable: fn(&[u8]) -> bool,
    /// Seeds the election time-outs.
    pub seed: u64,
    /// The mistake that this node makes on purpose, if any.
    pub bug: Option<Bug>,
}

/// A node of the cluster, without clock, disk and network.
#[derive(Debug)]
pub struct Raft {
    pub(super) config: Config,
    pub(super) random: Random,
    pub(super) role: Role,
    pub(super) hard_state: HardState,
    pub(super) log: Log,
    pub(super) commit: LogIndex,
    /// Who belongs to the cluster from which entry on; the last one counts. The first is of the start of the log, or before.
    pub(super) configurations: BTreeMap<LogIndex, Configuration>,
    /// Ticks since it heard from a leader of any term; many when it never did.
    pub(super) quiet_ticks: u32,
    /// Until it has committed so far the node gives no vote and its log does not count: it has lost entries that it may have acknowledged.
    pub(super) repairing: Option<LogIndex>,
    /// The latest snapshot. What it covers may be forgotten by the log.
    pub(super) snapshot: Option<Snapshot>,
    /// The snapshot that the leader is sending.
    pub(super) incoming: Option<Incoming>,
    /// Ticks since the role's clock was last reset: since a leader was heard or a vote given (followers and
    /// candidates), since the last heartbeat (leaders).
    pub(super) elapsed_ticks: u32,
    /// A follower or candidate campaigns when `elapsed_ticks` reaches this.
    pub(super) election_timeout_ticks: u32,
    /// In which term how far the trace knows of acknowledgements to which leader: it is told when they go further.
    pub(super) acked: Option<(Term, NodeId, LogIndex)>,
    /// Reads of its own clients that this node has asked the leader about.
    pub(super) forwarded: BTreeMap<RequestId, Forwarded>,
    /// The effects of the step that is under way.
    pub(super) effects: Effects,
}

impl Raft {
    /// A node on the durable state of its data directory: a follower, in the term that it remembers. The effects are to be carried out before the first
    /// step: they restore the state machine and tell the trace of the start.
    pub fn new(mut config: Config, durable: Durable) -> (Self, Effects) {
        if config.bug == Some(Bug::Figure8) {
            // Else the empty entry of the own term comes along with what it is to commit.
            config.limits.message_bytes_max = 0;
            config.limits.inflight_messages_max = 1;
        }
        let Durable { hard_state, snapshot, entries, damaged_up_to } = durable;
        let fresh = hard_state == HardState::default() && snapshot.is_none() && entries.is_empty();
        let (log, writes, compact) = log_after(snapshot.as_ref(), entries);
        assert!(log.last_term() <= hard_state.term, "the log cannot be ahead of the durable term");
        let shortest = config.election_timeout_ticks.start;
        assert!(config.lease_ticks.is_none_or(|lease| lease < shortest), "leases must run out");
        let founded = || Configuration::founded_by(config.founders.clone());
        let members = snapshot.as_ref().map_or_else(founded, |s| s.meta.configuration.clone());
        let restore = snapshot.iter().cloned().map(Apply::Restore).collect();
        let mut raft = Self {
            random: Random::seeded(config.seed),
            role: Role::Follower { leader: None },
            hard_state,
            commit: log.base_index(),
            configurations: BTreeMap::from([(log.base_index(), members)]),
            log,
            // Before the restart it may have stood by a leader whose lease still runs.
            quiet_ticks: if config.lease_ticks.is_some() && !fresh { 0 } else { shortest },
            repairing: damaged_up_to,
            snapshot,
            incoming: None,
            elapsed_ticks: 0,
            election_timeout_ticks: 0,
            acked: None,
            forwarded: BTreeMap::new(),
            effects: Effects { log: writes, compact, apply: restore, ..Effects::default() },
            config,
        };
        raft.read_configurations();
        raft.trace(if fresh { Event::Started { voters: raft.voters() } } else { raft.restarted() });
        if raft.configuration().is_joint() || !raft.configuration().learners.is_empty() {
            raft.configuration_changed();
        }
        raft.commit_repaired();
        raft.trace(Event::BecameFollower { leader: None });
        raft.reset_election_timeout();
        if let Some(ticks) = raft.first_election_timeout() {
            raft.election_timeout_ticks = ticks;
        }
        let effects = std::mem::take(&mut raft.effects);
        (raft, effects)
    }

    /// The first time-out, where it is not drawn. A voter that is alone has nobody to wait for.
    fn first_election_timeout(&self) -> Option<u32> {
        let is_alone = !self.configuration().is_joint() && self.voters() == [self.config.id];
        self.config.first_election_timeout_ticks.or_else(|| is_alone.then_some(1))
    }

    /// What the log says about members.
    fn read_configurations(&mut self) {
        let entries = self.log.slice(self.log.base_index().next(), u64::MAX).iter();
        for entry in entries {
            if let Payload::Configuration(configuration) = &entry.payload {
                self.configurations.insert(entry.index, (**configuration).clone());
            }
        }
    }

    /// The node's name.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// The current term.
    pub fn term(&self) -> Term {
        self.hard_state.term
    }

    /// What the node is.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// How far the log is known to be committed. The shell has applied as much after each step.
    pub fn commit(&self) -> LogIndex {
        self.commit
    }

    /// Index of the last entry of the log.
    pub fn last_index(&self) -> LogIndex {
        self.log.last_index()
    }

    /// The leader of the current term, where it is known.
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Follower { leader } => *leader,
            Role::PreCandidate { .. } | Role::Candidate { .. } => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    /// What a leader knows of its peers: how far the log of each matches its own, durably.
    pub fn matched(&self) -> impl Iterator<Item = (NodeId, LogIndex)> {
        let progress = match &self.role {
            Role::Leader(leadership) => Some(&leadership.progress),
            _ => None,
        };
        progress.into_iter().flatten().map(|(id, progress)| (*id, progress.match_index))
    }

    fn voters(&self) -> Vec<NodeId> {
        self.configuration().voters.iter().copied().collect()
    }

    fn restarted(&self) -> Event {
        Event::Restarted {
            voters: self.voters(),
            vote: self.hard_state.vote,
            last_index: self.log.last_index(),
            last_term: self.log.last_term(),
            snapshot: self.snapshot.as_ref().map(|snapshot| snapshot.meta.position()),
            last_hashes: self.log.last_hashes(TAIL_ENTRIES_MAX).iter().copied().map(Hash).collect(),
        }
    }

    /// Follows, in a term that is not lower than the current one. A new term forgets the vote of the old one.
    pub(super) fn become_follower(&mut self, term: Term, leader: Option<NodeId>) {
        assert!(term >= self.term(), "terms never go back");
        if term > self.term() {
            self.set_hard_state(HardState { term, vote: None });
        }
        if leader.is_some() && self.config.bug == Some(Bug::TermRegresses) {
            self.effects.hard_state = Some(self.hard_state); // Its log must not be ahead of the durable term.
        }
        self.incoming = None;
        let was = std::mem::replace(&mut self.role, Role::Follower { leader });
        if let Role::Leader(leadership) = was {
            self.abandon_requests(leadership);
            self.reset_election_timeout();
            self.quiet_ticks = self.config.election_timeout_ticks.start; // It stands by nobody.
        }
        self.trace(Event::BecameFollower { leader });
    }

    /// Tells everybody who waits on a lost leadership how much is known about the outcome.
    fn abandon_requests(&mut self, leadership: Leadership) {
        let outcome = match self.config.bug {
            Some(Bug::DefiniteFailureLie) => Answer::NotLeader { leader: None },
            _ => Answer::OutcomeUnknown,
        };
        for proposal in leadership.proposals.into_values() {
            self.answer(proposal.id, outcome);
        }
        if let Some(id) = leadership.change {
            self.answer(id, Answer::OutcomeUnknown);
        }
        // Who forwarded a read gives it up by itself.
        for read in leadership.pending_reads.iter().filter(|read| read.asked_by.is_none()) {
            self.answer(read.id, Answer::ReadAbandoned);
        }
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        self.effects.answers.push((id, answer));
    }

    /// Waits anew, for a time drawn anew, so that a tie is not repeated for ever.
    pub(super) fn reset_election_timeout(&mut self) {
        let Range { start, end } = self.config.election_timeout_ticks;
        self.elapsed_ticks = 0;
        self.election_timeout_ticks = self.random.between(start, end);
    }

    pub(super) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
        let is_own = hard_state.vote == Some(self.config.id);
        let durable = match self.config.bug {
            Some(Bug::VoteNotPersisted) => HardState { vote: None, ..hard_state },
            Some(Bug::SelfVoteNotPersisted) if is_own => HardState { vote: None, ..hard_state },
            Some(Bug::TermRegresses) if hard_state.vote.is_none() => return,
            _ => hard_state,
        };
        self.effects.hard_state = Some(durable);
    }

    pub(super) fn append(&mut self, entry: Entry) {
        self.effects.log.push(LogWrite::Append(entry.clone()));
        let index = entry.index;
        let configuration = match &entry.payload {
            Payload::Configuration(configuration) => Some(configuration.clone()),
            Payload::Noop | Payload::Command(_) => None,
        };
        self.log.append(entry);
        self.trace(Event::Appended { at: self.position(index) });
        if let Some(configuration) = configuration {
            self.configurations.insert(index, *configuration);
            self.configuration_changed();
        }
    }

    pub(super) fn truncate(&mut self, from: LogIndex) {
        assert!(from > self.commit, "a committed entry is never removed");
        self.log.truncate(from);
        self.effects.log.push(LogWrite::Truncate { from });
        self.trace(Event::Truncated { from });
        self.forget_configurations(from);
    }

    pub(super) fn position(&self, index: LogIndex) -> Position {
        let place = self.log.place(index).expect("only entries of the log have a position");
        Position { index, entry_term: place.term, hash: Hash(place.hash) }
    }

    pub(super) fn trace(&mut self, event: Event) {
        if self.config.is_traced {
            self.effects.trace.push(Record { term: self.term(), event });
        }
    }

    pub(super) fn send(&mut self, to: NodeId, body: Body) {
        self.effects.messages.push((to, Message { term: self.term(), body }));
    }

    /// The highest number that a majority of the voters has reached.
    pub(super) fn agreed(&self, reached: impl Fn(NodeId) -> u64) -> u64 {
        let enough = match self.config.bug {
            Some(Bug::MinorityQuorum) => |nodes: usize| (nodes / 2).max(1),
            _ => majority,
        };
        self.configuration().agreed(enough, reached)
    }
}

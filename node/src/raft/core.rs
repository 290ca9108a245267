//! The state of a node and the dispatch of inputs. The rules themselves stand in `election`, `replication` and `reads`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::effects::{Answer, Effects, HardState, Input, LogWrite};
use super::log::{Entry, Log};
use super::message::{Body, Message};
use super::random::Random;
use super::reads::PendingRead;
use super::replication::Progress;
use super::{LogIndex, NodeId, RequestId, Term};
use crate::bug::Bug;
use crate::trace::{Event, Hash, Position, Record, TAIL_ENTRIES_MAX};

/// What a node must know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its own name.
    pub id: NodeId,
    /// All other nodes of the cluster.
    pub peers: BTreeSet<NodeId>,
    /// Ticks between two heartbeats of a leader.
    pub heartbeat_ticks: u32,
    /// The interval from which election time-outs are drawn, in ticks.
    pub election_timeout_ticks: Range<u32>,
    /// The first time-out, in ticks, instead of a drawn one.
    pub first_election_timeout_ticks: Option<u32>,
    /// Seeds the election time-outs.
    pub seed: u64,
    /// The mistake that this node makes on purpose, if any.
    pub bug: Option<Bug>,
}

/// What a node is at the moment.
#[derive(Clone, Debug)]
pub enum Role {
    /// It follows the leader, where one is known.
    Follower {
        /// The leader of the current term, once it was heard of.
        leader: Option<NodeId>,
    },
    /// It asks for votes.
    Candidate {
        /// Who has granted theirs, itself included.
        votes: BTreeSet<NodeId>,
    },
    /// It leads.
    Leader(Leadership),
}

/// What only a leader keeps; gone with the leadership.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// How far each peer has come.
    pub(super) progress: BTreeMap<NodeId, Progress>,
    /// Index of the empty entry with which the term began.
    pub(super) noop_index: LogIndex,
    /// Proposals of this term that are not committed yet.
    pub(super) proposals: BTreeMap<LogIndex, RequestId>,
    /// The latest round of confirmation: every `AppendEntries` carries it and every reply repeats it.
    pub(super) round: u64,
    /// Reads that wait for a round, or for the first commit of the term.
    pub(super) pending_reads: Vec<PendingRead>,
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
    /// Ticks since the role's clock was last reset: since a leader was heard or a vote given (followers and
    /// candidates), since the last heartbeat (leaders).
    pub(super) elapsed_ticks: u32,
    /// A follower or candidate campaigns when `elapsed_ticks` reaches this.
    pub(super) election_timeout_ticks: u32,
    /// In which term how far the trace knows of acknowledgements to which leader: it is told when they go further.
    pub(super) acked: Option<(Term, NodeId, LogIndex)>,
    /// The effects of the step that is under way.
    pub(super) effects: Effects,
}

impl Raft {
    /// A node on the durable state of its data directory: a follower, in the term that it remembers.
    ///
    /// The first step's effects carry the trace line of the start.
    pub fn new(config: Config, hard_state: HardState, entries: Vec<Entry>) -> Self {
        let log = Log::restore(entries);
        assert!(log.last_term() <= hard_state.term, "the log cannot be ahead of the durable term");
        let random = Random::seeded(config.seed);
        let fresh = hard_state == HardState::default() && log.last_index() == LogIndex(0);
        let mut raft = Self {
            random,
            role: Role::Follower { leader: None },
            hard_state,
            log,
            commit: LogIndex(0),
            elapsed_ticks: 0,
            election_timeout_ticks: 0,
            acked: None,
            effects: Effects::default(),
            config,
        };
        raft.trace(if fresh { Event::Started { voters: raft.voters() } } else { raft.restarted() });
        raft.trace(Event::BecameFollower { leader: None });
        raft.reset_election_timeout();
        if let Some(ticks) = raft.config.first_election_timeout_ticks {
            raft.election_timeout_ticks = ticks;
        }
        raft
    }

    /// Takes one input and says what must be done about it.
    pub fn step(&mut self, input: Input) -> Effects {
        match input {
            Input::Tick => self.tick(),
            Input::Message { from, message } => self.handle_message(from, message),
            Input::Propose { id, command } => self.handle_propose(id, command),
            Input::Read { id } => self.handle_read(id),
        }
        std::mem::take(&mut self.effects)
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
            Role::Candidate { .. } => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    fn voters(&self) -> Vec<NodeId> {
        let mut voters = self.config.peers.clone();
        voters.insert(self.config.id);
        voters.into_iter().collect()
    }

    fn restarted(&self) -> Event {
        Event::Restarted {
            voters: self.voters(),
            vote: self.hard_state.vote,
            last_index: self.log.last_index(),
            last_term: self.log.last_term(),
            last_hashes: self.log.last_hashes(TAIL_ENTRIES_MAX).iter().copied().map(Hash).collect(),
        }
    }

    fn tick(&mut self) {
        self.elapsed_ticks += 1;
        match self.role {
            Role::Leader(_) => self.maybe_heartbeat(),
            Role::Follower { .. } | Role::Candidate { .. } => self.maybe_campaign(),
        }
    }

    fn handle_message(&mut self, from: NodeId, message: Message) {
        if !self.config.peers.contains(&from) {
            return; // Not of this cluster; the transport should not have let it in.
        }
        if message.term > self.term() {
            self.become_follower(message.term, None);
        }
        if message.term < self.term() {
            self.handle_stale(from, &message.body);
            return;
        }
        match message.body {
            Body::RequestVote { last_index, last_term } => {
                self.handle_request_vote(from, last_index, last_term);
            }
            Body::RequestVoteReply { granted } => self.handle_request_vote_reply(from, granted),
            Body::AppendEntries { prev_index, prev_term, entries, commit, round } => {
                self.handle_append_entries(from, prev_index, prev_term, entries, commit, round);
            }
            Body::AppendAccepted { match_index, round } => {
                self.handle_append_accepted(from, match_index, round);
            }
            Body::AppendRejected { prev_index, retry_from, round } => {
                self.handle_append_rejected(from, prev_index, retry_from, round);
            }
        }
    }

    /// A message of an earlier term. Requests are answered with the current term, so that their sender steps
    /// down; replies are of no use any more.
    fn handle_stale(&mut self, from: NodeId, body: &Body) {
        match body {
            Body::RequestVote { .. } => {
                self.send(from, Body::RequestVoteReply { granted: false });
            }
            Body::AppendEntries { prev_index, .. } => {
                let retry_from = self.log.last_index().next();
                // The sender may lead the current term by now. Its rounds began anew, and this is no answer to any of them.
                let (prev_index, round) = (*prev_index, 0);
                self.send(from, Body::AppendRejected { prev_index, retry_from, round });
            }
            Body::RequestVoteReply { .. }
            | Body::AppendAccepted { .. }
            | Body::AppendRejected { .. } => {}
        }
    }

    /// Follows, in a term that is not lower than the current one. A new term forgets the vote of the old one.
    pub(super) fn become_follower(&mut self, term: Term, leader: Option<NodeId>) {
        assert!(term >= self.term(), "terms never go back");
        if term > self.term() {
            self.set_hard_state(HardState { term, vote: None });
        }
        let was = std::mem::replace(&mut self.role, Role::Follower { leader });
        if let Role::Leader(leadership) = was {
            self.abandon_requests(leadership);
            self.reset_election_timeout();
        }
        self.trace(Event::BecameFollower { leader });
    }

    /// Tells everybody who waits on a lost leadership how much is known about the outcome.
    fn abandon_requests(&mut self, leadership: Leadership) {
        let proposals = leadership.proposals.into_values();
        self.effects.answers.extend(proposals.map(|id| (id, Answer::OutcomeUnknown)));
        let reads = leadership.pending_reads.into_iter();
        self.effects.answers.extend(reads.map(|read| (read.id, Answer::ReadAbandoned)));
    }

    /// Waits anew, for a time drawn anew, so that a tie is not repeated for ever.
    pub(super) fn reset_election_timeout(&mut self) {
        let Range { start, end } = self.config.election_timeout_ticks;
        self.elapsed_ticks = 0;
        self.election_timeout_ticks = self.random.between(start, end);
    }

    pub(super) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
        let durable = match self.config.bug {
            Some(Bug::VoteNotPersisted) => HardState { vote: None, ..hard_state },
            _ => hard_state,
        };
        self.effects.hard_state = Some(durable);
    }

    pub(super) fn append(&mut self, entry: Entry) {
        self.effects.log.push(LogWrite::Append(entry.clone()));
        let index = entry.index;
        self.log.append(entry);
        self.trace(Event::Appended { at: self.position(index) });
    }

    pub(super) fn truncate(&mut self, from: LogIndex) {
        assert!(from > self.commit, "a committed entry is never removed");
        self.log.truncate(from);
        self.effects.log.push(LogWrite::Truncate { from });
        self.trace(Event::Truncated { from });
    }

    pub(super) fn position(&self, index: LogIndex) -> Position {
        let entry_term = self.log.term(index).expect("only entries of the log have a position");
        Position { index, entry_term, hash: Hash(self.log.hash(index)) }
    }

    pub(super) fn trace(&mut self, event: Event) {
        self.effects.trace.push(Record { term: self.term(), event });
    }

    pub(super) fn send(&mut self, to: NodeId, body: Body) {
        self.effects.messages.push((to, Message { term: self.term(), body }));
    }

    /// How many nodes make a majority: two of them always share a node.
    pub(super) fn quorum(&self) -> usize {
        let nodes = self.config.peers.len() + 1;
        match self.config.bug {
            Some(Bug::MinorityQuorum) => nodes / 2,
            _ => nodes / 2 + 1,
        }
    }
}

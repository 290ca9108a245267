//! The state of a node and the dispatch of inputs. The rules themselves stand in `election`, `replication` and `reads`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::configuration::{Configuration, majority};
use super::effects::{Answer, Effects, HardState, Input, LogWrite};
use super::log::{Entry, Log};
use super::message::{Body, Message};
use super::progress::{Limits, Progress};
use super::random::Random;
use super::reads::{Forwarded, PendingRead};
use super::{LogIndex, NodeId, RequestId, Term};
use crate::bug::Bug;
use crate::trace::{Event, Hash, Position, Record, TAIL_ENTRIES_MAX};

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
    /// It asks whether it would get votes.
    PreCandidate {
        /// Who would grant theirs, itself included.
        grants: BTreeSet<NodeId>,
    },
    /// It asks for votes.
    Candidate {
        /// Who has granted theirs, itself included.
        votes: BTreeSet<NodeId>,
        /// Whether it does so at the word of the leader.
        transfer: bool,
    },
    /// It leads.
    Leader(Leadership),
}

/// What only a leader keeps; gone with the leadership.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// Ticks since it began.
    pub(super) ticks: u64,
    /// How far each peer has come.
    pub(super) progress: BTreeMap<NodeId, Progress>,
    /// Index of the empty entry with which the term began.
    pub(super) noop_index: LogIndex,
    /// Proposals of this term that are not committed yet.
    pub(super) proposals: BTreeMap<LogIndex, Proposal>,
    /// The bytes of all of them.
    pub(super) uncommitted_bytes: u64,
    /// The latest round of confirmation: every `AppendEntries` carries it and every reply repeats it.
    pub(super) round: u64,
    /// Reads that wait for a round, or for the first commit of the term.
    pub(super) pending_reads: Vec<PendingRead>,
}

/// A client's command that waits for its commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposal {
    pub(super) id: RequestId,
    pub(super) bytes: u64,
}

impl Leadership {
    /// Takes out the proposal at an index that is committed now.
    pub(super) fn settle(&mut self, index: LogIndex) -> Option<Proposal> {
        let proposal = self.proposals.remove(&index)?;
        self.uncommitted_bytes -= proposal.bytes;
        Some(proposal)
    }
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
    /// Who belongs to the cluster.
    pub(super) configuration: Configuration,
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
            configuration: Configuration { voters: config.founders.clone() },
            elapsed_ticks: 0,
            election_timeout_ticks: 0,
            acked: None,
            forwarded: BTreeMap::new(),
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
            Input::Read { id, forward } => self.handle_read(id, forward),
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
            Role::PreCandidate { .. } | Role::Candidate { .. } => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    fn voters(&self) -> Vec<NodeId> {
        self.configuration.voters.iter().copied().collect()
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
        self.abandon_forwarded();
        if let Role::Leader(leadership) = &mut self.role {
            leadership.ticks += 1;
            self.maybe_step_down();
            self.maybe_heartbeat();
        } else {
            self.maybe_campaign();
        }
    }

    fn handle_message(&mut self, from: NodeId, Message { term, body }: Message) {
        match body {
            // Questions without consequences: they move nobody's term.
            Body::PreVote { last_index, last_term } => {
                self.handle_pre_vote(from, term, last_index, last_term);
            }
            Body::PreVoteReply { campaign, granted } => {
                self.handle_pre_vote_reply(from, term, campaign, granted);
            }
            Body::RequestVote { transfer: false, .. }
                if term >= self.term() && self.has_live_leader() => {}
            body if term < self.term() => self.handle_stale(from, &body),
            body => {
                if term > self.term() {
                    self.become_follower(term, None);
                }
                self.heard_from(from);
                self.handle_current(from, body);
            }
        }
    }

    /// A message of the current term.
    fn handle_current(&mut self, from: NodeId, body: Body) {
        match body {
            Body::RequestVote { last_index, last_term, .. } => {
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
            Body::ReadIndex { id } => self.handle_read_index(from, id),
            Body::ReadIndexReply { id, index } => self.handle_read_index_reply(id, index),
            Body::PreVote { .. } | Body::PreVoteReply { .. } => {
                unreachable!("these are of no term")
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
            _ => {}
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
        for proposal in leadership.proposals.into_values() {
            self.answer(proposal.id, Answer::OutcomeUnknown);
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

    /// The highest number that a majority of the voters has reached.
    pub(super) fn agreed(&self, reached: impl Fn(NodeId) -> u64) -> u64 {
        let enough = match self.config.bug {
            Some(Bug::MinorityQuorum) => |nodes: usize| (nodes / 2).max(1),
            _ => majority,
        };
        self.configuration.agreed(enough, reached)
    }
}

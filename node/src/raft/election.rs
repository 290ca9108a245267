//! Elections: who may lead, and who gets a vote (5.2, 5.4.1).

use std::collections::BTreeSet;

use super::core::{Raft, Role};
use super::effects::HardState;
use super::message::Body;
use super::{LogIndex, NodeId, Term};
use crate::bug::Bug;
use crate::trace::Event;

impl Raft {
    /// Campaigns when the election time-out is over; until then a candidate repeats its requests now and then.
    pub(super) fn maybe_campaign(&mut self) {
        if self.elapsed_ticks >= self.election_timeout_ticks {
            self.campaign();
        } else if self.elapsed_ticks.is_multiple_of(self.config.heartbeat_ticks) {
            self.request_missing_votes();
        }
    }

    fn campaign(&mut self) {
        let term = self.term().next();
        self.set_hard_state(HardState { term, vote: Some(self.config.id) });
        self.role = Role::Candidate { votes: BTreeSet::from([self.config.id]) };
        self.reset_election_timeout();
        self.trace(Event::BecameCandidate);
        self.trace(Event::VoteGranted { candidate: self.config.id });
        self.request_missing_votes();
        self.maybe_become_leader(); // A cluster of one has its majority already.
    }

    /// Asks everybody whose vote this candidate does not have yet: the request may have been lost.
    fn request_missing_votes(&mut self) {
        let Role::Candidate { votes } = &self.role else { return };
        let missing: Vec<_> = self.config.peers.difference(votes).copied().collect();
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        for peer in missing {
            self.send(peer, Body::RequestVote { last_index, last_term });
        }
    }

    /// A candidate of the current term asks for our vote.
    pub(super) fn handle_request_vote(
        &mut self,
        candidate: NodeId,
        last_index: LogIndex,
        last_term: Term,
    ) {
        // One vote a term. A repeated request of the same candidate gets the same answer.
        let free = self.hard_state.vote.is_none_or(|vote| vote == candidate)
            || self.config.bug == Some(Bug::DoubleVote);
        // As a pair: first the terms are compared, then the lengths (5.4.1).
        let up_to_date = (last_term, last_index) >= (self.log.last_term(), self.log.last_index());
        let granted = free && up_to_date;
        if granted && self.hard_state.vote != Some(candidate) {
            self.set_hard_state(HardState { term: self.term(), vote: Some(candidate) });
            self.trace(Event::VoteGranted { candidate });
        }
        if granted && matches!(self.role, Role::Follower { .. }) {
            self.reset_election_timeout(); // Give the candidate time to win.
        }
        self.send(candidate, Body::RequestVoteReply { granted });
    }

    pub(super) fn handle_request_vote_reply(&mut self, from: NodeId, granted: bool) {
        let Role::Candidate { votes } = &mut self.role else { return };
        if granted {
            votes.insert(from); // A set: a repeated reply counts once.
            self.maybe_become_leader();
        }
    }

    fn maybe_become_leader(&mut self) {
        let Role::Candidate { votes } = &self.role else { return };
        if votes.len() >= self.quorum() {
            self.become_leader();
        }
    }
}

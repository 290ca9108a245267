//! Elections: who may lead, and who gets a vote (5.2, 5.4.1; dissertation, 9.6 and 6.2).

use std::collections::BTreeSet;

use super::core::Raft;
use super::effects::HardState;
use super::message::Body;
use super::role::Role;
use super::{LogIndex, NodeId, Term};
use crate::bug::Bug;
use crate::trace::Event;

impl Raft {
    /// Asks around when the election time-out is over; until then repeats requests now and then.
    pub(super) fn maybe_campaign(&mut self) {
        if self.elapsed_ticks >= self.election_timeout_ticks && self.may_campaign() {
            self.pre_campaign();
        } else if self.elapsed_ticks.is_multiple_of(self.config.heartbeat_ticks) {
            self.request_missing_votes();
        }
    }

    /// Whether this node may lead: it has its whole log, and is a voter as far as it knows. Until its removal is committed it is still needed, for it may be
    /// the only one whose log is long enough to win (dissertation, 4.2.2).
    ///
    /// Voting is another matter: a node that has not heard yet that it is a voter must vote all the same, or its candidate could not win
    /// (etcd's `campaign_learner_must_vote`).
    pub(super) fn may_campaign(&self) -> bool {
        let id = self.config.id;
        let votes = self.configuration().is_voter(id)
            || self.configuration_at(self.commit).is_voter(id) && !self.change_is_committed();
        votes && !self.is_repairing()
    }

    /// Asks whether an election could be won, without beginning one: the term stays as it is, and nothing is made durable (9.6).
    fn pre_campaign(&mut self) {
        let grants = BTreeSet::from([self.config.id]);
        self.role = Role::PreCandidate { grants };
        self.reset_election_timeout();
        self.trace(Event::BecamePreCandidate);
        self.request_missing_votes();
        self.maybe_win(); // A cluster of one has its majority already.
    }

    /// Begins an election in the next term. With `transfer`, at the word of the leader, whom nobody need protect then.
    pub(super) fn campaign(&mut self, transfer: bool) {
        let term = self.term().next();
        self.set_hard_state(HardState { term, vote: Some(self.config.id) });
        self.role = Role::Candidate { votes: BTreeSet::from([self.config.id]), transfer };
        self.reset_election_timeout();
        self.trace(Event::BecameCandidate);
        self.trace(Event::VoteGranted { candidate: self.config.id });
        self.request_missing_votes();
        self.maybe_win();
    }

    /// Asks everybody whose word this candidate does not have yet: the request may have been lost.
    fn request_missing_votes(&mut self) {
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        let (granted, body) = match &self.role {
            Role::PreCandidate { grants } => (grants, Body::PreVote { last_index, last_term }),
            Role::Candidate { votes, transfer } => {
                (votes, Body::RequestVote { last_index, last_term, transfer: *transfer })
            }
            Role::Follower { .. } | Role::Leader(_) => return,
        };
        let members = self.configuration().members();
        let votes = |id: &NodeId| self.configuration().is_voter(*id) && !granted.contains(id);
        let missing: Vec<_> = members.into_iter().filter(votes).collect();
        for peer in missing {
            self.send(peer, body.clone());
        }
    }

    /// Whether this node leads, or has heard of its leader so lately that nobody can have been elected since (6.2). Then it helps nobody
    /// to depose that leader: a node that was cut off, or was removed and does not know, must not disturb the others.
    pub(super) fn has_live_leader(&self) -> bool {
        // A leader would have stepped down without a majority: `maybe_step_down`.
        matches!(self.role, Role::Leader(_))
            || self.quiet_ticks < self.config.election_timeout_ticks.start
    }

    /// Whether a log that ends there has all that this one has, as far as it matters: compared as a pair, first the terms, then the
    /// lengths (5.4.1).
    fn is_up_to_date(&self, last_index: LogIndex, last_term: Term) -> bool {
        (last_term, last_index) >= (self.log.last_term(), self.log.last_index())
            || self.config.bug == Some(Bug::StaleLogWins)
    }

    /// A node of some term asks whether it would get our vote in the term after it. Answered in any case: whoever is refused because its term is over
    /// must learn the new one, or it would ask for ever. Changes nothing here.
    pub(super) fn handle_pre_vote(
        &mut self,
        from: NodeId,
        term: Term,
        last_index: LogIndex,
        last_term: Term,
    ) {
        if term < self.term() && self.config.bug == Some(Bug::PrevoteDeadlock) {
            return;
        }
        let granted = term >= self.term()
            && !self.has_live_leader()
            && !self.is_repairing()
            && self.is_up_to_date(last_index, last_term);
        self.send(from, Body::PreVoteReply { campaign: term.next(), granted });
    }

    /// The answer to a pre-vote. It may come from a lower term and count all the same; one that comes when the question is no longer asked
    /// does not.
    pub(super) fn handle_pre_vote_reply(
        &mut self,
        from: NodeId,
        term: Term,
        campaign: Term,
        granted: bool,
    ) {
        if term > self.term() {
            self.become_follower(term, None);
            return;
        }
        let asked = self.term().next();
        let Role::PreCandidate { grants } = &mut self.role else { return };
        if granted && campaign == asked {
            grants.insert(from);
            self.maybe_win();
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
        let up_to_date = self.is_up_to_date(last_index, last_term);
        // A node that has lost entries cannot tell whether a log has what it once acknowledged.
        let granted = free && up_to_date && !self.is_repairing();
        if granted && self.hard_state.vote != Some(candidate) {
            self.set_hard_state(HardState { term: self.term(), vote: Some(candidate) });
            self.trace(Event::VoteGranted { candidate });
        }
        if granted && matches!(self.role, Role::Follower { .. } | Role::PreCandidate { .. }) {
            self.reset_election_timeout(); // Give the candidate time to win.
        }
        self.send(candidate, Body::RequestVoteReply { granted });
    }

    pub(super) fn handle_request_vote_reply(&mut self, from: NodeId, granted: bool) {
        let Role::Candidate { votes, .. } = &mut self.role else { return };
        if granted {
            let is_repeated = !votes.insert(from); // A set: a repeated reply counts once.
            if is_repeated && self.config.bug == Some(Bug::DuplicateVoteCounted) {
                self.count_another_vote();
            }
            self.maybe_win();
        }
    }

    /// The planted bug `duplicate-vote-counted`: a repeated vote is taken for that of somebody who has not answered.
    fn count_another_vote(&mut self) {
        let Role::Candidate { votes, .. } = &self.role else { return };
        let missing = self.configuration().voters.difference(votes).next().copied();
        if let Role::Candidate { votes, .. } = &mut self.role {
            votes.extend(missing);
        }
    }

    /// Goes on once a majority has granted: from the question to the election, from the election to the leadership.
    fn maybe_win(&mut self) {
        let (Role::PreCandidate { grants: granted } | Role::Candidate { votes: granted, .. }) =
            &self.role
        else {
            return;
        };
        let won = self.agreed(|id| u64::from(granted.contains(&id))) > 0;
        match self.role {
            Role::PreCandidate { .. } if won => self.campaign(false),
            Role::Candidate { .. } if won => self.become_leader(),
            _ => {}
        }
    }

    /// Gives the leadership up when no majority was heard from for a whole election time-out (CheckQuorum): somebody else may lead by now,
    /// and until this node follows again its clients wait in vain.
    pub(super) fn maybe_step_down(&mut self) {
        let Role::Leader(leadership) = &self.role else { return };
        let (id, now) = (self.config.id, leadership.ticks);
        let heard = |peer| match leadership.progress.get(&peer) {
            Some(progress) => progress.heard_at,
            None if peer == id => now,
            None => 0,
        };
        let quiet_ticks = now - self.agreed(heard);
        // These planted bugs are those of a leader that believes in itself.
        let believes = matches!(self.config.bug, Some(Bug::LocalLeaderRead | Bug::LeaseDrift));
        if quiet_ticks >= u64::from(self.config.election_timeout_ticks.end) && !believes {
            self.become_follower(self.term(), None);
        }
    }
}

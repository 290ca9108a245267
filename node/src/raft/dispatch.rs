//! Which rule an input is for. The rules themselves stand in the other files of this folder.

use super::core::Raft;
use super::effects::{Effects, Input};
use super::message::{Body, Message};
use super::role::Role;
use super::snapshot::{Chunk, SnapshotMeta};
use super::{NodeId, Term};

/// No cluster comes so far by itself. Whoever took a later term from a peer could not go on to the next.
const TERM_MAX: Term = Term(1 << 62);

impl Raft {
    /// Takes one input and says what must be done about it.
    pub fn step(&mut self, input: Input) -> Effects {
        match input {
            Input::Tick => self.tick(),
            Input::Message { from, message } => self.handle_message(from, message),
            Input::Propose { id, command } => self.handle_propose(id, command),
            Input::Read { id, forward } => self.handle_read(id, forward),
            Input::ChangeMembers { id, voters, learners } => {
                self.handle_change(id, voters, learners);
            }
            Input::TransferLeadership { to } => self.handle_transfer(to),
            Input::Snapshotted { index, data } => self.handle_snapshotted(index, data),
        }
        std::mem::take(&mut self.effects)
    }

    fn tick(&mut self) {
        self.elapsed_ticks += 1;
        self.quiet_ticks = self.quiet_ticks.saturating_add(1);
        self.abandon_forwarded();
        if let Role::Leader(leadership) = &mut self.role {
            leadership.ticks += 1;
            self.abandon_transfer();
            self.maybe_step_down();
            self.maybe_heartbeat();
        } else {
            self.maybe_campaign();
        }
    }

    fn handle_message(&mut self, from: NodeId, Message { term, body }: Message) {
        if term > TERM_MAX {
            return;
        }
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
            Body::AppendAccepted { match_index, round, repairing } => {
                self.heard_of_repair(from, repairing);
                self.handle_append_accepted(from, match_index, round, repairing);
            }
            Body::AppendRejected { prev_index, retry_from, round, repairing } => {
                self.heard_of_repair(from, repairing);
                self.handle_append_rejected(from, prev_index, retry_from, round);
            }
            Body::TimeoutNow { last_index, last_term } => {
                self.handle_timeout_now(from, last_index, last_term);
            }
            Body::InstallSnapshot { meta, offset, chunk: data, done, round } => {
                self.handle_install_snapshot(from, Chunk { meta, offset, data, done, round });
            }
            Body::SnapshotReceived { last_index, offset, round } => {
                self.handle_snapshot_received(from, last_index, offset, round);
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
            Body::InstallSnapshot { meta: SnapshotMeta { last_index, .. }, .. } => {
                let (last_index, offset, round) = (*last_index, 0, 0);
                self.send(from, Body::SnapshotReceived { last_index, offset, round });
            }
            Body::AppendEntries { prev_index, .. } => {
                let retry_from = self.log.last_index().next();
                // The sender may lead the current term by now. Its rounds began anew, and this is no answer to any of them.
                let (prev_index, round) = (*prev_index, 0);
                let repairing = self.repairing.is_some();
                self.send(from, Body::AppendRejected { prev_index, retry_from, round, repairing });
            }
            _ => {}
        }
    }
}

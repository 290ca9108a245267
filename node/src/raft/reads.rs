//! Linearizable reads through ReadIndex (dissertation, 6.4).
//!
//! At most one round of confirmation that was begun for reads is under way; reads that come in meanwhile share the next one.

use std::ops::Range;

use super::core::Raft;
use super::effects::{Answer, ConfirmedRead};
use super::message::Body;
use super::role::Role;
use super::{LogIndex, NodeId, RequestId};
use crate::bug::Bug;

/// A read on its way, at the leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingRead {
    pub(super) id: RequestId,
    /// The follower whose client reads; nobody where it is a client of this node.
    pub(super) asked_by: Option<NodeId>,
    /// The state machine must have come this far.
    read_index: LogIndex,
    /// A majority must have answered this round, which began after the read came in.
    round: u64,
}

/// A read at a follower, which has asked the leader about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forwarded {
    /// How far the state machine must have come, once the leader has said it.
    read_index: Option<LogIndex>,
    /// After so many more ticks it is given up: question or answer was lost, or the leader was none.
    ticks_left: u32,
}

impl Raft {
    /// A client of this node reads.
    pub(super) fn handle_read(&mut self, id: RequestId, forward: bool) {
        match (&self.role, self.leader()) {
            (Role::Leader(_), _) if self.config.bug == Some(Bug::LocalLeaderRead) => {
                self.effects.reads.push(ConfirmedRead { id, leased: false });
            }
            (Role::Leader(_), _) if self.lease_holds() => {
                self.effects.reads.push(ConfirmedRead { id, leased: true });
            }
            (Role::Leader(_), _) => self.queue_read(id, None),
            (_, Some(leader)) if forward => {
                let ticks_left = self.config.election_timeout_ticks.start;
                self.forwarded.insert(id, Forwarded { read_index: None, ticks_left });
                self.send(leader, Body::ReadIndex { id });
            }
            (_, leader) => self.answer(id, Answer::NotLeader { leader }),
        }
    }

    /// A follower asks on behalf of its client. Who does not lead leaves it without an answer; it is then given up there.
    pub(super) fn handle_read_index(&mut self, from: NodeId, id: RequestId) {
        if matches!(self.role, Role::Leader(_)) {
            self.queue_read(id, Some(from));
        }
    }

    fn queue_read(&mut self, id: RequestId, asked_by: Option<NodeId>) {
        let commit = self.commit;
        let Role::Leader(leadership) = &mut self.role else { return };
        // Before the term's first commit we do not know how far our predecessors had committed.
        let read_index = commit.max(leadership.noop_index);
        let idle = leadership.pending_reads.is_empty();
        let round = match (self.config.bug, leadership.pending_reads.first()) {
            (Some(Bug::ReadIndexReused), Some(earlier)) => earlier.round,
            _ => leadership.round + 1,
        };
        leadership.pending_reads.push(PendingRead { id, asked_by, read_index, round });
        if idle {
            self.start_round();
        }
    }

    /// Asks everybody anew whether they still follow. Messages of this round leave after every read that waits for it came in.
    pub(super) fn start_round(&mut self) {
        let Role::Leader(leadership) = &mut self.role else { return };
        leadership.round += 1;
        leadership.rounds_began.insert(leadership.round, leadership.ticks);
        for peer in self.peers() {
            self.send_append(peer, true);
        }
        self.maybe_confirm_reads(); // A cluster of one needs nobody's word.
    }

    /// The latest round that a majority has answered.
    fn confirmed_round(&self) -> u64 {
        let Role::Leader(leadership) = &self.role else { return 0 };
        let (id, round) = (self.config.id, leadership.round);
        self.agreed(|peer| match leadership.progress.get(&peer) {
            Some(progress) => progress.acked_round,
            None if peer == id => round,
            None => 0,
        })
    }

    /// Hands out the reads whose round a majority has answered and whose index is committed.
    pub(super) fn maybe_confirm_reads(&mut self) {
        let (confirmed_round, commit) = (self.confirmed_round(), self.commit);
        self.extend_lease(confirmed_round);
        let Role::Leader(leadership) = &mut self.role else { return };
        let ready = |read: &PendingRead| read.round <= confirmed_round && read.read_index <= commit;
        let (done, waiting) = leadership.pending_reads.drain(..).partition(ready);
        leadership.pending_reads = waiting;
        let done: Vec<PendingRead> = done;
        for PendingRead { id, asked_by, read_index, .. } in &done {
            match asked_by {
                None => self.effects.reads.push(ConfirmedRead { id: *id, leased: false }),
                Some(node) => {
                    self.send(*node, Body::ReadIndexReply { id: *id, index: *read_index });
                }
            }
        }
        if !done.is_empty() && self.next_round_is_awaited() {
            self.start_round();
        }
    }

    /// A majority has answered a round. Nobody of it votes for another within the shortest election time-out after that, so for less than that,
    /// from the *beginning* of the round, nobody else leads.
    fn extend_lease(&mut self, confirmed_round: u64) {
        let Range { end, .. } = self.config.election_timeout_ticks;
        let drifts = self.config.bug == Some(Bug::LeaseDrift);
        let Role::Leader(leadership) = &mut self.role else { return };
        let later = leadership.rounds_began.split_off(&confirmed_round.saturating_add(1));
        let answered = std::mem::replace(&mut leadership.rounds_began, later);
        let Some((_, began)) = answered.last_key_value() else { return };
        leadership.lease_until = match self.config.lease_ticks {
            // The planted bug counts from the answer, by a clock that is ten times too slow.
            _ if drifts => leadership.ticks + 10 * u64::from(end),
            Some(lease_ticks) => began + u64::from(lease_ticks),
            None => 0,
        };
    }

    /// Whether this leader may answer a read without asking: its lease runs, it knows how far its predecessors had committed, and it has told nobody to take
    /// over.
    pub fn lease_holds(&self) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        leadership.ticks < leadership.lease_until
            && self.commit >= leadership.noop_index
            && !leadership.handed_over
    }

    /// Whether reads came in after the latest round had begun.
    fn next_round_is_awaited(&self) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        leadership.pending_reads.iter().any(|read| read.round > leadership.round)
    }

    /// The leader has said how far to wait. That it may have been deposed since does no harm: it led after the read came in.
    pub(super) fn handle_read_index_reply(&mut self, id: RequestId, index: LogIndex) {
        if let Some(read) = self.forwarded.get_mut(&id) {
            read.read_index = Some(index);
            self.maybe_answer_forwarded();
        }
    }

    /// Hands out the forwarded reads for which the state machine has come far enough.
    pub(super) fn maybe_answer_forwarded(&mut self) {
        let commit = self.commit;
        let ready = |read: &mut Forwarded| read.read_index.is_some_and(|index| index <= commit);
        let done = self.forwarded.extract_if(.., |_, read| ready(read));
        self.effects.reads.extend(done.map(|(id, _)| ConfirmedRead { id, leased: false }));
    }

    /// A tick passes for the forwarded reads.
    pub(super) fn abandon_forwarded(&mut self) {
        self.forwarded.values_mut().for_each(|read| read.ticks_left -= 1);
        let late: Vec<_> = self.forwarded.extract_if(.., |_, read| read.ticks_left == 0).collect();
        for (id, _) in late {
            self.answer(id, Answer::ReadAbandoned);
        }
    }
}

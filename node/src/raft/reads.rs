//! Linearizable reads through ReadIndex (dissertation, 6.4).
//!
//! At most one round of confirmation that was begun for reads is under way; reads that come in meanwhile share the next one.

use super::core::{Raft, Role};
use super::effects::{Answer, ConfirmedRead};
use super::{LogIndex, RequestId};
use crate::bug::Bug;

/// A read on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingRead {
    pub(super) id: RequestId,
    /// The state machine must have come this far.
    read_index: LogIndex,
    /// A majority must have answered this round, which began after the read came in.
    round: u64,
}

impl Raft {
    pub(super) fn handle_read(&mut self, id: RequestId) {
        let leader = self.leader();
        let commit = self.commit;
        let Role::Leader(leadership) = &mut self.role else {
            self.effects.answers.push((id, Answer::NotLeader { leader }));
            return;
        };
        if self.config.bug == Some(Bug::LocalLeaderRead) {
            self.effects.reads.push(ConfirmedRead { id });
            return;
        }
        // Before the term's first commit we do not know how far our predecessors had committed.
        let read_index = commit.max(leadership.noop_index);
        let idle = leadership.pending_reads.is_empty();
        let round = leadership.round + 1;
        leadership.pending_reads.push(PendingRead { id, read_index, round });
        if idle {
            self.start_round();
        }
    }

    /// Asks everybody anew whether they still follow. Messages of this round leave after every read that waits for it came in.
    pub(super) fn start_round(&mut self) {
        let Role::Leader(leadership) = &mut self.role else { return };
        leadership.round += 1;
        self.broadcast_append();
        self.maybe_confirm_reads(); // A cluster of one needs nobody's word.
    }

    /// Hands out the reads whose round a majority has answered and whose index is committed.
    pub(super) fn maybe_confirm_reads(&mut self) {
        let quorum = self.quorum();
        let Role::Leader(leadership) = &mut self.role else { return };
        let mut acked: Vec<_> = leadership.progress.values().map(|p| p.acked_round).collect();
        acked.push(leadership.round);
        acked.sort_unstable_by(|a, b| b.cmp(a));
        let confirmed_round = acked[quorum - 1];
        let commit = self.commit;
        let ready = |read: &PendingRead| read.round <= confirmed_round && read.read_index <= commit;
        let (done, waiting) = leadership.pending_reads.drain(..).partition(ready);
        leadership.pending_reads = waiting;
        let done: Vec<PendingRead> = done;
        self.effects.reads.extend(done.iter().map(|read| ConfirmedRead { id: read.id }));
        if !done.is_empty() && self.next_round_is_awaited() {
            self.start_round();
        }
    }

    /// Whether reads came in after the latest round had begun.
    fn next_round_is_awaited(&self) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        leadership.pending_reads.iter().any(|read| read.round > leadership.round)
    }
}

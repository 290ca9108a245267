//! What a leader knows about a peer, and how much it may send it.

use std::collections::VecDeque;

use super::LogIndex;
use super::snapshot::Outgoing;

/// How much a node takes on. All of it is counted in bytes of payload plus a little for each entry.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most bytes of entries in one message; a single entry may be longer.
    pub message_bytes_max: u64,
    /// The most messages with entries that may be on their way to a peer.
    pub inflight_messages_max: usize,
    /// The most bytes of entries that may be on their way to a peer; a single message may be longer.
    pub inflight_bytes_max: u64,
    /// The most bytes of proposals that may wait for their commit at the leader. Beyond it proposals are refused: a leader that is cut off
    /// must not grow without end.
    pub uncommitted_bytes_max: u64,
    /// The most bytes of a snapshot in one message.
    pub chunk_bytes_max: usize,
    /// So many entries that a snapshot covers are kept, for peers that are only a little behind.
    pub retained_entries: u64,
    /// A learner that lacks no more entries than that may become a voter.
    pub learner_lag_entries: u64,
}

impl Default for Limits {
    /// Far below the four megabytes that the transport takes as one frame.
    fn default() -> Self {
        Self {
            message_bytes_max: 256 * 1024,
            inflight_messages_max: 64,
            inflight_bytes_max: 4 * 1024 * 1024,
            uncommitted_bytes_max: 64 * 1024 * 1024,
            chunk_bytes_max: 256 * 1024,
            retained_entries: 1_024,
            learner_lag_entries: 1_024,
        }
    }
}

/// What a leader knows about a peer.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The peer's log certainly matches ours up to here, durably.
    pub(super) match_index: LogIndex,
    /// How far its log counts for commits: as `match_index`, but not what it has told while it was repairing its log.
    pub(super) counted_index: LogIndex,
    /// The next entry to send. Always beyond `match_index`.
    pub(super) next_index: LogIndex,
    /// The furthest commit index that the peer was told.
    pub(super) sent_commit: LogIndex,
    /// The latest round of confirmation that the peer has answered.
    pub(super) acked_round: u64,
    /// Whether it is repairing its log, by its last word.
    pub(super) repairing: bool,
    /// At which tick of the leadership it was last heard.
    pub(super) heard_at: u64,
    /// How entries are sent to it.
    pub(super) sending: Sending,
}

/// How entries are sent to a peer.
#[derive(Clone, Debug)]
pub(super) enum Sending {
    /// Where the logs meet is not known, or a message was lost: one message, then wait for what it brings to light.
    Probe {
        /// Whether that message is out. A heartbeat ends the wait: the message may have been lost.
        waiting: bool,
    },
    /// The logs meet: messages follow each other without waiting for answers, within the limits.
    Replicate {
        /// What is on its way.
        inflight: Inflight,
    },
    /// What it needs next is forgotten: it gets the snapshot first.
    Snapshot(Outgoing),
}

impl Progress {
    /// A peer of which nothing is known. The first guess is that it has all that we have.
    pub(super) fn unknown(next_index: LogIndex, now: u64) -> Self {
        Self {
            match_index: LogIndex(0),
            counted_index: LogIndex(0),
            next_index,
            sent_commit: LogIndex(0),
            acked_round: 0,
            repairing: false,
            heard_at: now,
            sending: Sending::Probe { waiting: false },
        }
    }

    /// Whether a message with entries may be sent now.
    pub(super) fn may_send(&self, limits: &Limits) -> bool {
        match &self.sending {
            Sending::Probe { waiting } => !waiting,
            Sending::Replicate { inflight } => !inflight.is_full(limits),
            Sending::Snapshot(_) => false,
        }
    }

    /// Takes note that entries up to `last` were sent.
    pub(super) fn sent(&mut self, last: LogIndex, bytes: u64) {
        match &mut self.sending {
            Sending::Probe { waiting } => *waiting = true,
            Sending::Replicate { inflight } => {
                inflight.add(last, bytes);
                self.next_index = last.next();
            }
            Sending::Snapshot(_) => unreachable!("entries follow the snapshot"),
        }
    }

    /// The peer's log matches up to there.
    pub(super) fn accepted(&mut self, match_index: LogIndex) {
        self.match_index = self.match_index.max(match_index);
        match &mut self.sending {
            // It still needs the snapshot: this was the answer to a heartbeat.
            Sending::Snapshot(outgoing) if self.match_index < outgoing.snapshot.meta.last_index => {
            }
            Sending::Probe { .. } | Sending::Snapshot(_) => {
                self.next_index = self.match_index.next();
                self.sending = Sending::Replicate { inflight: Inflight::default() };
            }
            Sending::Replicate { inflight } => {
                inflight.free_up_to(match_index);
                self.next_index = self.next_index.max(match_index.next());
            }
        }
    }

    /// The peer refused what should follow `prev_index`, and proposes where to try next. Says whether that is news: a refusal of what was
    /// accepted meanwhile, or is no longer asked, must not take us back.
    pub(super) fn refused(&mut self, prev_index: LogIndex, retry_from: LogIndex) -> bool {
        let asked = match self.sending {
            Sending::Probe { .. } => prev_index.next() == self.next_index,
            Sending::Replicate { .. } => prev_index < self.next_index,
            Sending::Snapshot(_) => false,
        };
        if !asked || prev_index <= self.match_index {
            return false;
        }
        self.next_index = retry_from.min(prev_index).max(self.match_index.next());
        self.sending = Sending::Probe { waiting: false };
        true
    }

    /// The peer says whether it has lost entries. If it just has, what it acknowledged before holds no more, and the logs must meet anew. A message of before
    /// the loss that comes late makes nothing count that came after it.
    pub(super) fn heard_of_repair(&mut self, repairing: bool) {
        if repairing && !self.repairing {
            self.match_index = LogIndex(0);
            self.counted_index = LogIndex(0);
            self.sending = Sending::Probe { waiting: false };
        }
        self.repairing = repairing;
    }

    /// The peer's log matches up to there and counts.
    pub(super) fn counts(&mut self, match_index: LogIndex) {
        self.counted_index = self.counted_index.max(match_index);
    }

    /// What was sent may have been lost: it may be sent again.
    pub(super) fn stop_waiting(&mut self) {
        match &mut self.sending {
            Sending::Probe { waiting } => *waiting = false,
            Sending::Snapshot(outgoing) => outgoing.waiting = false,
            Sending::Replicate { .. } => {}
        }
    }
}

/// Messages with entries on their way to a peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Inflight {
    /// The last index and the bytes of each, in order.
    messages: VecDeque<(LogIndex, u64)>,
    bytes: u64,
}

impl Inflight {
    fn is_full(&self, limits: &Limits) -> bool {
        self.messages.len() >= limits.inflight_messages_max
            || self.bytes >= limits.inflight_bytes_max
    }

    fn add(&mut self, last: LogIndex, bytes: u64) {
        self.messages.push_back((last, bytes));
        self.bytes += bytes;
    }

    fn free_up_to(&mut self, match_index: LogIndex) {
        while let Some((last, bytes)) = self.messages.front()
            && *last <= match_index
        {
            self.bytes -= bytes;
            self.messages.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        message_bytes_max: 10,
        inflight_messages_max: 2,
        inflight_bytes_max: 30,
        uncommitted_bytes_max: 0,
        chunk_bytes_max: 1,
        retained_entries: 0,
        learner_lag_entries: 0,
    };

    fn replicating() -> Progress {
        let mut progress = Progress::unknown(LogIndex(5), 0);
        progress.accepted(LogIndex(4));
        progress
    }

    #[test]
    fn a_probe_is_one_message_until_an_answer_or_a_heartbeat() {
        let mut progress = Progress::unknown(LogIndex(5), 0);
        assert!(progress.may_send(&LIMITS));
        progress.sent(LogIndex(6), 9);
        assert!(!progress.may_send(&LIMITS));
        assert_eq!(progress.next_index, LogIndex(5), "nothing is taken for granted");
        progress.stop_waiting();
        assert!(progress.may_send(&LIMITS));
    }

    #[test]
    fn the_window_is_full_by_messages_or_by_bytes() {
        let mut progress = replicating();
        progress.sent(LogIndex(5), 1);
        assert!(progress.may_send(&LIMITS));
        progress.sent(LogIndex(6), 1);
        assert!(!progress.may_send(&LIMITS), "two messages");
        progress.accepted(LogIndex(5));
        assert!(progress.may_send(&LIMITS));
        progress.sent(LogIndex(9), 40);
        progress.accepted(LogIndex(6));
        assert!(!progress.may_send(&LIMITS), "41 bytes");
        progress.accepted(LogIndex(9));
        assert!(progress.may_send(&LIMITS));
        assert_eq!(progress.next_index, LogIndex(10));
    }

    #[test]
    fn what_is_told_during_a_repair_never_counts() {
        let mut progress = replicating();
        progress.counts(LogIndex(4));
        progress.heard_of_repair(true);
        progress.accepted(LogIndex(6));
        assert_eq!((progress.match_index, progress.counted_index), (LogIndex(6), LogIndex(0)));
        // Sent before the loss, and late.
        progress.heard_of_repair(false);
        progress.accepted(LogIndex(3));
        progress.counts(LogIndex(3));
        assert_eq!((progress.match_index, progress.counted_index), (LogIndex(6), LogIndex(3)));
    }

    #[test]
    fn next_is_always_beyond_match_whatever_comes_late() {
        let mut progress = replicating();
        progress.sent(LogIndex(8), 1);
        assert!(!progress.refused(LogIndex(3), LogIndex(1)), "accepted meanwhile");
        assert!(!progress.refused(LogIndex(9), LogIndex(1)), "never sent");
        assert!(progress.refused(LogIndex(7), LogIndex(2)));
        assert_eq!(progress.next_index, LogIndex(5), "4 is known to match");
        assert!(!progress.refused(LogIndex(7), LogIndex(2)), "no longer asked");
        progress.accepted(LogIndex(2));
        assert_eq!((progress.match_index, progress.next_index), (LogIndex(4), LogIndex(5)));
    }
}

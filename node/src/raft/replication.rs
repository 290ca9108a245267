//! Replication: the leader's log becomes everybody's log (5.3), and what a majority has is committed (5.4.2).

use super::core::{Leadership, Raft, Role};
use super::effects::{Answer, Commit};
use super::log::{Entry, Payload};
use super::message::Body;
use super::{LogIndex, NodeId, RequestId, Term};
use crate::trace::Event;

/// The most entries in one message: enough to catch up quickly, little enough to stay far below the frame limit.
const ENTRIES_PER_MESSAGE_MAX: usize = 256;

/// What a leader knows about a peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// The peer's log certainly matches ours up to here, durably.
    pub(super) match_index: LogIndex,
    /// The next entry to send. Runs ahead of `match_index`: messages are not awaited one by one.
    pub(super) next_index: LogIndex,
    /// The latest round of confirmation that the peer has answered.
    pub(super) acked_round: u64,
}

impl Raft {
    pub(super) fn become_leader(&mut self) {
        let next_index = self.log.last_index().next();
        let progress = Progress { match_index: LogIndex(0), next_index, acked_round: 0 };
        self.trace(Event::BecameLeader {
            last_index: self.log.last_index(),
            last_term: self.log.last_term(),
        });
        self.role = Role::Leader(Leadership {
            progress: self.config.peers.iter().map(|peer| (*peer, progress)).collect(),
            noop_index: next_index,
            proposals: std::collections::BTreeMap::new(),
            round: 1,
            pending_reads: Vec::new(),
        });
        self.elapsed_ticks = 0;
        // An entry of its own term lets the leader commit, by counting, what earlier terms left (5.4.2, 8).
        self.append_and_replicate(Payload::Noop);
    }

    pub(super) fn maybe_heartbeat(&mut self) {
        if self.elapsed_ticks < self.config.heartbeat_ticks {
            return;
        }
        self.elapsed_ticks = 0;
        self.start_round();
    }

    pub(super) fn handle_propose(&mut self, id: RequestId, command: Vec<u8>) {
        let leader = self.leader();
        let index = self.log.last_index().next();
        let Role::Leader(leadership) = &mut self.role else {
            self.effects.answers.push((id, Answer::NotLeader { leader }));
            return;
        };
        leadership.proposals.insert(index, id);
        self.append_and_replicate(Payload::Command(command));
    }

    fn append_and_replicate(&mut self, payload: Payload) {
        let index = self.log.last_index().next();
        self.append(Entry { index, term: self.term(), payload });
        self.broadcast_append();
        self.maybe_commit(); // A cluster of one commits at once.
    }

    /// Sends everybody what they miss; who misses nothing gets a heartbeat.
    pub(super) fn broadcast_append(&mut self) {
        for peer in self.config.peers.clone() {
            self.send_append(peer);
        }
    }

    fn send_append(&mut self, peer: NodeId) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let progress = leadership.progress.get_mut(&peer).expect("every peer has its progress");
        let prev_index = progress.next_index.previous();
        let prev_term = self.log.term(prev_index).expect("next_index is at most one past the log");
        let entries = self.log.slice(progress.next_index, ENTRIES_PER_MESSAGE_MAX).to_vec();
        // Assume that it arrives. If it does not, the next message is rejected and says from where to go on.
        progress.next_index = LogIndex(progress.next_index.0 + entries.len() as u64);
        let (commit, round) = (self.commit, leadership.round);
        self.send(peer, Body::AppendEntries { prev_index, prev_term, entries, commit, round });
    }

    /// The leader of the current term sends entries, or a heartbeat.
    pub(super) fn handle_append_entries(
        &mut self,
        leader: NodeId,
        prev_index: LogIndex,
        prev_term: Term,
        entries: Vec<Entry>,
        leader_commit: LogIndex,
        round: u64,
    ) {
        if matches!(self.role, Role::Leader(_)) {
            // Two leaders in one term. The promise is broken already, the checker will say so; a node must not
            // crash over what a peer sends.
            return;
        }
        if self.leader() != Some(leader) {
            self.become_follower(self.term(), Some(leader));
        }
        self.reset_election_timeout();
        if !well_formed(prev_index, prev_term, &entries, self.term()) {
            return;
        }
        if self.log.term(prev_index) != Some(prev_term) {
            let retry_from = self.retry_from(prev_index);
            self.send(leader, Body::AppendRejected { prev_index, retry_from, round });
            return;
        }
        let match_index = LogIndex(prev_index.0 + entries.len() as u64);
        if !self.append_missing(entries) {
            return;
        }
        // Only what this message proved to match may be committed: what follows it may still conflict.
        self.commit_to(leader_commit.min(match_index));
        self.trace_ack(leader, match_index);
        self.send(leader, Body::AppendAccepted { match_index, round });
    }

    /// The trace says of each acknowledgement that goes further than the ones before it: commits rest on them.
    fn trace_ack(&mut self, leader: NodeId, match_index: LogIndex) {
        let known = match self.acked {
            Some((term, to, known)) if (term, to) == (self.term(), leader) => known,
            _ => LogIndex(0),
        };
        if match_index > known {
            self.acked = Some((self.term(), leader, match_index));
            self.trace(Event::Acked { leader, match_index });
        }
    }

    /// Appends what is not there yet; on a real conflict, cuts first. A delayed message whose entries are all there
    /// changes nothing. Says whether the entries now are in the log.
    fn append_missing(&mut self, entries: Vec<Entry>) -> bool {
        for entry in entries {
            match self.log.term(entry.index) {
                Some(term) if term == entry.term => continue,
                // A peer asks to remove what is committed. In sound clusters impossible; with a planted bug it
                // happens, and the node must live to be convicted by its trace.
                Some(_) if entry.index <= self.commit => return false,
                Some(_) => self.truncate(entry.index),
                None => {}
            }
            self.append(entry);
        }
        true
    }

    /// Where the leader should try after `prev_index` was refused: at our end, or before the whole term that
    /// conflicts there, so that the logs meet after one message a term (end of 5.3).
    fn retry_from(&self, prev_index: LogIndex) -> LogIndex {
        if prev_index > self.log.last_index() {
            self.log.last_index().next()
        } else {
            self.log.first_of_term(prev_index).max(self.commit.next().min(prev_index))
        }
    }

    pub(super) fn handle_append_accepted(
        &mut self,
        from: NodeId,
        match_index: LogIndex,
        round: u64,
    ) {
        let last_index = self.log.last_index();
        let Role::Leader(leadership) = &mut self.role else { return };
        if match_index > last_index {
            return; // About a log that we never had: a peer's error is not ours to crash on.
        }
        let progress = leadership.progress.get_mut(&from).expect("every peer has its progress");
        progress.acked_round = progress.acked_round.max(round);
        progress.match_index = progress.match_index.max(match_index);
        progress.next_index = progress.next_index.max(match_index.next());
        let behind = progress.next_index <= last_index;
        self.maybe_commit();
        self.maybe_confirm_reads();
        if behind {
            self.send_append(from);
        }
    }

    pub(super) fn handle_append_rejected(
        &mut self,
        from: NodeId,
        prev_index: LogIndex,
        retry_from: LogIndex,
        round: u64,
    ) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let progress = leadership.progress.get_mut(&from).expect("every peer has its progress");
        // A refusal confirms the leadership as well as an acceptance does: it is of our term.
        progress.acked_round = progress.acked_round.max(round);
        // Only a refusal of what we still believe makes us step back; an old one, overtaken by an acceptance, must not.
        let current = prev_index > progress.match_index && prev_index < progress.next_index;
        if current {
            progress.next_index = retry_from.min(prev_index).max(progress.match_index.next());
            self.send_append(from);
        }
        self.maybe_confirm_reads();
    }

    /// Commits what a majority has, if it ends with an entry of the own term (5.4.2).
    fn maybe_commit(&mut self) {
        let Role::Leader(leadership) = &self.role else { return };
        let mut matched: Vec<_> = leadership.progress.values().map(|p| p.match_index).collect();
        matched.push(self.log.last_index());
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let majority_has = matched[self.quorum() - 1];
        if majority_has > self.commit && self.log.term(majority_has) == Some(self.term()) {
            self.commit_to(majority_has);
            self.maybe_confirm_reads();
        }
    }

    /// Advances the commit index, never back, and hands out what may now be applied.
    fn commit_to(&mut self, index: LogIndex) {
        if index <= self.commit {
            return;
        }
        self.trace(Event::Committed { at: self.position(index) });
        while self.commit < index {
            self.commit = self.commit.next();
            self.hand_out(self.commit);
        }
    }

    fn hand_out(&mut self, index: LogIndex) {
        let request = match &mut self.role {
            Role::Leader(leadership) => leadership.proposals.remove(&index),
            Role::Follower { .. } | Role::Candidate { .. } => None,
        };
        let entry = self.log.entry(index).expect("what is committed is in the log").clone();
        self.trace(Event::Applied { at: self.position(index) });
        self.effects.committed.push(Commit { entry, hash: self.log.hash(index), request });
    }
}

/// Whether the entries directly follow the previous one, with terms that never decrease nor exceed the sender's: a
/// peer's word is checked, not trusted.
fn well_formed(prev_index: LogIndex, prev_term: Term, entries: &[Entry], term: Term) -> bool {
    let contiguous =
        entries.iter().zip(prev_index.0 + 1..).all(|(entry, index)| entry.index.0 == index);
    let first_term = entries.first().map_or(prev_term, |entry| entry.term);
    let last_term = entries.last().map_or(prev_term, |entry| entry.term);
    contiguous
        && prev_term <= first_term
        && entries.is_sorted_by_key(|entry| entry.term)
        && last_term <= term
}

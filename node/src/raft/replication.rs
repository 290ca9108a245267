//! Replication, the leader's side: its log becomes everybody's log (5.3), and what a majority has is committed (5.4.2).

use std::collections::BTreeMap;

use super::core::Raft;
use super::effects::{Answer, Apply, Commit, Refusal};
use super::log::{Entry, Payload};
use super::message::Body;
use super::progress::{Progress, Sending};
use super::role::{Leadership, Proposal, Role};
use super::{LogIndex, NodeId, RequestId, Term};
use crate::bug::Bug;
use crate::trace::Event;

impl Raft {
    pub(super) fn become_leader(&mut self) {
        let noop_index = self.log.last_index().next();
        self.trace(Event::BecameLeader {
            last_index: self.log.last_index(),
            last_term: self.log.last_term(),
        });
        let mut peers = self.configuration().members();
        peers.remove(&self.config.id);
        let unknown = |peer| (peer, Progress::unknown(noop_index, 0));
        self.role = Role::Leader(Leadership {
            ticks: 0,
            progress: peers.into_iter().map(unknown).collect(),
            noop_index,
            proposals: BTreeMap::new(),
            uncommitted_bytes: 0,
            round: 1,
            pending_reads: Vec::new(),
            rounds_began: BTreeMap::from([(1, 0)]),
            lease_until: 0,
            change: None,
            transfer: None,
            handed_over: false,
        });
        self.elapsed_ticks = 0;
        // An entry of its own term lets the leader commit, by counting, what earlier terms left (5.4.2, 8).
        self.append_and_replicate(Payload::Noop);
    }

    /// Sends a heartbeat when it is due. What was awaited so long may have been lost.
    pub(super) fn maybe_heartbeat(&mut self) {
        if self.elapsed_ticks < self.config.heartbeat_ticks {
            return;
        }
        let Role::Leader(leadership) = &mut self.role else { return };
        leadership.progress.values_mut().for_each(Progress::stop_waiting);
        self.elapsed_ticks = 0;
        self.start_round();
    }

    /// A client's command. Refused before anything is appended, so that a refusal is definite.
    pub(super) fn handle_propose(&mut self, id: RequestId, command: Vec<u8>) {
        let leader = self.leader();
        let payload = Payload::Command(command);
        let (index, bytes) = (self.log.last_index().next(), payload.bytes());
        let Role::Leader(leadership) = &mut self.role else {
            self.answer(id, Answer::NotLeader { leader });
            return;
        };
        if leadership.transfer.is_some() {
            self.answer(id, Answer::Refused(Refusal::HandingOver));
            return;
        }
        // One alone is taken, however long it is.
        let waiting = leadership.uncommitted_bytes;
        if waiting > 0 && waiting + bytes > self.config.limits.uncommitted_bytes_max {
            self.answer(id, Answer::Refused(Refusal::Overloaded));
            return;
        }
        leadership.uncommitted_bytes += bytes;
        leadership.proposals.insert(index, Proposal { id, bytes });
        self.append_and_replicate(payload);
    }

    pub(super) fn append_and_replicate(&mut self, payload: Payload) {
        let index = self.log.last_index().next();
        self.append(Entry { index, term: self.term(), payload });
        for peer in self.peers() {
            self.send_entries(peer);
        }
        self.maybe_commit(); // A cluster of one commits at once.
    }

    /// All to whom this leader replicates.
    pub(super) fn peers(&self) -> Vec<NodeId> {
        let Role::Leader(leadership) = &self.role else { return Vec::new() };
        leadership.progress.keys().copied().collect()
    }

    /// Sends a peer what it misses, as far as the limits allow.
    pub(super) fn send_entries(&mut self, peer: NodeId) {
        while self.send_append(peer, false) {}
    }

    /// Sends a peer one message: the next entries, where it may have some. Without any it is a heartbeat, and sent if `even_empty`, or if
    /// the peer does not know how far the log is committed: a full window must not keep that from it. Says whether entries were sent.
    pub(super) fn send_append(&mut self, peer: NodeId, even_empty: bool) -> bool {
        let limits = &self.config.limits;
        let Role::Leader(leadership) = &mut self.role else { return false };
        let Some(progress) = leadership.progress.get_mut(&peer) else { return false };
        if matches!(progress.sending, Sending::Snapshot(_)) {
            self.send_beside_snapshot(peer, even_empty);
            return false;
        }
        let prev_index = progress.next_index.previous();
        let Some(prev_term) = self.log.term(prev_index) else {
            self.begin_snapshot(peer);
            return false;
        };
        let entries = match progress.may_send(limits) {
            true => self.log.slice(progress.next_index, limits.message_bytes_max).to_vec(),
            false => Vec::new(),
        };
        let told = progress.sent_commit >= self.commit.min(prev_index);
        if entries.is_empty() && told && !even_empty {
            return false;
        }
        if let Some(last) = entries.last() {
            // When replicating, assume that it arrives. If it does not, the next message is refused and says from where to go on.
            progress.sent(last.index, entries.iter().map(|entry| entry.payload.bytes()).sum());
        }
        let (commit, round, any) = (self.commit, leadership.round, !entries.is_empty());
        progress.sent_commit = commit;
        self.send(peer, Body::AppendEntries { prev_index, prev_term, entries, commit, round });
        any
    }

    /// While a peer gets a snapshot, heartbeats go on: after index 0, where all logs are the same.
    fn send_beside_snapshot(&mut self, peer: NodeId, heartbeat: bool) {
        let Role::Leader(leadership) = &self.role else { return };
        if heartbeat {
            let (prev_index, prev_term, entries) = (LogIndex(0), Term(0), Vec::new());
            let (commit, round) = (self.commit, leadership.round);
            self.send(peer, Body::AppendEntries { prev_index, prev_term, entries, commit, round });
        }
        self.send_chunk(peer);
    }

    /// A message of the current term came from a peer.
    pub(super) fn heard_from(&mut self, from: NodeId) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let now = leadership.ticks;
        if let Some(progress) = leadership.progress.get_mut(&from) {
            progress.heard_at = now;
        }
    }

    pub(super) fn handle_append_accepted(
        &mut self,
        from: NodeId,
        match_index: LogIndex,
        round: u64,
        repairing: bool,
    ) {
        let last_index = self.log.last_index();
        let Role::Leader(leadership) = &mut self.role else { return };
        if match_index > last_index {
            return; // About a log that we never had: a peer's error is not ours to crash on.
        }
        let Some(progress) = leadership.progress.get_mut(&from) else { return };
        progress.acked_round = progress.acked_round.max(round);
        progress.accepted(match_index);
        if !repairing {
            progress.counts(match_index);
        }
        self.maybe_commit();
        self.maybe_confirm_reads();
        self.send_missing(from);
        self.maybe_hand_over(from);
    }

    /// A peer says whether it is repairing its log.
    pub(super) fn heard_of_repair(&mut self, from: NodeId, repairing: bool) {
        let Role::Leader(leadership) = &mut self.role else { return };
        if let Some(progress) = leadership.progress.get_mut(&from) {
            progress.heard_of_repair(repairing);
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
        let Some(progress) = leadership.progress.get_mut(&from) else { return };
        // A refusal confirms the leadership as well as an acceptance does: it is of our term.
        progress.acked_round = progress.acked_round.max(round);
        if progress.refused(prev_index, retry_from) {
            self.send_append(from, true);
        }
        self.maybe_confirm_reads();
    }

    /// Goes on sending to a peer that has answered, if it is behind. How far the log is committed can wait for the next message.
    fn send_missing(&mut self, peer: NodeId) {
        let last_index = self.log.last_index();
        let Role::Leader(leadership) = &self.role else { return };
        if leadership.progress.get(&peer).is_some_and(|p| p.next_index <= last_index) {
            self.send_entries(peer);
        }
    }

    /// Commits what a majority has, if it ends with an entry of the own term (5.4.2).
    fn maybe_commit(&mut self) {
        let Role::Leader(leadership) = &self.role else { return };
        let (id, last) = (self.config.id, self.log.last_index());
        let matched = |peer| match leadership.progress.get(&peer) {
            Some(progress) => progress.counted_index.0,
            None if peer == id => last.0,
            None => 0,
        };
        let majority_has = LogIndex(self.agreed(matched));
        let own_term = self.log.term(majority_has) == Some(self.term())
            || self.config.bug == Some(Bug::Figure8);
        if majority_has > self.commit && own_term {
            self.commit_to(majority_has);
            self.maybe_confirm_reads();
        }
    }

    /// Advances the commit index, never back, and hands out what may now be applied.
    pub(super) fn commit_to(&mut self, index: LogIndex) {
        if index <= self.commit {
            return;
        }
        self.trace(Event::Committed { at: self.position(index) });
        while self.commit < index {
            self.commit = self.commit.next();
            self.hand_out(self.commit);
        }
        self.commit_repaired();
        self.maybe_answer_forwarded();
        self.maybe_finish_change();
    }

    fn hand_out(&mut self, index: LogIndex) {
        let proposal = match &mut self.role {
            Role::Leader(leadership) => leadership.settle(index),
            _ => None,
        };
        let entry = self.log.entry(index).expect("what is committed is in the log").clone();
        self.trace(Event::Applied { at: self.position(index) });
        let place = self.log.place(index).expect("it is in the log");
        let request = proposal.map(|proposal| proposal.id);
        self.effects.apply.push(Apply::Entry(Commit { entry, hash: place.hash, request }));
    }
}

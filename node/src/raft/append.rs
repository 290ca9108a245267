//! Replication, the follower's side: what is taken from a leader (5.3).

use super::core::Raft;
use super::log::Entry;
use super::message::Body;
use super::role::Role;
use super::{LogIndex, NodeId, Term};
use crate::bug::Bug;
use crate::trace::Event;

impl Raft {
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
        if !self.follow(leader) {
            return;
        }
        if !well_formed(prev_index, prev_term, &entries, self.term()) {
            return;
        }
        // What is forgotten was committed, so it matches.
        let matches =
            prev_index < self.log.base_index() || self.log.term(prev_index) == Some(prev_term);
        if !matches {
            let retry_from = self.retry_from(prev_index);
            let (round, repairing) = self.confirming(round);
            self.send(leader, Body::AppendRejected { prev_index, retry_from, round, repairing });
            return;
        }
        if self.config.bug == Some(Bug::StaleAppendTruncates) {
            self.truncate_blindly(prev_index);
        }
        let match_index = LogIndex(prev_index.0 + entries.len() as u64);
        if !self.append_missing(entries) {
            return;
        }
        // Only what this message proved to match may be committed: what follows it may still conflict.
        self.commit_to(leader_commit.min(match_index));
        self.accept(leader, match_index, round);
    }

    /// Hears a leader of the current term: follows it and waits anew. Not so a leader of the same term, see below.
    pub(super) fn follow(&mut self, leader: NodeId) -> bool {
        if matches!(self.role, Role::Leader(_)) {
            // Two leaders in one term. The promise is broken already, the checker will say so; a node must not
            // crash over what a peer sends.
            return false;
        }
        if self.leader() != Some(leader) {
            self.become_follower(self.term(), Some(leader));
        }
        self.reset_election_timeout();
        self.quiet_ticks = 0;
        true
    }

    /// Tells the leader up to where the logs match.
    pub(super) fn accept(&mut self, leader: NodeId, match_index: LogIndex, round: u64) {
        let (round, repairing) = self.confirming(round);
        if !repairing {
            self.trace_ack(leader, match_index);
        }
        self.send(leader, Body::AppendAccepted { match_index, round, repairing });
    }

    /// The round that an answer confirms: none while the node is repairing, for it may have forgotten whom else it followed.
    pub(super) fn confirming(&self, round: u64) -> (u64, bool) {
        match self.repairing {
            Some(_) => (0, true),
            None => (round, false),
        }
    }

    /// Whether this node has lost entries and not caught up yet.
    pub fn is_repairing(&self) -> bool {
        self.repairing.is_some()
    }

    /// The node is whole again when it has committed whatever it may have had: the leader from whom it has that has all that was ever committed.
    pub(super) fn commit_repaired(&mut self) {
        if self.repairing.is_some_and(|lost| self.commit >= lost) {
            self.repairing = None;
        }
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
        let base = self.log.base_index();
        for entry in entries.into_iter().filter(|entry| entry.index >= base) {
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

    /// The planted bug `stale-append-truncates`: whatever follows the entry before the new ones is cut off, conflict or not.
    fn truncate_blindly(&mut self, prev_index: LogIndex) {
        let from = prev_index.max(self.commit).next();
        if from <= self.log.last_index() {
            self.truncate(from);
        }
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
}

/// Whether the entries directly follow the previous one, with terms that never decrease nor exceed the sender's: a
/// peer's word is checked, not trusted.
fn well_formed(prev_index: LogIndex, prev_term: Term, entries: &[Entry], term: Term) -> bool {
    let follows =
        |(entry, place): (&Entry, u64)| prev_index.0.checked_add(place) == Some(entry.index.0);
    let contiguous = entries.iter().zip(1..).all(follows);
    let first_term = entries.first().map_or(prev_term, |entry| entry.term);
    let last_term = entries.last().map_or(prev_term, |entry| entry.term);
    contiguous
        && prev_term <= first_term
        && entries.is_sorted_by_key(|entry| entry.term)
        && last_term <= term
}

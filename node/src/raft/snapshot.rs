//! Snapshots (7; dissertation, 5): what the log holds up to some index, as the state that it leads to. The log before it can be forgotten, and who
//! needs what is forgotten gets the snapshot, in chunks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::configuration::Configuration;
use super::core::{INDEX_MAX, Raft};
use super::effects::{Apply, LogWrite};
use super::log::{Entry, Log, Place};
use super::message::Body;
use super::progress::Sending;
use super::role::Role;
use super::{LogIndex, NodeId, Term};
use crate::bug::Bug;
use crate::trace::{Event, Hash, Position};

/// What a snapshot stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last entry that it covers.
    pub last_index: LogIndex,
    /// Term of that entry.
    pub last_term: Term,
    /// Chained hash of the log up to there.
    pub hash: u64,
    /// The members of the cluster as of that entry.
    pub configuration: Configuration,
}

/// A state of the state machine, opaque to Raft, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it stands for.
    pub meta: SnapshotMeta,
    /// The state.
    pub data: Arc<[u8]>,
}

impl SnapshotMeta {
    pub(super) fn place(&self) -> Place {
        Place { index: self.last_index, term: self.last_term, hash: self.hash }
    }

    pub(super) fn position(&self) -> Position {
        let (index, entry_term) = (self.last_index, self.last_term);
        Position { index, entry_term, hash: Hash(self.hash) }
    }
}

/// A snapshot that a leader is sending us. Given up when the term or the leader changes.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    meta: SnapshotMeta,
    /// What has arrived: a prefix.
    data: Vec<u8>,
}

/// A snapshot on its way to a peer. A newer one does not disturb it.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) snapshot: Snapshot,
    /// So many bytes have arrived.
    offset: usize,
    /// Whether the next chunk is out. A heartbeat ends the wait: it may have been lost.
    pub(super) waiting: bool,
}

impl Raft {
    /// The shell has written the state machine down, as it is at an applied index: the log up to there can go, but for a tail that spares followers
    /// who are a little behind the whole snapshot.
    pub(super) fn handle_snapshotted(&mut self, index: LogIndex, data: Arc<[u8]>) {
        assert!(index <= self.commit, "only what is applied is in the state machine");
        if index <= self.snapshot_index() {
            return; // A newer one was installed meanwhile.
        }
        let Place { index, term, hash } = self.log.place(index).expect("it is not forgotten yet");
        let configuration = self.configuration_at(index).clone();
        let meta = SnapshotMeta { last_index: index, last_term: term, hash, configuration };
        let snapshot = Snapshot { meta, data };
        self.snapshot = Some(snapshot.clone());
        self.effects.snapshot = Some(snapshot);
        let through = LogIndex(index.0.saturating_sub(self.config.limits.retained_entries));
        if through > self.log.base_index() {
            let configuration = self.configuration_at(through).clone();
            self.configurations_begin(through, configuration);
            self.log.compact(through);
            self.effects.compact = Some(through.next());
        }
    }

    /// Up to where the log is covered by a snapshot.
    pub(super) fn snapshot_index(&self) -> LogIndex {
        self.snapshot.as_ref().map_or(LogIndex(0), |snapshot| snapshot.meta.last_index)
    }

    /// Begins to send a peer the snapshot, because what it needs next is forgotten.
    pub(super) fn begin_snapshot(&mut self, peer: NodeId) {
        let snapshot = self.snapshot.clone().expect("only what a snapshot covers is forgotten");
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(progress) = leadership.progress.get_mut(&peer) else { return };
        progress.sending = Sending::Snapshot(Outgoing { snapshot, offset: 0, waiting: false });
        self.send_chunk(peer);
    }

    /// Sends the next chunk, unless one is out.
    pub(super) fn send_chunk(&mut self, peer: NodeId) {
        let chunk_bytes = self.config.limits.chunk_bytes_max;
        let Role::Leader(leadership) = &mut self.role else { return };
        let round = leadership.round;
        let Some(progress) = leadership.progress.get_mut(&peer) else { return };
        let Sending::Snapshot(outgoing) = &mut progress.sending else { return };
        if std::mem::replace(&mut outgoing.waiting, true) {
            return;
        }
        let (offset, data) = (outgoing.offset, &outgoing.snapshot.data);
        let end = (offset + chunk_bytes).min(data.len());
        let body = Body::InstallSnapshot {
            meta: outgoing.snapshot.meta.clone(),
            offset: offset as u64,
            chunk: data[offset..end].to_vec(),
            done: end == data.len(),
            round,
        };
        self.send(peer, body);
    }

    /// A peer says how much of a snapshot it has. Less than before means that it has begun anew.
    pub(super) fn handle_snapshot_received(
        &mut self,
        from: NodeId,
        last_index: LogIndex,
        offset: u64,
        round: u64,
    ) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(progress) = leadership.progress.get_mut(&from) else { return };
        progress.acked_round = progress.acked_round.max(round);
        if let Sending::Snapshot(outgoing) = &mut progress.sending {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let about_this = outgoing.snapshot.meta.last_index == last_index
                && offset <= outgoing.snapshot.data.len();
            if about_this && offset != outgoing.offset {
                outgoing.offset = offset;
                outgoing.waiting = false;
            }
            self.send_chunk(from);
        }
        self.maybe_confirm_reads();
    }

    /// The leader sends a chunk of a snapshot.
    pub(super) fn handle_install_snapshot(&mut self, leader: NodeId, chunk: Chunk) {
        if !self.follow(leader) {
            return;
        }
        let Chunk { meta, offset, data, done, round } = chunk;
        // A peer's word is checked, not trusted: with such a snapshot this node could not start again.
        let is_far = meta.last_index > INDEX_MAX;
        if is_far || meta.last_term > self.term() || meta.configuration.voters.is_empty() {
            return;
        }
        let last_index = meta.last_index;
        let is_old = last_index <= self.commit;
        if is_old && self.config.bug != Some(Bug::OldSnapshotInstalled) {
            // We have it all, and so has the leader (leader completeness): it may go on from our commit index.
            self.incoming = None;
            self.accept(leader, self.commit, round);
            return;
        }
        let same = self.incoming.take().filter(|incoming| incoming.meta == meta);
        let mut received = same.map_or_else(Vec::new, |incoming| incoming.data);
        let is_next = received.len() as u64 == offset; // Or else a repeated chunk, or one after a gap.
        if is_next {
            received.extend(data);
        }
        if is_next && done && !(self.config.is_readable)(&received) {
            return; // The next heartbeat brings the leader to begin anew; to ask for it at once could go on for ever.
        }
        if is_next && done {
            let snapshot = Snapshot { meta, data: received.into() };
            if is_old {
                self.go_back(snapshot)
            } else {
                self.install(snapshot)
            }
            self.accept(leader, last_index, round);
        } else {
            let offset = received.len() as u64;
            self.incoming = Some(Incoming { meta, data: received });
            let (round, _) = self.confirming(round);
            self.send(leader, Body::SnapshotReceived { last_index, offset, round });
        }
    }

    /// The planted bug `old-snapshot-installed`: the state of a snapshot takes the place of a newer one, while log and commit index stay as they are.
    fn go_back(&mut self, snapshot: Snapshot) {
        self.trace(Event::Installed {
            at: snapshot.meta.position(),
            log_ends: self.log.last_index(),
        });
        self.effects.apply.push(Apply::Restore(snapshot));
        self.effects.compact = Some(self.log.base_index().next()); // Forgets nothing; but what restores a state stands alone.
    }

    /// Takes over the state of a snapshot that goes beyond what is committed here. The log stays only where it certainly continues the
    /// snapshot: it has the very entry with which that ends.
    fn install(&mut self, snapshot: Snapshot) {
        let place = snapshot.meta.place();
        if self.log.term(place.index) == Some(place.term) {
            self.log.compact(place.index);
        } else {
            if self.log.last_index() > self.commit {
                let from = self.commit.next();
                self.effects.log.push(LogWrite::Truncate { from });
            }
            self.log = Log::after(place, Vec::new());
            self.configurations.clear();
        }
        self.configurations_begin(place.index, snapshot.meta.configuration.clone());
        self.effects.compact = Some(place.index.next());
        self.effects.snapshot = Some(snapshot.clone());
        self.commit = place.index;
        self.trace(Event::Installed {
            at: snapshot.meta.position(),
            log_ends: self.log.last_index(),
        });
        self.configuration_changed();
        self.effects.apply.push(Apply::Restore(snapshot.clone()));
        self.snapshot = Some(snapshot);
        self.commit_repaired();
        self.maybe_answer_forwarded();
    }
}

/// A chunk of a snapshot, as it came.
pub(super) struct Chunk {
    pub(super) meta: SnapshotMeta,
    pub(super) offset: u64,
    pub(super) data: Vec<u8>,
    pub(super) done: bool,
    pub(super) round: u64,
}

/// The log of a node that starts, and what must be done to the disk so that it is the same there. The log on disk may be of before the snapshot: the
/// node was killed between the two.
pub(super) fn log_after(
    snapshot: Option<&Snapshot>,
    mut entries: Vec<Entry>,
) -> (Log, Vec<LogWrite>, Option<LogIndex>) {
    let base = snapshot.map_or(Place::START, |snapshot| snapshot.meta.place());
    let first = entries.first().map_or_else(|| base.index.next(), |entry| entry.index);
    let last = entries.last().map_or(base.index, |entry| entry.index);
    assert!(first <= base.index.next(), "the log begins at {first}, after {}", base.index);
    let continues = |entry: &Entry| entry.index == base.index && entry.term == base.term;
    if first == base.index.next() || entries.iter().any(continues) {
        entries.retain(|entry| entry.index > base.index);
        return (Log::after(base, entries), vec![], None);
    }
    let cut = LogWrite::Truncate { from: first };
    let writes = if last >= base.index { vec![cut] } else { vec![] };
    (Log::after(base, Vec::new()), writes, Some(base.index.next()))
}

#[cfg(test)]
mod tests {
    use super::super::log::Payload;
    use super::*;

    fn entries(terms: &[(u64, u64)]) -> Vec<Entry> {
        let entry = |(index, term): &(u64, u64)| Entry {
            index: LogIndex(*index),
            term: Term(*term),
            payload: Payload::Noop,
        };
        terms.iter().map(entry).collect()
    }

    /// The indexes that are left, and what is to be done on disk.
    fn check(
        snapshot: Option<(u64, u64)>,
        found: &[(u64, u64)],
        left: &[(u64, u64)],
        truncate: Option<u64>,
        compact: Option<u64>,
    ) {
        let snapshot = snapshot.map(|(index, term)| Snapshot {
            meta: SnapshotMeta {
                last_index: LogIndex(index),
                last_term: Term(term),
                hash: 7,
                configuration: Configuration::default(),
            },
            data: Arc::default(),
        });
        let (log, writes, compacted) = log_after(snapshot.as_ref(), entries(found));
        assert_eq!(log.slice(log.base_index().next(), u64::MAX), entries(left), "{found:?}");
        let truncated = truncate.map(|from| LogWrite::Truncate { from: LogIndex(from) });
        assert_eq!(writes, Vec::from_iter(truncated), "{found:?}");
        assert_eq!(compacted, compact.map(LogIndex), "{found:?}");
    }

    #[test]
    fn a_log_of_before_the_snapshot_is_put_right() {
        let three = [(1, 1), (2, 1), (3, 2)];
        check(None, &three, &three, None, None);
        check(Some((2, 1)), &three, &[(3, 2)], None, None);
        check(Some((3, 2)), &three, &[], None, None);
        check(Some((2, 1)), &[(3, 2)], &[(3, 2)], None, None);
        check(Some((2, 1)), &[], &[], None, None);
        // The node was killed after it had saved the snapshot, and before it changed the log.
        check(Some((5, 2)), &three, &[], None, Some(6));
        check(Some((2, 3)), &three, &[], Some(1), Some(3));
    }
}

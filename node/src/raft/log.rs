//! The node's copy of the log, as it is in memory. What stands here is on disk by the time anybody hears of it.
//!
//! Invariants: indices are contiguous from 1; terms never decrease along the log.

use serde::{Deserialize, Serialize};

use super::{LogIndex, Term};

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its position.
    pub index: LogIndex,
    /// The term of the leader that created it.
    pub term: Term,
    /// What it holds.
    pub payload: Payload,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing: a leader's first entry, which lets it commit what it inherited.
    Noop,
    /// A command for the state machine.
    Command(Vec<u8>),
}

/// What an entry costs beyond the bytes of its command: index, term, lengths.
const ENTRY_OVERHEAD_BYTES: u64 = 16;

impl Payload {
    /// How much an entry with this payload counts against the limits.
    pub(super) fn bytes(&self) -> u64 {
        ENTRY_OVERHEAD_BYTES
            + match self {
                Self::Noop => 0,
                Self::Command(command) => command.len() as u64,
            }
    }
}

/// The log with a chained hash of every prefix.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    entries: Vec<Entry>,
    /// `hashes[i]` covers `entries[..=i]`.
    hashes: Vec<u64>,
}

impl Log {
    /// The log as it was read from disk.
    pub(super) fn restore(entries: Vec<Entry>) -> Self {
        let mut log = Self::default();
        for entry in entries {
            log.append(entry);
        }
        log
    }

    pub(super) fn append(&mut self, entry: Entry) {
        assert_eq!(entry.index, self.last_index().next(), "log indices are contiguous");
        assert!(entry.term >= self.last_term(), "terms never decrease along the log");
        let before = self.hashes.last().copied().unwrap_or(FNV_OFFSET);
        self.hashes.push(chain(before, &entry));
        self.entries.push(entry);
    }

    /// Removes the entry at `from` and everything after it.
    pub(super) fn truncate(&mut self, from: LogIndex) {
        assert!(from > LogIndex(0) && from <= self.last_index(), "only what is there can be cut");
        let keep = slot(from);
        self.entries.truncate(keep);
        self.hashes.truncate(keep);
    }

    pub(super) fn last_index(&self) -> LogIndex {
        LogIndex(self.entries.len() as u64)
    }

    pub(super) fn last_term(&self) -> Term {
        self.entries.last().map_or(Term(0), |entry| entry.term)
    }

    /// The term at `index`: that of the entry, 0 at index 0, nothing beyond the end.
    pub(super) fn term(&self, index: LogIndex) -> Option<Term> {
        match index {
            LogIndex(0) => Some(Term(0)),
            _ => self.entry(index).map(|entry| entry.term),
        }
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        if index == LogIndex(0) { None } else { self.entries.get(slot(index)) }
    }

    /// Chained hash of the log up to and with `index`, which must be there.
    pub(super) fn hash(&self, index: LogIndex) -> u64 {
        self.hashes[slot(index)]
    }

    /// Chained hashes up to each of the last entries, at most `count` of them.
    pub(super) fn last_hashes(&self, count: usize) -> &[u64] {
        &self.hashes[self.hashes.len().saturating_sub(count)..]
    }

    /// The entries from `from` on, so many that they do not exceed `bytes_max`; at least one, where there is one.
    pub(super) fn slice(&self, from: LogIndex, bytes_max: u64) -> &[Entry] {
        let rest = &self.entries[slot(from).min(self.entries.len())..];
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.payload.bytes();
            bytes <= bytes_max
        };
        let count = rest.iter().take_while(fits).count();
        &rest[..count.max(1).min(rest.len())]
    }

    /// The first index of the run of entries that have the same term as the entry at `index`.
    pub(super) fn first_of_term(&self, index: LogIndex) -> LogIndex {
        let term = self.term(index);
        let mut first = index;
        while first > LogIndex(1) && self.term(first.previous()) == term {
            first = first.previous();
        }
        first
    }
}

fn slot(index: LogIndex) -> usize {
    assert!(index > LogIndex(0), "the log starts at index 1");
    (index.0 - 1) as usize
}

/// FNV-1a, 64 bits: four lines, the same for ever, and no adversary chooses our entries.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn chain(before: u64, entry: &Entry) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    let head = before.to_le_bytes().into_iter().chain(entry.term.0.to_le_bytes());
    let hash = head.fold(FNV_OFFSET, mix);
    match &entry.payload {
        Payload::Noop => mix(hash, 0),
        Payload::Command(command) => command.iter().copied().fold(mix(hash, 1), mix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> Entry {
        Entry {
            index: LogIndex(index),
            term: Term(term),
            payload: Payload::Command(vec![term as u8]),
        }
    }

    #[test]
    fn hashes_tell_prefixes_apart_and_forget_what_was_cut() {
        let mut log = Log::restore(vec![entry(1, 1), entry(2, 1), entry(3, 2)]);
        let other = Log::restore(vec![entry(1, 1), entry(2, 2), entry(3, 2)]);
        assert_eq!(log.last_hashes(2), [log.hash(LogIndex(2)), log.hash(LogIndex(3))]);
        assert_eq!(log.last_hashes(9).len(), 3);
        assert_eq!(log.hash(LogIndex(1)), other.hash(LogIndex(1)));
        assert_ne!(log.hash(LogIndex(2)), other.hash(LogIndex(2)));
        assert_ne!(
            log.hash(LogIndex(3)),
            other.hash(LogIndex(3)),
            "the same entry on another prefix"
        );
        log.truncate(LogIndex(2));
        log.append(entry(2, 2));
        log.append(entry(3, 2));
        assert_eq!(log.hash(LogIndex(3)), other.hash(LogIndex(3)));
    }

    #[test]
    fn first_of_term_walks_back_over_the_whole_term() {
        let log = Log::restore(vec![entry(1, 1), entry(2, 3), entry(3, 3), entry(4, 3)]);
        assert_eq!(log.first_of_term(LogIndex(4)), LogIndex(2));
        assert_eq!(log.first_of_term(LogIndex(1)), LogIndex(1));
    }
}

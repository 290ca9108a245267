//! The node's copy of the log, as it is in memory. What stands here is on disk by the time anybody hears of it.
//!
//! Invariants: indices are contiguous from just after the *base*, which is 0 or where the log was compacted; terms never decrease
//! along the log.

use serde::{Deserialize, Serialize};

use super::configuration::Configuration;
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
    Command(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The members of the cluster from here on. In a box, as nearly every entry is a command and should not be as large as a configuration.
    Configuration(Box<Configuration>),
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
                Self::Configuration(configuration) => 4 * configuration.members().len() as u64,
            }
    }
}

/// A place in the log: equal places mean equal logs up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: LogIndex,
    /// Term of the entry there.
    pub(super) term: Term,
    /// Chained hash of the log up to and with it.
    pub(super) hash: u64,
}

impl Place {
    /// Before the first entry.
    pub(super) const START: Self = Self { index: LogIndex(0), term: Term(0), hash: FNV_OFFSET };

    /// The place of the entry that comes next.
    fn followed_by(self, entry: &Entry) -> Self {
        assert_eq!(entry.index, self.index.next(), "log indices are contiguous");
        assert!(entry.term >= self.term, "terms never decrease along the log");
        Self { index: entry.index, term: entry.term, hash: chain(self.hash, entry) }
    }
}

/// The log with a chained hash of every prefix.
#[derive(Clone, Debug)]
pub(super) struct Log {
    /// What is up to here is forgotten.
    base: Place,
    entries: Vec<Entry>,
    /// `hashes[i]` covers everything up to and with `entries[i]`.
    hashes: Vec<u64>,
}

impl Log {
    /// A log that begins after a place, with these entries.
    pub(super) fn after(base: Place, entries: Vec<Entry>) -> Self {
        let next = |last: &mut Place, entry| {
            *last = last.followed_by(entry);
            Some(last.hash)
        };
        let hashes = entries.iter().scan(base, next).collect();
        Self { base, entries, hashes }
    }

    pub(super) fn append(&mut self, entry: Entry) {
        let last = self.place(self.last_index()).expect("the last entry has a place");
        self.hashes.push(last.followed_by(&entry).hash);
        self.entries.push(entry);
    }

    /// Removes the entry at `from` and everything after it.
    pub(super) fn truncate(&mut self, from: LogIndex) {
        assert!(
            from > self.base.index && from <= self.last_index(),
            "only what is there can be cut"
        );
        let keep = self.slot(from);
        self.entries.truncate(keep);
        self.hashes.truncate(keep);
    }

    /// Forgets everything up to and with the entry at `through`.
    pub(super) fn compact(&mut self, through: LogIndex) {
        let base = self.place(through).expect("only what is there can be forgotten");
        let gone = (through.0 - self.base.index.0) as usize;
        self.entries.drain(..gone);
        self.hashes.drain(..gone);
        self.base = base;
    }

    /// Where the log begins: the last place that is forgotten.
    pub(super) fn base_index(&self) -> LogIndex {
        self.base.index
    }

    pub(super) fn last_index(&self) -> LogIndex {
        LogIndex(self.base.index.0 + self.entries.len() as u64)
    }

    pub(super) fn last_term(&self) -> Term {
        self.entries.last().map_or(self.base.term, |entry| entry.term)
    }

    /// The place of the entry at `index`: nothing before the base, nor beyond the end.
    pub(super) fn place(&self, index: LogIndex) -> Option<Place> {
        if index == self.base.index {
            return Some(self.base);
        }
        let entry = self.entry(index)?;
        Some(Place { index, term: entry.term, hash: self.hashes[self.slot(index)] })
    }

    /// The term at `index`; nothing before the base, nor beyond the end.
    pub(super) fn term(&self, index: LogIndex) -> Option<Term> {
        self.place(index).map(|place| place.term)
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        if index <= self.base.index { None } else { self.entries.get(self.slot(index)) }
    }

    /// Chained hashes up to each of the last entries, at most `count` of them.
    pub(super) fn last_hashes(&self, count: usize) -> &[u64] {
        &self.hashes[self.hashes.len().saturating_sub(count)..]
    }

    /// The entries from `from` on, so many that they do not exceed `bytes_max`; at least one, where there is one.
    pub(super) fn slice(&self, from: LogIndex, bytes_max: u64) -> &[Entry] {
        let rest = &self.entries[self.slot(from).min(self.entries.len())..];
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
        while first > self.base.index.next() && self.term(first.previous()) == term {
            first = first.previous();
        }
        first
    }

    fn slot(&self, index: LogIndex) -> usize {
        assert!(index > self.base.index, "what is up to the base is forgotten");
        (index.0 - self.base.index.0 - 1) as usize
    }
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
        Payload::Configuration(configuration) => {
            let Configuration { voters, outgoing, learners, removed } = &**configuration;
            let sets = [voters, outgoing, learners, removed].into_iter();
            let bytes = sets.flat_map(|ids| {
                let ids = ids.iter().flat_map(|id| id.0.to_le_bytes());
                (ids).chain([0xff; 4])
            });
            bytes.fold(mix(hash, 2), mix)
        }
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

    fn log(entries: impl IntoIterator<Item = Entry>) -> Log {
        let mut log = Log::after(Place::START, Vec::new());
        entries.into_iter().for_each(|entry| log.append(entry));
        log
    }

    fn hash(log: &Log, index: u64) -> u64 {
        log.place(LogIndex(index)).unwrap().hash
    }

    #[test]
    fn hashes_tell_prefixes_apart_and_forget_what_was_cut() {
        let mut one = log([entry(1, 1), entry(2, 1), entry(3, 2)]);
        let other = log([entry(1, 1), entry(2, 2), entry(3, 2)]);
        assert_eq!(one.last_hashes(2), [hash(&one, 2), hash(&one, 3)]);
        assert_eq!(one.last_hashes(9).len(), 3);
        assert_eq!(hash(&one, 1), hash(&other, 1));
        assert_ne!(hash(&one, 2), hash(&other, 2));
        assert_ne!(hash(&one, 3), hash(&other, 3), "the same entry on another prefix");
        one.truncate(LogIndex(2));
        one.append(entry(2, 2));
        one.append(entry(3, 2));
        assert_eq!(hash(&one, 3), hash(&other, 3));
    }

    #[test]
    fn first_of_term_walks_back_over_the_whole_term() {
        let mut log = log([entry(1, 1), entry(2, 3), entry(3, 3), entry(4, 3)]);
        assert_eq!(log.first_of_term(LogIndex(4)), LogIndex(2));
        assert_eq!(log.first_of_term(LogIndex(1)), LogIndex(1));
        log.compact(LogIndex(2));
        assert_eq!(log.first_of_term(LogIndex(4)), LogIndex(3));
    }

    #[test]
    fn a_compacted_log_goes_on_as_if_nothing_were_forgotten() {
        let whole = log([entry(1, 1), entry(2, 1), entry(3, 2), entry(4, 2)]);
        let mut short = whole.clone();
        short.compact(LogIndex(2));
        assert_eq!((short.base_index(), short.last_index()), (LogIndex(2), LogIndex(4)));
        assert_eq!(short.term(LogIndex(1)), None);
        for index in 2..=4 {
            assert_eq!(short.place(LogIndex(index)), whole.place(LogIndex(index)));
        }
        assert_eq!(short.slice(LogIndex(3), 0), [entry(3, 2)], "at least one");
        assert_eq!(short.slice(LogIndex(3), 1_000), [entry(3, 2), entry(4, 2)]);
        short.compact(LogIndex(4));
        assert_eq!((short.last_index(), short.last_term()), (LogIndex(4), Term(2)));
        assert_eq!(short.place(LogIndex(4)), whole.place(LogIndex(4)));
        assert!(short.last_hashes(9).is_empty() && short.slice(LogIndex(5), 9).is_empty());
    }
}

//! The shape of the durable log: which indices it holds, of which terms, and in which segments.
//!
//! Writer and reader share the rules. The writer applies every record before it writes it, the reader when it reads it back: a log that can be
//! written can be read, and one that breaks the rules is neither.

use super::frame::{Record, SnapshotMark};
use crate::raft::{HardState, LogIndex, Term};

/// What the log is without its payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) hard_state: HardState,
    /// The newest durable snapshot.
    pub(super) snapshot: Option<SnapshotMark>,
    /// How far the log may have reached before it was damaged, until everything is there again.
    pub(super) repairing: Option<LogIndex>,
    /// Each segment's number and the first entry that still lives in it or, where none does, behind it.
    segments: Vec<(u64, LogIndex)>,
    /// Where the next entry goes.
    next: LogIndex,
    /// Where each run of equal terms begins.
    terms: Vec<(LogIndex, Term)>,
}

impl Shape {
    /// A log that begins at `next`; what is before it is gone.
    pub(super) fn new(next: LogIndex) -> Self {
        Self {
            hard_state: HardState::default(),
            snapshot: None,
            repairing: None,
            segments: Vec::new(),
            next,
            terms: Vec::new(),
        }
    }

    pub(super) fn begin_segment(&mut self, number: u64) {
        self.segments.push((number, self.next));
    }

    /// The first index of the log; `next` if it is empty.
    pub(super) fn first(&self) -> LogIndex {
        self.segments.first().map_or(self.next, |(_, first)| *first)
    }

    pub(super) fn next(&self) -> LogIndex {
        self.next
    }

    pub(super) fn last(&self) -> LogIndex {
        self.next.previous()
    }

    /// The last entry that may ever have been acknowledged.
    pub(super) fn last_promised(&self) -> LogIndex {
        self.repairing.map_or_else(|| self.last(), |up_to| up_to.max(self.last()))
    }

    pub(super) fn term(&self, index: LogIndex) -> Option<Term> {
        if index < self.first() || index >= self.next {
            return None;
        }
        self.terms.iter().rfind(|(first, _)| *first <= index).map(|(_, term)| *term)
    }

    /// Takes a record. An error says which rule it breaks, and leaves the shape as it was.
    pub(super) fn apply(&mut self, record: &Record<'_>) -> Result<(), &'static str> {
        match record {
            Record::HardState(state) => self.hard_state = *state,
            Record::Entry(entry) if entry.index != self.next => {
                return Err("a log index is out of order");
            }
            Record::Entry(entry) => {
                if self.terms.last().is_none_or(|(_, term)| *term != entry.term) {
                    self.terms.push((entry.index, entry.term));
                }
                self.next = entry.index.next();
            }
            Record::Truncate { from } => self.truncate(*from)?,
            Record::Snapshot { mark, replaces_log } => self.mark_snapshot(*mark, *replaces_log)?,
            Record::Repair { up_to } => self.repairing = *up_to,
        }
        Ok(())
    }

    /// The record of a snapshot that has been saved, by Raft's rule (figure 13, steps 6 and 7): what follows the snapshot stays if the entry it ends with is
    /// in the log; else the log is of another history, or too short, and goes.
    pub(super) fn snapshot_record(&self, mark: SnapshotMark) -> Record<'static> {
        Record::Snapshot { mark, replaces_log: self.lacks(mark) }
    }

    /// Forgets the segments that hold nothing from `keep_from` on, never the last; returns their numbers, oldest first.
    pub(super) fn drop_segments(&mut self, keep_from: LogIndex) -> Vec<u64> {
        let behind = self.segments.iter().skip(1);
        let count = behind.take_while(|(_, first)| *first <= keep_from).count();
        self.segments.drain(..count).map(|(number, _)| number).collect()
    }

    fn truncate(&mut self, from: LogIndex) -> Result<(), &'static str> {
        let covered = self.snapshot.map_or(LogIndex(0), |mark| mark.index);
        if from <= covered {
            return Err("a truncation goes below the snapshot");
        }
        if from > self.next {
            return Err("a truncation lies beyond the end of the log");
        }
        self.next = from;
        self.terms.retain(|(first, _)| *first < from);
        for (_, first) in &mut self.segments {
            *first = (*first).min(from);
        }
        Ok(())
    }

    fn mark_snapshot(
        &mut self,
        mark: SnapshotMark,
        replaces_log: bool,
    ) -> Result<(), &'static str> {
        if let Some(newest) = self.snapshot
            && (newest.index > mark.index || newest.index == mark.index && newest.term != mark.term)
        {
            return Err("a snapshot does not follow the one before it");
        }
        if !replaces_log && self.lacks(mark) {
            return Err("a snapshot is of another log");
        }
        self.snapshot = Some(mark);
        if replaces_log {
            self.next = mark.index.next();
            self.terms.clear();
            for (_, first) in &mut self.segments {
                *first = self.next;
            }
        }
        Ok(())
    }

    /// Whether a snapshot ends with an entry that should be in the log and is not.
    fn lacks(&self, mark: SnapshotMark) -> bool {
        mark.index >= self.first() && self.term(mark.index) != Some(mark.term)
    }
}

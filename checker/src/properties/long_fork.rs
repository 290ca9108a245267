//! Long fork: two readers see two writes in opposite orders.
//!
//! After Jepsen's `long-fork` (`jepsen.tests.long-fork`): parallel snapshot isolation (Sovran et al., SOSP 2011) permits it, snapshot
//! isolation does not. Every key is written at most once; a transaction that reads several keys sees some of them written and some not yet. If
//! one saw `x` and not `y`, and another `y` and not `x`, then no order of the two writes explains both.
//!
//! Transactions are lists of `["r", key, value]` and `["w", key, value]`, in `txn`, `read` or `write`. A key that was written several times
//! is not compared. Reads that saw the same are compared once, so a valid history costs the size of its reads.

use std::collections::{BTreeMap, HashMap, HashSet};

use rustc_hash::{FxBuildHasher, FxHashSet};
use serde_json::json;

use super::counted;
use super::elements::Elements;
use super::findings::{Findings, violation};
use crate::explain::{when, who};
use crate::history::{History, Operation, Outcome, ValueId, View};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "long-fork";

/// Judges a history.
pub fn check(history: &History) -> CheckReport {
    let mut forks = Forks::new(history);
    for (place, operation) in history.operations().iter().enumerate() {
        forks.note_writes(place as u32, operation);
    }
    for (place, operation) in history.operations().iter().enumerate() {
        if operation.outcome == Outcome::Ok {
            forks.take_read(place as u32, operation);
        }
    }
    forks.report()
}

struct Forks<'a> {
    history: &'a History,
    keys: Elements<'a>,
    /// By key: the first operation that wrote it, and whether there is another.
    writers: Vec<Option<(u32, bool)>>,
    /// Whatever was seen already: each key, doubled, and one more where it was there; in the order of the keys.
    known: FxHashSet<Box<[u32]>>,
    /// A read that saw the first key and not the second.
    ahead: HashMap<(u32, u32), u32, FxBuildHasher>,
    findings: Findings,
    reads: usize,
    /// Reads that saw nothing, a part, everything.
    seen: [usize; 3],
}

/// A step of a transaction.
enum Step {
    Read(ValueId, ValueId),
    Write(ValueId),
}

impl<'a> Forks<'a> {
    fn new(history: &'a History) -> Self {
        Self {
            history,
            keys: Elements::new(history.values(), history.operations().len()),
            writers: Vec::new(),
            known: HashSet::default(),
            ahead: HashMap::default(),
            findings: Findings::default(),
            reads: 0,
            seen: [0; 3],
        }
    }

    /// The steps of an operation; a plain read or write of its key is one step.
    fn steps(&self, operation: &'a Operation) -> impl Iterator<Item = Step> + use<'a> {
        let (history, values) = (self.history, self.history.values());
        let plain_write =
            history.function("write") == Some(operation.function) && operation.key != ValueId::NIL;
        let plain = plain_write.then_some(Step::Write(operation.key));
        let steps = values.list(operation.value).filter(|_| !plain_write).unwrap_or_default();
        let step = |id: &ValueId| match values.list(*id)? {
            [f, key, value] => match values.as_text(*f)? {
                "r" => Some(Step::Read(*key, *value)),
                "w" | "append" => Some(Step::Write(*key)),
                _ => None,
            },
            _ => None,
        };
        plain.into_iter().chain(steps.iter().filter_map(step))
    }

    fn note_writes(&mut self, place: u32, operation: &'a Operation) {
        if operation.outcome == Outcome::Fail {
            return;
        }
        for step in self.steps(operation) {
            let Step::Write(key) = step else { continue };
            let number = self.keys.number(key);
            if self.writers.len() <= number {
                self.writers.resize(number + 1, None);
            }
            match &mut self.writers[number] {
                Some((_, again)) => *again = true,
                none => *none = Some((place, false)),
            }
        }
    }

    fn is_written_again(&self, key: u32) -> bool {
        self.writers.get(key as usize).copied().flatten().is_some_and(|(_, again)| again)
    }

    /// Notes what a transaction read, if it read several keys.
    fn take_read(&mut self, place: u32, operation: &'a Operation) {
        let mut seen = Vec::new();
        let mut own = Vec::new();
        for step in self.steps(operation) {
            match step {
                Step::Write(key) => own.push(key),
                // What a transaction wrote itself tells nothing of others.
                Step::Read(key, _) if own.contains(&key) => {}
                Step::Read(key, value) => {
                    let number = self.keys.number(key) as u32;
                    if !self.is_written_again(number) {
                        seen.push(2 * number + u32::from(!self.is_nothing(value)));
                    }
                }
            }
        }
        seen.sort_unstable();
        seen.dedup();
        if seen.len() < 2 {
            return;
        }
        self.reads += 1;
        let there = seen.iter().filter(|word| **word % 2 == 1).count();
        let part = if there == 0 { 0 } else { 1 + usize::from(there == seen.len()) };
        self.seen[part] += 1;
        if part == 1 && !self.known.contains(seen.as_slice()) {
            self.compare(place, &seen);
            self.known.insert(seen.into());
        }
    }

    fn is_nothing(&self, value: ValueId) -> bool {
        value == ValueId::NIL || self.history.values().list(value).is_some_and(<[_]>::is_empty)
    }

    /// Looks for an earlier read that saw what this one lacks and lacks what this one saw.
    fn compare(&mut self, place: u32, seen: &[u32]) {
        let keys = |there: u32| {
            let of = seen.iter().filter(move |word| **word % 2 == there);
            of.map(|word| word / 2)
        };
        let mut told = None;
        for there in keys(1) {
            for lacking in keys(0) {
                self.ahead.entry((there, lacking)).or_insert(place);
                let other = self.ahead.get(&(lacking, there)).copied();
                if let Some(other) = other.filter(|other| *other != place && told != Some(*other)) {
                    told = Some(other);
                    let fork = Fork { there, lacking, place, other };
                    let (history, keys, writers) = (self.history, &self.keys, &self.writers);
                    self.findings.add("forks", || fork.told(history, keys, writers));
                }
            }
        }
    }

    fn report(self) -> CheckReport {
        let again: Vec<_> =
            (0..self.writers.len() as u32).filter(|key| self.is_written_again(*key)).collect();
        let [early, part, late] = self.seen;
        let mut doubts = Vec::new();
        if let Some(first) = again.first() {
            let (words, keys) = (self.keys.words(*first as usize), counted(again.len(), "key"));
            doubts
                .push(format!("{keys} written several times and not compared, first key {words}"));
        }
        if self.reads < 2 {
            doubts.push("fewer than two transactions read several keys".into());
        } else if part == 0 {
            doubts.push("no read fell between two writes: each saw all of its keys or none".into());
        }
        let figures = [
            ("reads", self.reads),
            ("early_reads", early),
            ("partial_reads", part),
            ("late_reads", late),
            ("forks", self.findings.count("forks")),
            ("keys_written_again", again.len()),
        ];
        let figures = figures.map(|(name, count)| (name.to_string(), json!(count)));
        let scope = format!(
            "{} of several keys, {part} of them between two writes",
            counted(self.reads, "read")
        );
        self.findings.report(NAME, scope, &doubts, BTreeMap::from(figures))
    }
}

/// Two reads that order two writes oppositely.
struct Fork {
    /// The key that the read at `place` saw, and the other did not.
    there: u32,
    /// The key that it did not see, and the other did.
    lacking: u32,
    place: u32,
    other: u32,
}

impl Fork {
    fn told(
        &self,
        history: &History,
        keys: &Elements<'_>,
        writers: &[Option<(u32, bool)>],
    ) -> Violation {
        let (a, b) = (history.view(self.place as usize), history.view(self.other as usize));
        let [x, y] =
            [self.there, self.lacking].map(|key| history.values().words(keys.id(key as usize)));
        let saw = |read: View<'_>, there: &str, lacking: &str| {
            format!(
                "{} saw the write of key {there} and not yet that of key {lacking}, {}.",
                who(read),
                when(read)
            )
        };
        let writer = |key: u32| writers.get(key as usize).copied().flatten();
        let written = [self.there, self.lacking].into_iter().filter_map(writer);
        let mut shown: Vec<_> = written.map(|(place, _)| history.view(place as usize)).collect();
        shown.extend([a, b]);
        let later = if a.completed() > b.completed() { a } else { b };
        let steps = vec![
            saw(a, &x, &y),
            saw(b, &y, &x),
            "Each key is written once: no order of the two writes explains both.".into(),
        ];
        let summary = format!("the writes of keys {x} and {y} were seen in opposite orders");
        violation(later, &summary, steps, shown)
    }
}

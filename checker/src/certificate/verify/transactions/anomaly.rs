//! Anomalies that are no cycles, each looked at again: the names are Elle's, the definitions Adya's and Elle's.
//!
//! All of them are about transactions that certainly happened, and none can be in a serial order:
//! - `G1a`: one read what another wrote that certainly failed, and nobody else wrote it.
//! - `G1b`: one read what another wrote, but not what that one wrote to the same key afterwards.
//! - `internal`: one contradicts its own earlier reads or writes.
//! - `duplicate-elements`: one read an element twice that was not appended twice.
//! - `incompatible-order`: two lists of one key, neither of which begins the other; also if one transaction read both.
//! - `lost-update`: two read the same version of a key, written once, and both wrote the key.
//! - `thin-air`: one read what nobody wrote.
//! - `future-read`: one read what only it writes, later.
//! - `reordered-appends`: somebody read elements of one in another order than it appended them in, or only the later one.
//! - `dirty-update`: one read an element that certainly failed and behind it one that did not.

use std::collections::HashMap;

use super::super::{Refusal, Verifier, refuse};
use super::facts::{Facts, Step, Transaction, Version};
use super::level::{forbids_anomaly, is_known, parts};
use crate::history::{Outcome, ValueId};

impl Verifier<'_> {
    /// Checks that transactions show an anomaly, and that the level rules it out.
    pub(super) fn anomaly(&self, facts: &Facts, name: &str, places: &[u32]) -> Result<(), Refusal> {
        if let Some(place) =
            places.iter().find(|place| **place as usize >= facts.transactions.len())
        {
            return refuse(format!("the history has no operation {place}"));
        }
        let involved: Vec<_> =
            places.iter().map(|place| &facts.transactions[*place as usize]).collect();
        let certain: Vec<_> =
            involved.iter().copied().filter(|t| t.outcome == Outcome::Ok).collect();
        let shown = match name {
            "G1a" => certain.iter().any(|t| reads(t).any(|v| aborted(facts, &involved, v))),
            "G1b" => pairs(&certain, &involved)
                .any(|(reader, writer)| intermediate(facts, reader, writer)),
            "internal" => certain.iter().any(|t| contradicts_itself(t)),
            "duplicate-elements" => certain.iter().any(|t| has_duplicates(facts, t)),
            "incompatible-order" => {
                certain.iter().any(|a| certain.iter().any(|b| incompatible(a, b)))
            }
            "lost-update" => pairs(&certain, &certain).any(|(a, b)| lost_update(facts, a, b)),
            "thin-air" => certain.iter().any(|t| reads(t).any(|v| unwritten(facts, v))),
            "future-read" => certain.iter().any(|t| reads_the_future(facts, t)),
            "reordered-appends" => involved.iter().any(|t| is_reordered(facts, t)),
            "dirty-update" => self.dirty_update(facts, &involved),
            other => {
                return Err(Refusal::Undecided(format!(
                    "this verifier does not know the anomaly {other}"
                )));
            }
        };
        if !shown {
            return refuse(format!("the transactions show no {name}"));
        }
        let (level, _) = parts(self.consistency);
        if !is_known(level) {
            let reason = format!("this verifier does not know the level {level}");
            return Err(Refusal::Undecided(reason));
        }
        if !forbids_anomaly(level, name) {
            return refuse(format!("{} allows {name}", self.consistency));
        }
        Ok(())
    }

    /// Whether somebody read an element that certainly failed and behind it one that did not, both of transactions that are named.
    fn dirty_update(&self, facts: &Facts, involved: &[&Transaction]) -> bool {
        let dirty = |key: ValueId, list: &[ValueId]| {
            let first = list.iter().position(|element| aborted(facts, involved, (key, *element)));
            first.is_some_and(|first| {
                list[first..].iter().any(|element| facts.writes((key, *element)) > 0)
            })
        };
        let steps = facts.transactions.iter().flat_map(|transaction| &transaction.steps);
        steps.into_iter().any(|step| matches!(step, Step::ReadList(key, list) if dirty(*key, list)))
    }
}

/// Every pair of different transactions.
fn pairs<'a>(
    first: &'a [&'a Transaction],
    second: &'a [&'a Transaction],
) -> impl Iterator<Item = (&'a Transaction, &'a Transaction)> {
    let pairs = first.iter().flat_map(move |a| second.iter().map(move |b| (*a, *b)));
    pairs.filter(|(a, b)| a.invoked != b.invoked)
}

/// Every version that a transaction read: of lists, every element.
fn reads(transaction: &Transaction) -> impl Iterator<Item = Version> {
    transaction.steps.iter().flat_map(|step| match step {
        Step::Read(version) => vec![*version],
        Step::ReadList(key, list) => list.iter().map(|element| (*key, *element)).collect(),
        Step::Write(_) => Vec::new(),
    })
}

/// Whether a version was written by one of some transactions, which failed, and by nobody who did not.
fn aborted(facts: &Facts, involved: &[&Transaction], version: Version) -> bool {
    let failed = involved.iter().filter(|transaction| transaction.outcome == Outcome::Fail);
    facts.writes(version) == 0 && failed.into_iter().any(|t| t.has_written(version))
}

/// Whether a version was never written, not even in vain.
fn unwritten(facts: &Facts, version: Version) -> bool {
    let is_initial = !facts.lists && version.1 == ValueId::NIL;
    facts.writes(version) == 0 && !facts.is_failed(version) && !is_initial
}

/// Whether a transaction read something that another wrote, but not what it wrote afterwards.
fn intermediate(facts: &Facts, reader: &Transaction, writer: &Transaction) -> bool {
    let writes: Vec<_> = writer.writes().collect();
    let is_unique =
        |version: &Version| writer.outcome != Outcome::Fail && facts.writes(*version) == 1;
    writes.iter().enumerate().any(|(at, early)| {
        let later = writes[at + 1..].iter().filter(|late| late.0 == early.0 && is_unique(late));
        is_unique(early) && later.into_iter().any(|late| saw_only_first(reader, *early, *late))
    })
}

fn saw_only_first(reader: &Transaction, early: Version, late: Version) -> bool {
    let lists =
        reader.lists(early.0).any(|list| list.contains(&early.1) && !list.contains(&late.1));
    lists || reader.external_read(early.0) == Some(early.1)
}

/// What a transaction knows of a key.
#[derive(Default)]
struct Known {
    /// The last value of a register.
    value: Option<ValueId>,
    /// The last list that it read.
    list: Option<Vec<ValueId>>,
    /// What it appended since.
    appended: Vec<ValueId>,
}

fn contradicts_itself(transaction: &Transaction) -> bool {
    let mut known: HashMap<ValueId, Known> = HashMap::new();
    for step in &transaction.steps {
        match step {
            Step::Write((key, value)) => {
                let known = known.entry(*key).or_default();
                known.value = Some(*value);
                known.appended.push(*value);
            }
            Step::Read((key, value)) => {
                let last = known.entry(*key).or_default().value.replace(*value);
                if last.is_some_and(|last| last != *value) {
                    return true;
                }
            }
            Step::ReadList(key, list) => {
                let known = known.entry(*key).or_default();
                let agrees = match &known.list {
                    Some(before) => [before.as_slice(), &known.appended].concat() == *list,
                    None => list.ends_with(&known.appended),
                };
                if !agrees {
                    return true;
                }
                *known = Known { value: None, list: Some(list.clone()), appended: Vec::new() };
            }
        }
    }
    false
}

fn has_duplicates(facts: &Facts, transaction: &Transaction) -> bool {
    transaction.steps.iter().any(|step| {
        let Step::ReadList(key, list) = step else { return false };
        let mut counts: HashMap<ValueId, u32> = HashMap::new();
        list.iter().for_each(|element| *counts.entry(*element).or_default() += 1);
        counts.iter().any(|(element, count)| *count > 1 && *count > facts.writes((*key, *element)))
    })
}

fn incompatible(a: &Transaction, b: &Transaction) -> bool {
    a.steps.iter().any(|step| {
        let Step::ReadList(key, one) = step else { return false };
        b.lists(*key).any(|other| !one.starts_with(other) && !other.starts_with(one))
    })
}

fn lost_update(facts: &Facts, a: &Transaction, b: &Transaction) -> bool {
    a.writes().filter(|(key, _)| b.writes().any(|other| other.0 == *key)).any(|(key, _)| {
        if facts.lists {
            let (one, other) = (external_list(a, key), external_list(b, key));
            return one.is_some() && one == other;
        }
        let version = a.external_read(key).map(|value| (key, value));
        version.is_some_and(|version| {
            let limit = u32::from(version.1 != ValueId::NIL);
            b.external_read(key) == Some(version.1) && facts.writes(version) <= limit
        })
    })
}

/// The list of a key that a transaction read before it appended to it.
fn external_list(transaction: &Transaction, key: ValueId) -> Option<&[ValueId]> {
    let of_key = |step: &&Step| match step {
        Step::ReadList(of, _) | Step::Write((of, _)) | Step::Read((of, _)) => *of == key,
    };
    match transaction.steps.iter().find(of_key) {
        Some(Step::ReadList(_, list)) => Some(list),
        _ => None,
    }
}

fn reads_the_future(facts: &Facts, transaction: &Transaction) -> bool {
    transaction.steps.iter().enumerate().any(|(at, step)| {
        let was_read = |version: Version| match step {
            Step::Read(read) => *read == version,
            Step::ReadList(key, list) => *key == version.0 && list.contains(&version.1),
            Step::Write(_) => false,
        };
        transaction.steps[at..].iter().any(|later| {
            matches!(later, Step::Write(version) if was_read(*version) && facts.writes(*version) == 1)
        })
    })
}

/// Whether somebody read elements that only this transaction appends, each once, in another order, or an earlier one not at all.
fn is_reordered(facts: &Facts, transaction: &Transaction) -> bool {
    let is_own = |version: &Version| facts.lists && facts.writes(*version) == 1;
    let writes: Vec<_> = transaction.writes().filter(is_own).collect();
    // What nobody saw comes after all that was seen.
    let known = |version: &Version| facts.position(*version).unwrap_or(usize::MAX);
    transaction.outcome != Outcome::Fail
        && writes.iter().enumerate().any(|(at, early)| {
            let mut later = writes[at + 1..].iter().filter(|late| late.0 == early.0);
            later.any(|late| known(late) < known(early))
        })
}

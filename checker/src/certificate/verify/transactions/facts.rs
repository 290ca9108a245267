//! What all transactions of a history say: who wrote what, and how far each list is known. Read once, in linear time.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::super::specification::micro_operations;
use super::super::{Refusal, Verifier, refuse};
use crate::history::{NEVER, Outcome, ValueId};
use crate::models::Model;

/// A value of a key.
pub(super) type Version = (ValueId, ValueId);

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A register had this value.
    Read(Version),
    /// A list had these elements.
    ReadList(ValueId, Vec<ValueId>),
    /// A register got this value, or a list got this element at its end.
    Write(Version),
}

/// A transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    /// Its steps; reads of which nobody knows the result are left out.
    pub(super) steps: Vec<Step>,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// Who did it.
    pub(super) process: u32,
    /// The event that began it.
    pub(super) invoked: u32,
    /// The event that ended it, or [`NEVER`].
    pub(super) completed: u32,
}

impl Transaction {
    /// Everything that it writes, in order.
    pub(super) fn writes(&self) -> impl DoubleEndedIterator<Item = Version> {
        self.steps.iter().filter_map(|step| match step {
            Step::Write(version) => Some(*version),
            Step::Read(_) | Step::ReadList(..) => None,
        })
    }

    /// Whether it writes a version.
    pub(super) fn has_written(&self, version: Version) -> bool {
        self.writes().any(|written| written == version)
    }

    /// The lists of a key that it read.
    pub(super) fn lists(&self, key: ValueId) -> impl Iterator<Item = &[ValueId]> {
        self.steps.iter().filter_map(move |step| match step {
            Step::ReadList(of, list) if *of == key => Some(list.as_slice()),
            _ => None,
        })
    }

    /// The lists that it read, without what it had appended itself; whole where it contradicts itself.
    fn external_lists(&self) -> Vec<(ValueId, &[ValueId])> {
        let mut appended: HashMap<ValueId, Vec<ValueId>> = HashMap::new();
        let mut lists: Vec<(ValueId, &[ValueId])> = Vec::new();
        for step in &self.steps {
            match step {
                Step::Write((key, element)) => appended.entry(*key).or_default().push(*element),
                Step::ReadList(key, list) => {
                    let own = appended.get(key).map_or(&[][..], Vec::as_slice);
                    let before = lists.iter().find(|(of, _)| of == key);
                    let others = list.strip_suffix(own);
                    let others = others.filter(|rest| before.is_none_or(|known| known.1 == *rest));
                    lists.push((*key, others.unwrap_or(list)));
                }
                Step::Read(_) => {}
            }
        }
        lists
    }

    /// The version of a register that it read before it wrote the key itself.
    pub(super) fn external_read(&self, key: ValueId) -> Option<ValueId> {
        let of_key = |step: &&Step| match step {
            Step::Read((of, _)) | Step::Write((of, _)) => *of == key,
            Step::ReadList(..) => false,
        };
        match self.steps.iter().find(of_key) {
            Some(Step::Read((_, value))) => Some(*value),
            _ => None,
        }
    }

    /// Whether it was over before another began.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.completed != NEVER && self.completed < other.invoked
    }
}

/// What the transactions of a history say.
pub(super) struct Facts {
    /// Whether keys are lists and not registers.
    pub(super) lists: bool,
    /// All transactions, by place.
    pub(super) transactions: Vec<Transaction>,
    /// Who may have written a version, and how often in all.
    writers: HashMap<Version, (u32, u32), FxBuildHasher>,
    /// Who wrote a version in vain.
    failed: HashMap<Version, u32, FxBuildHasher>,
    /// Where each element stands in the longest list that somebody read of its key, not counting what they had appended themselves.
    positions: HashMap<Version, usize, FxBuildHasher>,
}

impl Facts {
    pub(super) fn read(verifier: &mut Verifier<'_>) -> Result<Self, Refusal> {
        let lists = verifier.model == Model::ListAppend;
        let mut transactions = Vec::with_capacity(verifier.history.operations().len());
        for place in 0..verifier.history.operations().len() as u32 {
            transactions.push(transaction(verifier, place)?);
        }
        let mut facts = Self {
            lists,
            transactions,
            writers: HashMap::default(),
            failed: HashMap::default(),
            positions: HashMap::default(),
        };
        facts.find_writers();
        facts.find_positions();
        Ok(facts)
    }

    fn find_writers(&mut self) {
        for (place, transaction) in self.transactions.iter().enumerate() {
            for version in transaction.writes() {
                if transaction.outcome == Outcome::Fail {
                    self.failed.insert(version, place as u32);
                } else {
                    self.writers.entry(version).or_insert((place as u32, 0)).1 += 1;
                }
            }
        }
    }

    fn find_positions(&mut self) {
        let mut longest: HashMap<ValueId, &[ValueId]> = HashMap::new();
        for (key, list) in self.transactions.iter().flat_map(Transaction::external_lists) {
            let known = longest.entry(key).or_default();
            *known = if list.len() > known.len() { list } else { known };
        }
        for (key, list) in longest {
            for (position, element) in list.iter().enumerate() {
                self.positions.entry((key, *element)).or_insert(position);
            }
        }
    }

    /// The only transaction that may have written a version, if it did so once.
    pub(super) fn writer(&self, version: Version) -> Option<u32> {
        self.writers.get(&version).filter(|(_, count)| *count == 1).map(|(place, _)| *place)
    }

    /// How often a version was written, by all that did not fail.
    pub(super) fn writes(&self, version: Version) -> u32 {
        self.writers.get(&version).map_or(0, |(_, count)| *count)
    }

    /// Whether a version was written by a transaction that certainly had no effect.
    pub(super) fn is_failed(&self, version: Version) -> bool {
        self.failed.contains_key(&version)
    }

    /// Where an element stands in the longest list that somebody read; nothing if nobody saw it there.
    pub(super) fn position(&self, version: Version) -> Option<usize> {
        self.positions.get(&version).copied()
    }

    /// Whether a transaction certainly took effect: it says so, or somebody saw what only it can have written.
    pub(super) fn has_happened(&self, place: u32) -> bool {
        let transaction = &self.transactions[place as usize];
        match transaction.outcome {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Info | Outcome::Open => transaction
                .writes()
                .any(|version| self.writer(version) == Some(place) && self.was_seen(version)),
        }
    }

    fn was_seen(&self, version: Version) -> bool {
        if self.lists {
            let has = |list: &[ValueId]| list.contains(&version.1);
            let saw_it = |transaction: &Transaction| transaction.lists(version.0).any(has);
            return self.position(version).is_some() || self.transactions.iter().any(saw_it);
        }
        let reads = |step: &Step| *step == Step::Read(version);
        self.transactions.iter().any(|transaction| transaction.steps.iter().any(reads))
    }
}

fn transaction(verifier: &mut Verifier<'_>, place: u32) -> Result<Transaction, Refusal> {
    let operation = &verifier.history.operations()[place as usize];
    let steps = steps(verifier, place);
    let steps = steps.or_else(|reason| refuse(format!("{} {reason}", verifier.words(place))))?;
    Ok(Transaction {
        steps,
        outcome: operation.outcome,
        process: operation.process,
        invoked: operation.invoked,
        completed: if operation.outcome == Outcome::Ok { operation.completed } else { NEVER },
    })
}

fn steps(verifier: &mut Verifier<'_>, place: u32) -> Result<Vec<Step>, &'static str> {
    let operation = &verifier.history.operations()[place as usize];
    let lists = verifier.model == Model::ListAppend;
    let mut steps = Vec::new();
    for step in micro_operations(verifier.history, operation)? {
        let key = verifier.acts.value(step.key);
        if matches!(step.f, "append" | "w" | "write")
            && verifier.acts.value(step.value) == ValueId::NIL
        {
            // Who reads null could not be told from who reads the initial state.
            return Err("writes null, which keys hold at first");
        }
        match step.f {
            "r" | "read" if operation.outcome != Outcome::Ok => {}
            "r" | "read" if lists => {
                steps.push(Step::ReadList(key, verifier.acts.elements(step.value)?));
            }
            "r" | "read" => steps.push(Step::Read((key, verifier.acts.value(step.value)))),
            "append" if lists => steps.push(Step::Write((key, verifier.acts.value(step.value)))),
            "w" | "write" if !lists => {
                steps.push(Step::Write((key, verifier.acts.value(step.value))));
            }
            _ => return Err("has a step that its model does not have"),
        }
    }
    Ok(steps)
}

//! A serial order of transactions, replayed on lists or registers.
//!
//! It proves serializability, and with it every weaker level; a level that also promises something about time is proved if the order keeps
//! it: real time by the running maximum as for objects, the order within processes by the last one of each.

use std::collections::HashMap;

use super::super::{Refusal, Verifier, refuse};
use super::facts::{Facts, Step, Transaction};
use super::level::{TimeOrder, is_known, parts};
use crate::history::{Outcome, ValueId};

impl Verifier<'_> {
    /// Checks that all transactions were as if done one after another in this order.
    pub(super) fn serial_order(&mut self, places: &[u32], order: &[u32]) -> Result<(), Refusal> {
        let facts = Facts::read(self)?;
        let (level, time) = parts(self.consistency);
        // What is not known may promise anything.
        let time = if is_known(level) { time } else { TimeOrder::RealTime };
        let mut clock = Clock { time, latest: 0, of_process: HashMap::new() };
        let mut store = Store::default();
        for place in order {
            self.name(ValueId::NIL, *place)?;
            let transaction = &facts.transactions[*place as usize];
            if transaction.outcome == Outcome::Fail {
                return refuse(format!("{} certainly did not happen", self.words(*place)));
            }
            if !clock.keeps(transaction) {
                return refuse(format!("{} stands behind one that came later", self.words(*place)));
            }
            if !transaction.steps.iter().all(|step| store.apply(step)) {
                return refuse(format!("{} is wrong where it stands", self.words(*place)));
            }
        }
        let missing = places.iter().find(|place| {
            let must = facts.transactions[**place as usize].outcome == Outcome::Ok;
            must && !self.named[**place as usize]
        });
        missing.map_or(Ok(()), |place| {
            refuse(format!("{} is missing from the order", self.words(*place)))
        })
    }
}

/// What the order must keep of the order in time.
struct Clock {
    time: TimeOrder,
    latest: u32,
    of_process: HashMap<u32, u32>,
}

impl Clock {
    fn keeps(&mut self, transaction: &Transaction) -> bool {
        match self.time {
            TimeOrder::None => true,
            TimeOrder::Process => {
                let last = self.of_process.insert(transaction.process, transaction.invoked);
                last.is_none_or(|last| last < transaction.invoked)
            }
            TimeOrder::RealTime => {
                let keeps = transaction.completed >= self.latest;
                self.latest = self.latest.max(transaction.invoked);
                keeps
            }
        }
    }
}

/// The keys and what they hold.
#[derive(Default)]
struct Store {
    registers: HashMap<ValueId, ValueId>,
    lists: HashMap<ValueId, Vec<ValueId>>,
}

impl Store {
    fn apply(&mut self, step: &Step) -> bool {
        match step {
            Step::Read((key, value)) => self.registers.get(key).unwrap_or(&ValueId::NIL) == value,
            Step::ReadList(key, list) => self.lists.entry(*key).or_default() == list,
            Step::Write((key, value)) => {
                self.registers.insert(*key, *value);
                self.lists.entry(*key).or_default().push(*value);
                true
            }
        }
    }
}

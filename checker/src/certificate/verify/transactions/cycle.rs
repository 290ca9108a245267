//! A cycle of transactions: every edge says that its first transaction must come before its second in any serial order, so there is none.
//!
//! Each edge is derived again from what its two transactions did. Both must certainly have happened, and what is written must have one possible writer.
//!
//! **Lists.** The longest list that somebody read of a key begins every later one, so its elements were appended in its order.
//! - ww: both appended an element, that of the first stands before that of the second, or only that of the first was ever seen.
//! - wr: the second read a list with an element of the first.
//! - rw: the first read a list without an element of the second.
//!
//! **Registers.** What is known of the order of versions: nothing comes before the initial one; who read a version and then wrote the key
//! overwrote *that* version; and where the level promises it, who was over before another began came first.
//! - wr: the second read what the first wrote.
//! - ww: both wrote the key, and the version of the first comes before that of the second.
//! - rw: the first read a version that comes before one that the second wrote: the second cannot have come before the first, for then the
//!   version that the first read would have been overwritten already.
//!
//! **Time.** The first was over before the second began; for process order both are of one process too.

use std::collections::HashSet;

use super::super::{Refusal, Verifier, refuse};
use super::facts::{Facts, Transaction, Version};
use super::level::{TimeOrder, forbids_cycle, is_known, parts};
use crate::certificate::{Dependency, Edge};
use crate::history::ValueId;

/// So many versions of a key are followed to find that one comes before another.
const VERSIONS_MAX: usize = 100_000;

impl Verifier<'_> {
    /// Checks that a cycle refutes the level.
    pub(super) fn cycle(&mut self, facts: &Facts, edges: &[Edge]) -> Result<(), Refusal> {
        let closes = edges.iter().zip(edges.iter().cycle().skip(1));
        if edges.is_empty() || !closes.into_iter().all(|(edge, next)| edge.to == next.from) {
            return refuse("the edges are no cycle".into());
        }
        for edge in edges {
            for place in [edge.from, edge.to] {
                if place as usize >= facts.transactions.len() {
                    return refuse(format!("the history has no operation {place}"));
                }
                if !facts.has_happened(place) {
                    return refuse(format!("{} may not have happened", self.words(place)));
                }
            }
            if !self.holds(facts, edge) {
                let (from, to) = (self.words(edge.from), self.words(edge.to));
                return refuse(format!(
                    "nothing says that {from} must come before {to} ({})",
                    name(edge.kind)
                ));
            }
        }
        self.must_be_forbidden(edges)
    }

    /// Whether the level rules out a cycle with these kinds of edges.
    fn must_be_forbidden(&self, edges: &[Edge]) -> Result<(), Refusal> {
        let (level, time) = parts(self.consistency);
        if !is_known(level) {
            return Err(Refusal::Undecided(format!(
                "this verifier does not know the level {level}"
            )));
        }
        let count = |kind| edges.iter().filter(|edge| edge.kind == kind).count();
        let needed = match (count(Dependency::RealTime), count(Dependency::Process)) {
            (0, 0) => TimeOrder::None,
            (0, _) => TimeOrder::Process,
            _ => TimeOrder::RealTime,
        };
        let is_anti = |edge: &Edge| edge.kind == Dependency::ReadWrite;
        let pairs = edges.iter().zip(edges.iter().cycle().skip(1));
        let adjacent = pairs.into_iter().any(|(edge, next)| is_anti(edge) && is_anti(next));
        let writes_only = count(Dependency::WriteRead) == 0;
        if needed > time
            || !forbids_cycle(level, writes_only, count(Dependency::ReadWrite), adjacent)
        {
            return refuse(format!("{} allows a cycle of this kind", self.consistency));
        }
        Ok(())
    }

    fn holds(&self, facts: &Facts, edge: &Edge) -> bool {
        let from = &facts.transactions[edge.from as usize];
        let to = &facts.transactions[edge.to as usize];
        let version = (edge.key, edge.value);
        if edge.from == edge.to {
            return false;
        }
        match edge.kind {
            Dependency::RealTime => from.is_before(to),
            Dependency::Process => from.process == to.process && from.is_before(to),
            _ if facts.lists => lists(facts, edge, version),
            Dependency::WriteRead => {
                facts.writer(version) == Some(edge.from)
                    && to.external_read(edge.key) == Some(edge.value)
            }
            Dependency::WriteWrite => {
                let mut overwrites = to.writes().filter(|written| written.0 == edge.key);
                facts.writer(version) == Some(edge.from)
                    && overwrites.any(|later| self.is_older(facts, version, later))
            }
            Dependency::ReadWrite => {
                let read = from.external_read(edge.key);
                // Written twice, it may have been read after the second time. Never written, or only in vain, it is no version: every
                // level that rules out cycles with anti-dependencies rules out reading that at all.
                let once = |read| facts.writes((edge.key, read)) <= u32::from(read != ValueId::NIL);
                to.has_written(version)
                    && read.is_some_and(|read| {
                        once(read) && self.is_older(facts, (edge.key, read), version)
                    })
            }
        }
    }

    /// Whether one version of a register certainly comes before another.
    fn is_older(&self, facts: &Facts, first: Version, second: Version) -> bool {
        let Some(last) = facts.writer(second).map(|place| &facts.transactions[place as usize])
        else {
            return false;
        };
        let mut met = HashSet::from([first]);
        let mut pending = vec![first];
        while let Some(version) = pending.pop() {
            if version != second && self.is_directly_older(facts, version, last) {
                return true;
            }
            for next in overwriters(facts, version) {
                if met.len() < VERSIONS_MAX && met.insert(next) {
                    pending.push(next);
                }
            }
        }
        false
    }

    fn is_directly_older(&self, facts: &Facts, version: Version, last: &Transaction) -> bool {
        let (key, value) = version;
        if value == ValueId::NIL && facts.writes(version) == 0 {
            return true;
        }
        if last.external_read(key) == Some(value) && facts.writes(version) <= 1 {
            return true;
        }
        let Some(place) = facts.writer(version) else { return false };
        let writer = &facts.transactions[place as usize];
        match parts(self.consistency).1 {
            TimeOrder::None => false,
            TimeOrder::Process => writer.process == last.process && writer.is_before(last),
            TimeOrder::RealTime => writer.is_before(last),
        }
    }
}

/// The versions that certain transactions made of a version that they had read.
fn overwriters(facts: &Facts, (key, value): Version) -> Vec<Version> {
    let read_it = |(place, transaction): &(usize, &Transaction)| {
        transaction.external_read(key) == Some(value) && facts.has_happened(*place as u32)
    };
    let overwriters = facts.transactions.iter().enumerate().filter(read_it);
    let versions = overwriters.flat_map(|(_, transaction)| transaction.writes());
    versions.filter(|version| version.0 == key && facts.writer(*version).is_some()).collect()
}

fn lists(facts: &Facts, edge: &Edge, version: Version) -> bool {
    let from = &facts.transactions[edge.from as usize];
    let to = &facts.transactions[edge.to as usize];
    match edge.kind {
        Dependency::WriteRead => {
            let has = |list: &[ValueId]| list.contains(&edge.value);
            facts.writer(version) == Some(edge.from) && to.lists(edge.key).any(has)
        }
        Dependency::WriteWrite => {
            let Some(position) = facts.position(version) else { return false };
            let mut appended = to.writes().filter(|written| written.0 == edge.key);
            let is_later = |later: Version| facts.position(later).is_none_or(|at| at > position);
            facts.writer(version) == Some(edge.from)
                && appended.any(|later| facts.writer(later) == Some(edge.to) && is_later(later))
        }
        Dependency::ReadWrite => {
            let lacks = |list: &[ValueId]| !list.contains(&edge.value);
            facts.writer(version) == Some(edge.to) && from.lists(edge.key).any(lacks)
        }
        Dependency::Process | Dependency::RealTime => false,
    }
}

/// What an edge is called, by the names of Adya and Elle.
fn name(kind: Dependency) -> &'static str {
    match kind {
        Dependency::WriteWrite => "ww",
        Dependency::WriteRead => "wr",
        Dependency::ReadWrite => "rw",
        Dependency::Process => "process",
        Dependency::RealTime => "realtime",
    }
}

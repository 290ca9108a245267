//! From an impossible history to the few operations that are impossible already.
//!
//! Not every part of an impossible history is impossible for the same reason: without a write, a read of its value is impossible for another one.
//! Only *sound* deletions are tried, after which an impossible rest means that the whole was impossible (CHECKER.md, 8.4): cutting the end off,
//! leaving out who only looked, and leaving out all that has to do with some values.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::demands::{Demand, Dense, Register, Step, UNOBSERVED};
use super::register::{Found, search};
use crate::history::NEVER;

/// So many searches are spent on one core.
const PROBES_MAX: usize = 400;

/// The smallest impossible part that these deletions lead to; `at` is the demand whose completion nothing explained.
pub(super) fn shrink(register: &Register, at: usize, budget: &Budget) -> Register {
    let whole = cut(register, register.demands[at].completed);
    let mut shrinker = Shrinker { budget, probes: PROBES_MAX };
    let (last, values) = (register.demands[at].completed, groups(&whole));
    let by_value = shrinker.fewest(&whole, last, values);
    let looks: Vec<_> = by_value
        .demands
        .iter()
        .filter(|demand| matches!(demand.step, Step::Is(_) | Step::IsNot(_)))
        .filter(|demand| demand.completed != last)
        .map(|demand| vec![demand.operation])
        .collect();
    shrinker.fewest(&by_value, last, looks)
}

/// What had begun by an event. Who had not completed by then may yet take effect, or not; who only looked and had not completed says nothing.
fn cut(register: &Register, end: u32) -> Register {
    let mut cut = register.only(|_, demand| {
        let looks = matches!(demand.step, Step::Is(_) | Step::IsNot(_));
        demand.invoked < end && (demand.completed <= end || !looks)
    });
    for demand in &mut cut.demands {
        if demand.completed > end {
            demand.completed = NEVER;
        }
    }
    cut
}

/// Operations by the values that they have to do with. Values that a cas joins stand together.
///
/// None where something says what the value was *not*: a write may be needed only because it replaced another.
fn groups(register: &Register) -> Vec<Vec<u32>> {
    if register.has_refuted {
        return Vec::new();
    }
    let mut root: BTreeMap<Dense, Dense> = BTreeMap::new();
    fn find(root: &BTreeMap<Dense, Dense>, mut value: Dense) -> Dense {
        while let Some(next) = root.get(&value).filter(|next| **next != value) {
            value = *next;
        }
        value
    }
    for demand in &register.demands {
        if let Step::Cas(old, new) = demand.step
            && new != UNOBSERVED
        {
            let (old, new) = (find(&root, old), find(&root, new));
            root.insert(old, new);
        }
    }
    let mut groups: BTreeMap<Dense, Vec<u32>> = BTreeMap::new();
    for demand in &register.demands {
        match demand.step {
            Step::Is(value) | Step::Write(value) | Step::Cas(value, _) if value != UNOBSERVED => {
                groups.entry(find(&root, value)).or_default().push(demand.operation);
            }
            _ => {}
        }
    }
    groups.remove(&find(&root, super::demands::INITIAL));
    groups.into_values().collect()
}

struct Shrinker<'a> {
    budget: &'a Budget,
    probes: usize,
}

impl Shrinker<'_> {
    /// Leaves out as many of the groups as it can, from large bundles to single ones (delta debugging).
    fn fewest(&mut self, register: &Register, last: u32, groups: Vec<Vec<u32>>) -> Register {
        let mut best = register.only(|_, _| true);
        let mut left = groups;
        let mut size = left.len().div_ceil(2);
        while size > 0 && !left.is_empty() {
            let mut at = 0;
            while at < left.len() && self.probes > 0 {
                let mut bundle: Vec<u32> =
                    left[at..left.len().min(at + size)].iter().flatten().copied().collect();
                bundle.sort_unstable();
                let without = |_: usize, demand: &Demand| {
                    demand.completed == last || bundle.binary_search(&demand.operation).is_err()
                };
                let rest = best.only(without);
                if self.is_impossible(&rest) {
                    best = rest;
                    left.drain(at..left.len().min(at + size));
                } else {
                    at += size;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
        best
    }

    fn is_impossible(&mut self, register: &Register) -> bool {
        self.probes = self.probes.saturating_sub(1);
        matches!(search(register, self.budget, false), Ok(Found::Stuck { .. }))
    }
}

//! From an impossible history to the few operations that are impossible already: the *core*.
//!
//! Not every part of an impossible history is impossible for the same reason. A part proves something about the whole if it is *closed*: with
//! its operations it has every other that one of them could tell from not having happened, and with one of a value that
//! can only be left out as a whole all of that value. For take an order of the whole and strike out the rest: nobody who
//! is left can tell. Operations that complete after the end are taken as info, for they may come later.

use std::cell::Cell;
use std::collections::HashMap;

use super::super::budget::Budget;
use super::super::fewest::{Core, fewest, recent};
use super::demands::{Demand, Demands, specification};
use super::{Found, search};
use crate::history::{NEVER, ValueId};
use crate::models::specification::Specification;

/// So many searches are spent on one core.
const PROBES_MAX: usize = 200;
/// One of them may take so many steps.
const STEPS_PER_PROBE: u64 = 100_000;

/// The smallest core that leaving out operations leads to; `at` is the demand whose completion nothing explained.
pub(super) fn shrink<S: Specification>(whole: &Demands<S>, at: u32, budget: &Budget) -> Demands<S> {
    let end = whole.demands[at as usize].completed;
    let budget = budget.with_steps(STEPS_PER_PROBE);
    let shrinker = Shrinker::new(whole, budget);
    let mut witnesses: Vec<u32> = (0..whole.demands.len() as u32).collect();
    let completed = |place: &u32| whole.demands[*place as usize].completed;
    witnesses.retain(|place| completed(place) <= end);
    witnesses.sort_unstable_by_key(|place| std::cmp::Reverse(completed(place)));
    let impossible = |witnesses| shrinker.impossible(witnesses);
    match recent(&witnesses, impossible).or_else(|| impossible(witnesses)) {
        Some(core) => fewest(core, impossible).part,
        None => whole.only(cut(whole.demands.iter(), end)),
    }
}

/// These demands as they look at an event: what is still open may happen or not.
fn cut<'a>(demands: impl Iterator<Item = &'a Demand>, end: u32) -> Vec<Demand> {
    let seen = demands.filter(|demand| demand.invoked <= end);
    let at_end = |demand: &Demand| match demand.completed <= end {
        true => *demand,
        false => Demand { completed: NEVER, ..*demand },
    };
    seen.map(at_end).collect()
}

struct Shrinker<'a, S: Specification> {
    whole: &'a Demands<S>,
    /// By value, the demands that can only be left out together.
    groups: HashMap<ValueId, Vec<u32>>,
    budget: Budget,
    probes: Cell<usize>,
}

fn groups<S: Specification>(whole: &Demands<S>) -> HashMap<ValueId, Vec<u32>> {
    let mut groups: HashMap<ValueId, Vec<u32>> = HashMap::new();
    for place in 0..whole.demands.len() as u32 {
        if let Some(value) = S::group(whole.step(place)) {
            groups.entry(value).or_default().push(place);
        }
    }
    groups
}

impl<'a, S: Specification> Shrinker<'a, S> {
    fn new(whole: &'a Demands<S>, budget: Budget) -> Self {
        Self { whole, groups: groups(whole), budget, probes: PROBES_MAX.into() }
    }

    /// The part of these witnesses, if it is impossible.
    fn impossible(&self, witnesses: Vec<u32>) -> Option<Core<Demands<S>>> {
        if witnesses.is_empty() || self.probes.get() == 0 {
            return None;
        }
        self.probes.set(self.probes.get() - 1);
        let demands = self.whole.only(self.closed(&witnesses));
        let stuck = matches!(search(&demands, &self.budget, false), Ok(Found::Stuck { .. }));
        stuck.then_some(Core { witnesses, part: demands })
    }

    /// Some witnesses, and all that they or these could tell from not having happened.
    fn closed(&self, witnesses: &[u32]) -> Vec<Demand> {
        let demands = &self.whole.demands;
        let ends = witnesses.iter().map(|place| demands[*place as usize].completed);
        let end = ends.max().unwrap_or(NEVER);
        let mut is_in = vec![false; demands.len()];
        let mut pending = witnesses.to_vec();
        loop {
            while let Some(place) = pending.pop() {
                let is_new = !std::mem::replace(&mut is_in[place as usize], true);
                if let Some(value) = S::group(self.whole.step(place)).filter(|_| is_new) {
                    pending.extend(&self.groups[&value]);
                }
            }
            let part = demands.iter().zip(&is_in).filter(|(_, is_in)| **is_in);
            let part: Vec<_> = part.map(|(demand, _)| *demand).collect();
            let tells = specification::<S>(&self.whole.kinds, &part);
            let seen: Vec<_> =
                self.whole.kinds.iter().map(|kind| tells.is_observable(kind)).collect();
            let missing = |place: &u32| {
                let demand = &demands[*place as usize];
                let kind = demand.kind as usize;
                !is_in[*place as usize]
                    && demand.invoked < end
                    && seen[kind]
                    && !S::is_observer(&self.whole.kinds[kind])
            };
            pending = (0..demands.len() as u32).filter(missing).collect();
            if pending.is_empty() {
                return cut(part.iter(), end);
            }
        }
    }
}

/// Whether any of the closed parts around one or two witnesses is impossible.
#[cfg(test)]
pub(super) fn some_part_is_impossible<S: Specification>(
    whole: &Demands<S>,
    budget: &Budget,
) -> bool {
    let shrinker = Shrinker::new(whole, *budget);
    let certain = |place: &u32| whole.demands[*place as usize].is_certain();
    let witnesses: Vec<_> = (0..whole.demands.len() as u32).filter(certain).collect();
    let pairs = witnesses.iter().flat_map(|a| witnesses.iter().map(|b| vec![*a, *b]));
    pairs.into_iter().any(|pair| shrinker.impossible(pair).is_some())
}

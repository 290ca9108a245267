//! From an impossible history to the few operations that are impossible already: the *core*.
//!
//! Not every part of an impossible history is impossible for the same reason: without a write, a read of its value is impossible for another one.
//! A part proves something about the whole if it is *closed*: with everybody who saw a value it has everybody who may have
//! written it. For take an order of the whole and strike out all others: between a read and the write that it read from there was no
//! write before, and there is none now. So a core is made of a few operations that certainly happened, its *witnesses*, and the rest follows.

use super::super::budget::Budget;
use super::super::fewest::{Core, fewest, recent};
use super::demands::{Dense, INITIAL, Register, Step, UNOBSERVED};
use super::search::{Found, search};

/// So many searches are spent on one core.
const PROBES_MAX: usize = 300;
/// One of them may take so many steps.
const STEPS_PER_PROBE: u64 = 200_000;

/// Looks for a core among those who completed shortly before an event, at which the search ended without being sure.
pub(super) fn local(register: &Register, end: u32, budget: &Budget) -> Option<Register> {
    let shrinker = Shrinker::new(register, budget);
    let witnesses = shrinker.witnesses(end, false);
    let impossible = |witnesses| shrinker.impossible(witnesses);
    Some(fewest(recent(&witnesses, impossible)?, impossible).part)
}

/// The smallest core that leaving out witnesses leads to; `at` is the demand whose completion nothing explained.
pub(super) fn shrink(register: &Register, at: usize, budget: &Budget) -> Register {
    let end = register.demands[at].completed;
    let shrinker = Shrinker::new(register, budget);
    let impossible = |witnesses| shrinker.impossible(witnesses);
    for with_refuters in [false, true] {
        let witnesses = shrinker.witnesses(end, with_refuters);
        let found = recent(&witnesses, impossible).or_else(|| impossible(witnesses));
        if let Some(core) = found {
            return fewest(core, impossible).part;
        }
    }
    register.only(|_, demand| demand.invoked <= end)
}

struct Shrinker<'a> {
    register: &'a Register,
    budget: Budget,
    /// Who may have written each value; last, who wrote one that nobody asks for.
    writers: Vec<Vec<u32>>,
    probes: std::cell::Cell<usize>,
}

impl<'a> Shrinker<'a> {
    fn new(register: &'a Register, budget: &Budget) -> Self {
        let mut writers = vec![Vec::new(); register.values() + 1];
        for (place, demand) in register.demands.iter().enumerate() {
            if let Step::Write(value) | Step::Cas(_, value) = demand.step {
                let value = if value == UNOBSERVED { register.values() } else { value as usize };
                writers[value].push(place as u32);
            }
        }
        let budget = budget.with_steps(STEPS_PER_PROBE);
        Self { register, budget, writers, probes: PROBES_MAX.into() }
    }

    /// Who certainly happened by an event, the last to complete first. Who saw what the value was *not* is best left out, for it needs every change.
    fn witnesses(&self, end: u32, with_refuters: bool) -> Vec<u32> {
        let demands = self.register.demands.iter().enumerate();
        let witnesses = demands.filter(|(_, demand)| {
            demand.completed <= end && (with_refuters || !matches!(demand.step, Step::IsNot(_)))
        });
        let mut witnesses: Vec<_> = witnesses.map(|(place, _)| place as u32).collect();
        let completed = |place: &u32| self.register.demands[*place as usize].completed;
        witnesses.sort_unstable_by_key(|place| std::cmp::Reverse(completed(place)));
        witnesses
    }

    /// The part of these witnesses, if it is impossible.
    fn impossible(&self, witnesses: Vec<u32>) -> Option<Core<Register>> {
        if witnesses.is_empty() || self.probes.get() == 0 {
            return None;
        }
        self.probes.set(self.probes.get() - 1);
        let places = self.closed(&witnesses);
        let register = self.register.only(|place, _| places.binary_search(&(place as u32)).is_ok());
        let stuck = matches!(search(&register, &self.budget, false), Ok(Found::Stuck { .. }));
        stuck.then_some(Core { witnesses, part: register })
    }

    /// Some witnesses, and everybody who may have written what they saw, and so on, in order.
    fn closed(&self, witnesses: &[u32]) -> Vec<u32> {
        let demands = &self.register.demands;
        let mut places: Vec<u32> = Vec::new();
        let mut is_in = vec![false; demands.len()];
        let mut pending = witnesses.to_vec();
        let mut closed_until: Vec<u32> = vec![0; self.writers.len()];
        while let Some(place) = pending.pop() {
            let demand = &demands[place as usize];
            if !std::mem::replace(&mut is_in[place as usize], true) {
                places.push(place);
            }
            let until = demand.completed;
            let saw: &[Dense] = match &demand.step {
                Step::Is(value) | Step::Cas(value, _) => std::slice::from_ref(value),
                Step::IsNot(_) => &self.all_values(),
                Step::Write(_) => &[],
            };
            for value in saw {
                // Who began to write it after the last who saw it had done so says nothing.
                let known = closed_until[*value as usize];
                closed_until[*value as usize] = known.max(until);
                let begun = |writer: &&u32| {
                    let invoked = demands[**writer as usize].invoked;
                    invoked < until && (known == 0 || invoked >= known)
                };
                let writers = self.writers[*value as usize].iter().filter(begun);
                pending.extend(writers.filter(|writer| !is_in[**writer as usize]));
            }
        }
        places.sort_unstable();
        places
    }

    /// Who saw what a value was not has to do with every change, also to values that nobody asks for.
    fn all_values(&self) -> Vec<Dense> {
        (INITIAL..self.writers.len() as Dense).collect()
    }
}

/// Whether a part is closed in a register: checked in tests, for it is what makes a core a proof.
#[cfg(test)]
pub(super) fn is_closed(whole: &Register, part: &Register) -> bool {
    use super::demands::Demand;
    use crate::history::NEVER;

    let is_in = |demand: &Demand| part.demands.iter().any(|d| d.operation == demand.operation);
    let last = |value: Dense| {
        let saw = part.demands.iter().filter(|demand| match demand.step {
            Step::Is(seen) | Step::Cas(seen, _) => seen == value,
            Step::IsNot(_) => true,
            Step::Write(_) => false,
        });
        saw.map(|demand| demand.completed).max()
    };
    whole.demands.iter().all(|demand| match demand.step {
        Step::Write(value) | Step::Cas(_, value) => {
            is_in(demand) || last(value).is_none_or(|last| last != NEVER && demand.invoked > last)
        }
        _ => true,
    })
}

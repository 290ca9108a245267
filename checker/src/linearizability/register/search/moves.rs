//! The situations that a register may be in, and the steps from one to the next.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::super::super::configuration::{Configuration, Reached};
use super::super::super::counts::Counts;
use super::super::super::slots::Slots;
use super::super::super::trail::{Trail, TrailId};
use super::super::demands::{Demand, Dense, INITIAL, Register, Step};

/// Info operations that do the same.
#[derive(Clone, Debug)]
struct Class {
    step: Step,
    /// Which they are, by demand, in the order of their invocations.
    members: Vec<u32>,
}

/// What is open, sorted so that a step is a few operations on sets.
#[derive(Clone, Debug)]
pub(super) struct Window<'a, const W: usize> {
    demands: &'a [Demand],
    has_cas: bool,
    /// The demand in each slot, and its completion.
    slots: Vec<u32>,
    due: Vec<u32>,
    /// The slot of each demand.
    slot_of: Vec<u16>,
    pub(super) open: Slots<W>,
    pub(super) writes: Slots<W>,
    pub(super) observers: Slots<W>,
    refuters: Slots<W>,
    /// By value: who looks for it, who says that it is not there, who writes it, and which cas expect it.
    looks: Table<W>,
    refutes: Table<W>,
    written: Table<W>,
    expects: Table<W>,
    /// Values of open writes, each once, and how many write them.
    write_values: Vec<(Dense, u32)>,
    classes: Vec<Class>,
    class_of: HashMap<Step, usize, FxBuildHasher>,
    /// Classes that write, and classes of cas.
    info_writes: Vec<usize>,
    info_swaps: Vec<usize>,
    /// Values that some info cas expects.
    info_expects: Vec<Dense>,
    /// Whether info operations may take effect any number of times.
    pub(super) unlimited: bool,
}

/// Sets by value. What is beyond the known values has a place of its own.
#[derive(Clone, Debug)]
struct Table<const W: usize>(Vec<Slots<W>>);

impl<const W: usize> Table<W> {
    fn new(values: usize) -> Self {
        Self(vec![Slots::EMPTY; values + 1])
    }

    #[inline]
    fn get(&self, value: Dense) -> Slots<W> {
        self.0[(value as usize).min(self.0.len() - 1)]
    }

    fn change(&mut self, value: Dense, change: impl FnOnce(&mut Slots<W>)) {
        let last = self.0.len() - 1;
        change(&mut self.0[(value as usize).min(last)]);
    }
}

impl<'a, const W: usize> Window<'a, W> {
    pub(super) fn new(register: &'a Register, unlimited: bool) -> Self {
        let demands = &register.demands;
        let table = || Table::new(register.values());
        Self {
            demands,
            has_cas: demands.iter().any(|demand| matches!(demand.step, Step::Cas(..))),
            slots: vec![0; 64 * W],
            due: vec![0; 64 * W],
            slot_of: vec![0; demands.len()],
            open: Slots::EMPTY,
            writes: Slots::EMPTY,
            observers: Slots::EMPTY,
            refuters: Slots::EMPTY,
            looks: table(),
            refutes: table(),
            written: table(),
            expects: table(),
            write_values: Vec::new(),
            classes: Vec::new(),
            class_of: HashMap::default(),
            info_writes: Vec::new(),
            info_swaps: Vec::new(),
            info_expects: Vec::new(),
            unlimited,
        }
    }

    /// The situation before anything.
    pub(super) fn start() -> Reached<W> {
        let at = Configuration { state: INITIAL, spent: 0, used: Slots::EMPTY, free: Slots::EMPTY };
        Reached { at, trail: TrailId::START }
    }

    /// Whether there are info operations.
    pub(super) fn has_info(&self) -> bool {
        !self.classes.is_empty()
    }

    /// Opens an operation. Situations in which an observer is satisfied at once change.
    pub(super) fn begin(&mut self, place: u32, frontier: &mut [Reached<W>], trail: &mut Trail) {
        let demand = &self.demands[place as usize];
        if !demand.is_certain() {
            self.begin_info(place, demand.step);
            return;
        }
        let slot = (!self.open).first();
        let bit = Slots::one(slot);
        self.slots[slot] = place;
        self.due[slot] = demand.completed;
        self.slot_of[place as usize] = slot as u16;
        self.open |= bit;
        self.sort_in(demand.step, |set| *set |= bit);
        match demand.step {
            Step::Write(value) => match self.write_values.iter_mut().find(|(v, _)| *v == value) {
                Some((_, count)) => *count += 1,
                None => self.write_values.push((value, 1)),
            },
            Step::Cas(..) => {}
            Step::Is(_) | Step::IsNot(_) => {
                for reached in frontier {
                    if accepts(demand.step, reached.at.state) {
                        reached.at.used |= bit;
                        reached.trail = trail.visible(reached.trail, place);
                    }
                }
            }
        }
    }

    /// Changes the sets in which an operation of this kind stands.
    fn sort_in(&mut self, step: Step, change: impl Fn(&mut Slots<W>)) {
        match step {
            Step::Write(value) => {
                change(&mut self.writes);
                self.written.change(value, change);
            }
            Step::Is(value) => {
                change(&mut self.observers);
                self.looks.change(value, change);
            }
            Step::IsNot(value) => {
                change(&mut self.observers);
                change(&mut self.refuters);
                self.refutes.change(value, change);
            }
            Step::Cas(old, _) => self.expects.change(old, change),
        }
    }

    fn begin_info(&mut self, place: u32, step: Step) {
        let class = *self.class_of.entry(step).or_insert(self.classes.len());
        if class == self.classes.len() {
            self.classes.push(Class { step, members: Vec::new() });
            match step {
                Step::Cas(old, _) => {
                    self.info_swaps.push(class);
                    if !self.info_expects.contains(&old) {
                        self.info_expects.push(old);
                    }
                }
                _ => self.info_writes.push(class),
            }
        }
        self.classes[class].members.push(place);
    }

    /// The slot of an open operation.
    pub(super) fn slot(&self, place: u32) -> Slots<W> {
        Slots::one(self.slot_of[place as usize] as usize)
    }

    /// Closes an operation.
    pub(super) fn release(&mut self, place: u32) {
        let bit = self.slot(place);
        self.open &= !bit;
        let step = self.demands[place as usize].step;
        self.sort_in(step, |set| *set &= !bit);
        if let Step::Write(value) = step {
            let entry = self.write_values.iter().position(|(v, _)| *v == value);
            let entry = entry.expect("what is released was begun");
            self.write_values[entry].1 -= 1;
            if self.write_values[entry].1 == 0 {
                self.write_values.swap_remove(entry);
            }
        }
    }

    fn step(&self, slot: usize) -> Step {
        self.demands[self.slots[slot] as usize].step
    }

    /// Of open operations that do the same, the one that completes first.
    fn first_due(&self, slots: Slots<W>) -> Option<usize> {
        slots.iter().min_by_key(|slot| self.due[*slot])
    }

    /// All useful single steps of open operations from a situation in which `target` has not taken effect.
    pub(super) fn open_steps(
        &self,
        from: &Reached<W>,
        target: u32,
        trail: &mut Trail,
        mut found: impl FnMut(Found<W>),
    ) {
        let slot = self.slot_of[target as usize] as usize;
        let bit = Slots::one(slot);
        if let Step::Write(value) = self.demands[target as usize].step {
            found(Found { to: self.write(from, value, slot, trail), is_goal: true });
        }
        let frees = self.frees(from);
        for (value, _) in &self.write_values {
            if !self.is_useful(from, *value, frees) {
                continue;
            }
            let unused = self.written.get(*value) & !from.at.used & !bit;
            if let Some(slot) = self.first_due(unused) {
                found(Found { to: self.write(from, *value, slot, trail), is_goal: false });
            }
        }
        // A cas must take its chance.
        let mut left = self.expects.get(from.at.state) & !from.at.used;
        while !left.is_empty() {
            let step = self.step(left.first());
            let same = left.iter().filter(|slot| self.step(*slot) == step);
            let same = same.fold(Slots::EMPTY, |same, slot| same | Slots::one(slot));
            left &= !same;
            if let (Step::Cas(_, new), Some(next)) = (step, self.first_due(same)) {
                let to = self.take(from, new, next, trail);
                found(Found { to, is_goal: next == slot });
            }
        }
    }

    /// All useful single steps of info operations from a situation in which `target` has not taken effect. Where an open operation
    /// does the same it goes first, for it is due.
    pub(super) fn info_steps(
        &self,
        from: &Reached<W>,
        target: u32,
        counts: &mut Counts,
        trail: &mut Trail,
        mut found: impl FnMut(Reached<W>),
    ) {
        let unused = !from.at.used & !self.slot(target);
        let frees = self.frees(from);
        for class in &self.info_writes {
            let Step::Write(value) = self.classes[*class].step else { continue };
            if self.is_useful(from, value, frees)
                && !self.written.get(value).intersects(unused)
                && self.is_left(from, *class, counts)
            {
                let mut to = self.spend(from, value, *class, counts, trail);
                to.at.free = self.open & self.writes & !to.at.used;
                found(to);
            }
        }
        for class in &self.info_swaps {
            let step = self.classes[*class].step;
            let Step::Cas(old, new) = step else { continue };
            if old == from.at.state
                && self.is_wanted(from, new)
                && self.is_left(from, *class, counts)
                && !(self.expects.get(old) & !from.at.used).iter().any(|s| self.step(s) == step)
            {
                found(self.spend(from, new, *class, counts, trail));
            }
        }
    }

    /// Whether a write of the value that is there already is of use: it makes other writes free, which matters before a cas.
    fn frees(&self, from: &Reached<W>) -> bool {
        self.has_cas && !(self.open & self.writes & !from.at.used & !from.at.free).is_empty()
    }

    fn is_useful(&self, from: &Reached<W>, value: Dense, frees: bool) -> bool {
        if value == from.at.state { frees } else { self.is_wanted(from, value) }
    }

    /// Whether there is one more of a class.
    fn is_left(&self, from: &Reached<W>, class: usize, counts: &Counts) -> bool {
        let begun = self.classes[class].members.len();
        self.unlimited || usize::from(counts.get(from.at.spent, class)) < begun.min(u16::MAX.into())
    }

    /// Whether anybody who has not taken effect could do so at this value. An info cas counts even if it is spent: looking closer costs more than the step.
    fn is_wanted(&self, from: &Reached<W>, value: Dense) -> bool {
        let asked = self.looks.get(value) | self.expects.get(value);
        let satisfied = asked | (self.refuters & !self.refutes.get(value));
        satisfied.intersects(!from.at.used & self.open) || self.info_expects.contains(&value)
    }

    /// An open write takes effect. Every other open write may have done so just before it.
    fn write(&self, from: &Reached<W>, value: Dense, slot: usize, trail: &mut Trail) -> Reached<W> {
        let mut to = self.take(from, value, slot, trail);
        to.at.free = self.open & self.writes & !to.at.used;
        to
    }

    /// An open operation takes effect.
    fn take(&self, from: &Reached<W>, value: Dense, slot: usize, trail: &mut Trail) -> Reached<W> {
        let mut to = *from;
        to.at.used |= Slots::one(slot);
        to.trail = trail.visible(to.trail, self.slots[slot]);
        self.arrive(to, value, trail)
    }

    /// An info operation takes effect.
    fn spend(
        &self,
        from: &Reached<W>,
        value: Dense,
        class: usize,
        counts: &mut Counts,
        trail: &mut Trail,
    ) -> Reached<W> {
        let mut to = *from;
        if trail.is_kept() {
            let taken = usize::from(counts.get(to.at.spent, class));
            let members = &self.classes[class].members;
            to.trail = trail.visible(to.trail, members[taken.min(members.len() - 1)]);
        }
        if !self.unlimited {
            to.at.spent = counts.plus(to.at.spent, class);
        }
        self.arrive(to, value, trail)
    }

    /// A value is there: whoever looks for it has seen it.
    fn arrive(&self, mut to: Reached<W>, value: Dense, trail: &mut Trail) -> Reached<W> {
        to.at.state = value;
        to.at.free &= !to.at.used;
        let sees = self.looks.get(value) | (self.refuters & !self.refutes.get(value));
        let satisfied = sees & !to.at.used;
        if trail.is_kept() {
            for slot in satisfied.iter() {
                to.trail = trail.visible(to.trail, self.slots[slot]);
            }
        }
        to.at.used |= satisfied;
        to
    }

    /// Whether `a` can do everything that `b` can. Both have the same value, and the same cas have taken effect.
    pub(super) fn dominates(
        &self,
        a: &Configuration<W>,
        b: &Configuration<W>,
        counts: &Counts,
    ) -> bool {
        let obliged = |c: &Configuration<W>| self.writes & !c.used & !c.free;
        let satisfied = (b.used & self.observers).is_subset(a.used);
        let available = (a.used & self.writes).is_subset(b.used);
        satisfied
            && available
            && obliged(a).is_subset(obliged(b))
            && counts.at_most(a.spent, b.spent)
    }

    /// What must be the same for one situation to dominate another.
    pub(super) fn group(&self, c: &Configuration<W>) -> (Dense, Slots<W>) {
        (c.state, c.used & !self.writes & !self.observers)
    }
}

/// A step that may come next.
pub(super) struct Found<const W: usize> {
    pub(super) to: Reached<W>,
    /// Whether it is the target's own.
    pub(super) is_goal: bool,
}

fn accepts(step: Step, value: Dense) -> bool {
    match step {
        Step::Is(wanted) => wanted == value,
        Step::IsNot(refuted) => refuted != value,
        Step::Write(_) | Step::Cas(..) => false,
    }
}

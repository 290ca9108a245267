//! What is open, and the steps from one situation to the next.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::super::configuration::{Configuration, Reached};
use super::super::counts::Counts;
use super::super::slots::Slots;
use super::super::trail::{Trail, TrailId};
use super::demands::{Demand, Demands, Kind};
use super::states::{StateId, States};
use crate::history::NEVER;
use crate::models::specification::Specification;

/// Info operations of one kind.
struct Class {
    kind: Kind,
    /// The last event whose completing operation could tell whether one of them happened.
    until: u32,
    /// Which they are, by demand, in the order of their invocations.
    members: Vec<u32>,
}

/// What is open.
pub(super) struct Window<'a, S: Specification, const W: usize> {
    whole: &'a Demands<S>,
    pub(super) states: States<S>,
    pub(super) counts: Counts,
    pub(super) trail: Trail,
    /// The demand in each slot.
    slots: Vec<u32>,
    slot_of: Vec<u16>,
    /// For each slot, those with an operation of the same kind that completes before.
    twins: Vec<Slots<W>>,
    open: Slots<W>,
    observers: Slots<W>,
    classes: Vec<Class>,
    class_of: HashMap<Kind, usize, FxBuildHasher>,
    /// Classes that were forgotten: their numbers are given to others.
    vacant: Vec<usize>,
    /// The first event after which some class can be forgotten.
    first_until: u32,
    /// Whether info operations may take effect any number of times.
    unlimited: bool,
}

impl<'a, S: Specification, const W: usize> Window<'a, S, W> {
    pub(super) fn new(whole: &'a Demands<S>, with_order: bool, unlimited: bool) -> Self {
        Self {
            whole,
            states: States::new(whole.specification.initial()),
            counts: Counts::new(),
            trail: Trail::new(with_order),
            slots: vec![0; 64 * W],
            slot_of: vec![0; whole.demands.len()],
            twins: vec![Slots::EMPTY; 64 * W],
            open: Slots::EMPTY,
            observers: Slots::EMPTY,
            classes: Vec::new(),
            class_of: HashMap::default(),
            vacant: Vec::new(),
            first_until: NEVER,
            unlimited,
        }
    }

    /// The situation before anything.
    pub(super) fn start() -> Reached<W> {
        let at = Configuration { state: 0, spent: 0, used: Slots::EMPTY, free: Slots::EMPTY };
        Reached { at, trail: TrailId::START }
    }

    /// Whether there are info operations.
    pub(super) fn has_info(&self) -> bool {
        !self.class_of.is_empty()
    }

    fn demand(&self, slot: usize) -> &'a Demand {
        &self.whole.demands[self.slots[slot] as usize]
    }

    fn operation(&self, kind: Kind) -> &'a S::Operation {
        &self.whole.kinds[kind as usize]
    }

    /// The slot of an open operation.
    pub(super) fn slot(&self, place: u32) -> Slots<W> {
        Slots::one(self.slot_of[place as usize] as usize)
    }

    fn changes(&self) -> Slots<W> {
        self.open & !self.observers
    }

    /// Opens an operation. Observers take effect in every situation that satisfies them.
    pub(super) fn begin(&mut self, place: u32, frontier: &mut [Reached<W>]) {
        let demand = &self.whole.demands[place as usize];
        if !demand.is_certain() {
            self.begin_info(place, demand);
            return;
        }
        let slot = (!self.open).first();
        let bit = Slots::one(slot);
        self.slots[slot] = place;
        self.slot_of[place as usize] = slot as u16;
        self.twins[slot] = Slots::EMPTY;
        for other in self.open.iter() {
            let twin = self.demand(other);
            match (twin.kind == demand.kind, twin.completed < demand.completed) {
                (true, true) => self.twins[slot] |= Slots::one(other),
                (true, false) => self.twins[other] |= bit,
                (false, _) => {}
            }
        }
        self.open |= bit;
        if S::is_observer(self.operation(demand.kind)) {
            self.observers |= bit;
            for reached in frontier {
                self.look(reached, bit);
            }
        }
    }

    fn begin_info(&mut self, place: u32, demand: &Demand) {
        let kind = demand.kind;
        if let Some(class) = self.class_of.get(&kind) {
            self.classes[*class].members.push(place);
            return;
        }
        let until = self.whole.specification.observable_until(self.operation(kind));
        if until < demand.invoked {
            return;
        }
        let class = Class { kind, until, members: vec![place] };
        let number = self.vacant.pop().unwrap_or(self.classes.len());
        match self.classes.get_mut(number) {
            Some(vacant) => *vacant = class,
            None => self.classes.push(class),
        }
        self.class_of.insert(kind, number);
        self.first_until = self.first_until.min(until);
    }

    /// Forgets info operations of which nobody could tell who completes after this event, and how many of them were spent.
    pub(super) fn retire(&mut self, event: u32, frontier: &mut [Reached<W>]) {
        if self.first_until > event {
            return;
        }
        self.first_until = NEVER;
        let (classes, counts, vacant) = (&self.classes, &mut self.counts, &mut self.vacant);
        self.class_of.retain(|_, number| {
            let until = classes[*number].until;
            if until > event {
                self.first_until = self.first_until.min(until);
                return true;
            }
            for reached in &mut *frontier {
                reached.at.spent = counts.without(reached.at.spent, *number);
            }
            vacant.push(*number);
            false
        });
        for number in &self.vacant {
            self.classes[*number].members.clear();
        }
    }

    /// Closes an operation.
    pub(super) fn release(&mut self, place: u32) {
        let bit = self.slot(place);
        self.open &= !bit;
        self.observers &= !bit;
        for slot in self.open.iter() {
            self.twins[slot] &= !bit;
        }
    }

    fn step(&mut self, from: StateId, kind: Kind) -> Option<StateId> {
        let operation = self.operation(kind);
        self.states.step(&self.whole.specification, from, kind, operation)
    }

    /// Of these observers, all that the state satisfies take effect.
    fn look(&mut self, reached: &mut Reached<W>, observers: Slots<W>) {
        for slot in (observers & !reached.at.used).iter() {
            if self.step(reached.at.state, self.demand(slot).kind).is_some() {
                reached.at.used |= Slots::one(slot);
                reached.trail = self.trail.visible(reached.trail, self.slots[slot]);
            }
        }
    }

    /// All useful single steps of open operations from a situation in which `target` has not taken effect, and whether each is the
    /// target's own.
    pub(super) fn open_steps(
        &mut self,
        from: &Reached<W>,
        target: u32,
        mut found: impl FnMut(Reached<W>, bool),
    ) {
        let goal = self.slot_of[target as usize] as usize;
        for slot in (self.changes() & !from.at.used).iter() {
            if let Some(to) = self.open_step(from, slot, Some(target)) {
                found(to, slot == goal);
            }
        }
    }

    /// An open operation takes effect, if it is possible, of use before the target completes, and not better done by another of its kind.
    fn open_step(
        &mut self,
        from: &Reached<W>,
        slot: usize,
        target: Option<u32>,
    ) -> Option<Reached<W>> {
        let bit = Slots::one(slot);
        let is_free = from.at.free.intersects(bit);
        let twins = self.twins[slot] & !from.at.used;
        // A twin that is due earlier goes first, unless it need not take effect and this one must.
        if !(if is_free { twins } else { twins & !from.at.free }).is_empty() {
            return None;
        }
        let kind = self.demand(slot).kind;
        let state = self.step(from.at.state, kind)?;
        if let Some(target) = target
            && target != self.slots[slot]
            && !self.is_useful(from, state, target)
        {
            return None;
        }
        let mut to = *from;
        to.at.used |= bit;
        to.at.free &= !bit;
        to.trail = self.trail.visible(to.trail, self.slots[slot]);
        Some(self.arrive(to, state, kind))
    }

    /// All useful single steps of info operations from a situation in which `target` has not taken effect. Where an open operation
    /// does the same it goes first, for it is due.
    pub(super) fn info_steps(
        &mut self,
        from: &Reached<W>,
        target: u32,
        mut found: impl FnMut(Reached<W>),
    ) {
        for class in 0..self.classes.len() {
            let Class { kind, members, .. } = &self.classes[class];
            let (kind, taken) = (*kind, usize::from(self.counts.get(from.at.spent, class)));
            let Some(member) = members.get(taken).copied() else { continue };
            let obliged = self.changes() & !from.at.used & !from.at.free;
            if obliged.iter().any(|slot| self.demand(slot).kind == kind) {
                continue;
            }
            let Some(state) = self.step(from.at.state, kind) else { continue };
            if state == from.at.state || !self.is_useful(from, state, target) {
                continue;
            }
            let mut to = *from;
            if !self.unlimited {
                to.at.spent = self.counts.plus(to.at.spent, class);
            }
            to.trail = self.trail.visible(to.trail, member);
            found(self.arrive(to, state, kind));
        }
    }

    /// Whether a step to this state may be needed before the target has taken effect.
    fn is_useful(&self, from: &Reached<W>, to: StateId, target: u32) -> bool {
        let wanting = (self.observers & !from.at.used).iter();
        let wanting = wanting.map(|slot| self.operation(self.demand(slot).kind));
        let (specification, target) = (&self.whole.specification, self.whole.step(target));
        specification.is_useful(self.states.get(to), target, wanting)
    }

    /// A state is there, by an operation of this kind: what it hides is free, and whoever looks for it has seen it.
    fn arrive(&mut self, mut to: Reached<W>, state: StateId, kind: Kind) -> Reached<W> {
        let later = self.operation(kind);
        to.at.state = state;
        for slot in (self.changes() & !to.at.used).iter() {
            if S::hides(later, self.operation(self.demand(slot).kind)) {
                to.at.free |= Slots::one(slot);
            }
        }
        self.look(&mut to, self.observers);
        to
    }

    /// What every open change alone leads to.
    pub(super) fn successors(&mut self, from: &Reached<W>, mut found: impl FnMut(Reached<W>)) {
        for slot in (self.changes() & !from.at.used).iter() {
            if let Some(to) = self.open_step(from, slot, None) {
                found(to);
            }
        }
    }

    /// Whether `a` can do everything that `b` can. Both are in the same state.
    pub(super) fn dominates(&self, a: &Configuration<W>, b: &Configuration<W>) -> bool {
        let changes = self.changes();
        let obliged = |c: &Configuration<W>| changes & !c.used & !c.free;
        (b.used & self.observers).is_subset(a.used)
            && (a.used & changes).is_subset(b.used)
            && obliged(a).is_subset(obliged(b))
            && self.counts.at_most(a.spent, b.spent)
    }

    /// Forgets all states but these, and of these what nobody could tell who completes after this event.
    pub(super) fn forget_states(&mut self, event: u32, frontier: &mut [Reached<W>]) {
        let ids = frontier.iter_mut().map(|reached| &mut reached.at.state);
        self.states.keep_only(&self.whole.specification, event, ids);
    }

    /// The bytes that all of it takes, about.
    pub(super) fn bytes(&self) -> u64 {
        self.states.bytes() + self.counts.bytes() + self.trail.bytes()
    }
}

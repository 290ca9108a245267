//! Just-in-time search (Lowe 2017) over the situations that a register may be in.
//!
//! Events are taken in order. A *configuration* is one situation that explains all events so far: the value, and which of the open operations
//! have taken effect. Nothing takes effect before it must: only when an operation completes are the steps explored that let it have taken effect.
//! If no configuration survives a completion, there is no order, and this event proves it. Memory is that of the
//! configurations, never of the history.
//!
//! What keeps the configurations few (each is exact; the argument in a sentence):
//!
//! * *Observers first.* Whatever only looks takes effect as soon as the value satisfies it: looking changes nothing.
//! * *Hidden writes are free.* When a write takes effect, every other open write may have done so just before it without a trace. It is
//!   *free*: it may complete without more ado, or still take effect visibly later.
//! * *The same among the same.* Of open operations that do the same, the one that completes first goes first: exchange them.
//! * *Only useful steps.* A write takes effect before it must only if somebody open wants its value, or to make others free.
//! * *Dominance.* A configuration that can do all that another can makes the other superfluous.
//! * *Info operations are counted classes.* They never complete, so those that do the same differ in nothing but number.

use std::collections::{BTreeMap, HashSet};

use super::budget::{Budget, Exhausted};
use super::prepare::{Demand, INITIAL, Key, Step, ValueId};

/// Places for operations that are open at once on one key.
const SLOTS: u32 = 128;
/// Groups of more configurations are not compared pair by pair.
const COMPARED_MAX: usize = 2_000;
/// The budget is looked at once in so many steps.
const STEPS_PER_CHECK: u64 = 256;

/// The end of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is an order.
    Linearizable,
    /// There is none.
    Stuck {
        /// The demand whose completion nothing explains, by its place.
        at: usize,
        /// The values that the register may have had just before, in order.
        possible: Vec<ValueId>,
    },
}

/// Searches for an order of all demands on a key.
pub(super) fn search(key: &Key, budget: &Budget) -> Result<Found, Exhausted> {
    let mut search = Search::new(key, budget);
    for event in events(&key.demands) {
        match event {
            Event::Begin(demand) => search.begin(demand)?,
            Event::Complete(demand) => {
                let possible = search.values();
                search.complete(demand)?;
                if search.frontier.is_empty() {
                    return Ok(Found::Stuck { at: demand, possible });
                }
            }
        }
    }
    Ok(Found::Linearizable)
}

enum Event {
    Begin(usize),
    Complete(usize),
}

fn events(demands: &[Demand]) -> Vec<Event> {
    let mut events: Vec<(usize, Event)> = Vec::new();
    for (place, demand) in demands.iter().enumerate() {
        events.push((demand.invoked, Event::Begin(place)));
        events.extend(demand.completed.map(|completed| (completed, Event::Complete(place))));
    }
    events.sort_by_key(|(position, _)| *position);
    events.into_iter().map(|(_, event)| event).collect()
}

/// A set of slots.
type Slots = u128;

/// One situation that explains everything so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Configuration {
    value: ValueId,
    /// Open operations that have taken effect.
    used: Slots,
    /// Open writes that may have taken effect, hidden by another.
    free: Slots,
    /// How many of each class of info operations have taken effect.
    spent: Vec<u16>,
}

/// Info operations that do the same.
#[derive(Clone, Copy, Debug)]
struct Class {
    step: Step,
    begun: u16,
}

struct Search<'a> {
    demands: &'a [Demand],
    budget: &'a Budget,
    has_cas: bool,
    frontier: Vec<Configuration>,
    /// The demand in each slot.
    slots: [usize; SLOTS as usize],
    open: Slots,
    writes: Slots,
    observers: Slots,
    classes: Vec<Class>,
    class_of: BTreeMap<Step, usize>,
    steps: u64,
    /// The event that is being taken, for messages about limits.
    position: usize,
}

impl<'a> Search<'a> {
    fn new(key: &'a Key, budget: &'a Budget) -> Self {
        let start = Configuration { value: INITIAL, used: 0, free: 0, spent: Vec::new() };
        Self {
            demands: &key.demands,
            budget,
            has_cas: key.demands.iter().any(|demand| matches!(demand.step, Step::Cas(..))),
            frontier: vec![start],
            slots: [0; SLOTS as usize],
            open: 0,
            writes: 0,
            observers: 0,
            classes: Vec::new(),
            class_of: BTreeMap::new(),
            steps: 0,
            position: 0,
        }
    }

    fn values(&self) -> Vec<ValueId> {
        let mut values: Vec<_> = self.frontier.iter().map(|c| c.value).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    fn begin(&mut self, place: usize) -> Result<(), Exhausted> {
        let demand = &self.demands[place];
        self.position = demand.invoked;
        if demand.completed.is_none() {
            self.begin_info(demand.step);
            return Ok(());
        }
        let slot = (!self.open).trailing_zeros();
        if slot >= SLOTS {
            return Err(Exhausted::Concurrency { limit: SLOTS, decided: self.position });
        }
        let bit = 1 << slot;
        self.slots[slot as usize] = place;
        self.open |= bit;
        match demand.step {
            Step::Write(_) => self.writes |= bit,
            Step::Is(_) | Step::IsNot(_) => {
                self.observers |= bit;
                for configuration in &mut self.frontier {
                    if accepts(demand.step, configuration.value) {
                        configuration.used |= bit;
                    }
                }
            }
            Step::Cas(..) => {}
        }
        Ok(())
    }

    fn begin_info(&mut self, step: Step) {
        let class = *self.class_of.entry(step).or_insert(self.classes.len());
        if class == self.classes.len() {
            self.classes.push(Class { step, begun: 0 });
            for configuration in &mut self.frontier {
                configuration.spent.push(0);
            }
        }
        // More than u16::MAX of one kind is more than any order will use.
        self.classes[class].begun = self.classes[class].begun.saturating_add(1);
    }

    /// Keeps what explains that the demand has taken effect by now.
    fn complete(&mut self, place: usize) -> Result<(), Exhausted> {
        self.position = self.demands[place].completed.unwrap_or(self.position);
        let bit = self.bit_of(place);
        let mut next = Successors::default();
        let mut queue = Vec::new();
        for configuration in std::mem::take(&mut self.frontier) {
            if configuration.used & bit != 0 {
                next.add(configuration.without(bit));
                continue;
            }
            if configuration.free & bit != 0 {
                next.add(configuration.clone().without(bit)); // It was hidden.
            }
            queue.push(configuration);
        }
        let mut seen = HashSet::new();
        while let Some(configuration) = queue.pop() {
            self.check_budget(seen.len() + queue.len() + next.kept.len())?;
            if configuration.used & bit != 0 {
                next.add(configuration.without(bit)); // An observer was satisfied on the way.
            } else if seen.insert(configuration.clone()) {
                self.expand(&configuration, bit, &mut next, &mut queue);
            }
        }
        self.release(bit);
        self.frontier = self.undominated(next.kept);
        Ok(())
    }

    fn check_budget(&mut self, held: usize) -> Result<(), Exhausted> {
        self.steps += 1;
        if !self.steps.is_multiple_of(STEPS_PER_CHECK) {
            return Ok(());
        }
        let each = size_of::<Configuration>() + self.classes.len() * size_of::<u16>() + 32;
        self.budget.check((held * each) as u64, self.position)
    }

    fn bit_of(&self, place: usize) -> Slots {
        let slot = slots(self.open).find(|slot| self.slots[*slot] == place);
        1 << slot.expect("what completes was begun")
    }

    fn release(&mut self, bit: Slots) {
        self.open &= !bit;
        self.writes &= !bit;
        self.observers &= !bit;
    }

    fn step(&self, slot: usize) -> Step {
        self.demands[self.slots[slot]].step
    }

    /// All useful single steps from a configuration in which `target` has not taken effect. Steps of the target go to `next`.
    fn expand(
        &self,
        from: &Configuration,
        target: Slots,
        next: &mut Successors,
        queue: &mut Vec<Configuration>,
    ) {
        let target_slot = target.trailing_zeros() as usize;
        if let Step::Write(value) = self.step(target_slot) {
            next.add(self.written(from, value, Source::Open(target)).without(target));
        }
        for (value, source) in self.possible_writes(from, target) {
            if value == from.value || self.is_wanted(from, value) {
                queue.push(self.written(from, value, source));
            }
        }
        for (value, source) in self.possible_swaps(from, target) {
            let swapped = self.swapped(from, value, source);
            match source {
                Source::Open(bit) if bit == target => next.add(swapped.without(target)),
                _ => queue.push(swapped),
            }
        }
    }

    /// The writes that may take effect next, one for each value. A write of the value that is there already is of use only if it
    /// makes another write free before a cas.
    fn possible_writes(&self, from: &Configuration, target: Slots) -> BTreeMap<ValueId, Source> {
        let bound = self.has_cas && self.open & self.writes & !from.used & !from.free != 0;
        let mut first: BTreeMap<ValueId, (usize, Slots)> = BTreeMap::new();
        for slot in slots(self.open & self.writes & !from.used & !target) {
            let Step::Write(value) = self.step(slot) else { continue };
            let deadline = self.demands[self.slots[slot]].completed.unwrap_or(usize::MAX);
            let entry = first.entry(value).or_insert((deadline, 1 << slot));
            *entry = (*entry).min((deadline, 1 << slot));
        }
        let mut writes: BTreeMap<_, _> =
            first.into_iter().map(|(value, (_, bit))| (value, Source::Open(bit))).collect();
        for (class, Class { step, begun }) in self.classes.iter().enumerate() {
            if let Step::Write(value) = step
                && from.spent[class] < *begun
            {
                writes.entry(*value).or_insert(Source::Info(class));
            }
        }
        writes.retain(|value, _| *value != from.value || bound);
        writes
    }

    /// The cas that may take effect next, one for each new value. One that completes must take its chance; an info one only if its new value is wanted.
    fn possible_swaps(&self, from: &Configuration, target: Slots) -> BTreeMap<ValueId, Source> {
        let mut first: BTreeMap<ValueId, (usize, Slots)> = BTreeMap::new();
        for slot in slots(self.open & !self.writes & !self.observers & !from.used) {
            let Step::Cas(old, new) = self.step(slot) else { continue };
            if old == from.value {
                let deadline = self.demands[self.slots[slot]].completed.unwrap_or(usize::MAX);
                let entry = first.entry(new).or_insert((deadline, 1 << slot));
                *entry = (*entry).min((deadline, 1 << slot));
            }
        }
        debug_assert!(first.values().filter(|(_, bit)| *bit == target).count() <= 1);
        let mut swaps: BTreeMap<_, _> =
            first.into_iter().map(|(value, (_, bit))| (value, Source::Open(bit))).collect();
        for (class, Class { step, begun }) in self.classes.iter().enumerate() {
            if let Step::Cas(old, new) = step
                && *old == from.value
                && from.spent[class] < *begun
                && self.is_wanted(from, *new)
            {
                swaps.entry(*new).or_insert(Source::Info(class));
            }
        }
        swaps
    }

    /// Whether anybody who has not taken effect could do so at this value.
    fn is_wanted(&self, from: &Configuration, value: ValueId) -> bool {
        let open = slots(self.open & !self.writes & !from.used).any(|slot| match self.step(slot) {
            Step::Cas(old, _) => old == value,
            step => accepts(step, value),
        });
        let starts_from = |class: &Class| matches!(class.step, Step::Cas(old, _) if old == value);
        let info = self.classes.iter().enumerate();
        open || info.into_iter().any(|(n, class)| starts_from(class) && from.spent[n] < class.begun)
    }

    fn written(&self, from: &Configuration, value: ValueId, source: Source) -> Configuration {
        let mut to = self.swapped(from, value, source);
        to.free = self.open & self.writes & !to.used;
        to
    }

    fn swapped(&self, from: &Configuration, value: ValueId, source: Source) -> Configuration {
        let mut to = from.clone();
        to.value = value;
        match source {
            Source::Open(bit) => to.used |= bit,
            Source::Info(class) => to.spent[class] += 1,
        }
        to.free &= !to.used;
        for slot in slots(self.open & self.observers & !to.used) {
            if accepts(self.step(slot), value) {
                to.used |= 1 << slot;
            }
        }
        to
    }

    /// Leaves out every configuration that another makes superfluous.
    fn undominated(&self, mut all: Vec<Configuration>) -> Vec<Configuration> {
        let swaps = self.open & !self.writes & !self.observers;
        let group = |c: &Configuration| (c.value, c.used & swaps);
        all.sort_by(|a, b| group(a).cmp(&group(b)).then_with(|| a.spent.cmp(&b.spent)));
        let mut kept = Vec::new();
        for chunk in all.chunk_by(|a, b| group(a) == group(b)) {
            if chunk.len() > COMPARED_MAX {
                kept.extend_from_slice(chunk);
                continue;
            }
            let mut best: Vec<Configuration> = Vec::new();
            for candidate in chunk {
                if !best.iter().any(|other| self.dominates(other, candidate)) {
                    best.retain(|other| !self.dominates(candidate, other));
                    best.push(candidate.clone());
                }
            }
            kept.append(&mut best);
        }
        kept
    }

    /// Whether `a` can do everything that `b` can. Both have the same value, and the same cas have taken effect.
    fn dominates(&self, a: &Configuration, b: &Configuration) -> bool {
        let observers = self.open & self.observers;
        let writes = self.open & self.writes;
        let obliged = |c: &Configuration| writes & !c.used & !c.free;
        let satisfied = b.used & observers & !a.used == 0;
        let available = a.used & writes & !b.used == 0;
        let obligations = obliged(a) & !obliged(b) == 0;
        satisfied && available && obligations && a.spent.iter().zip(&b.spent).all(|(a, b)| a <= b)
    }
}

/// What takes effect: an open operation, or one of a class of info operations.
#[derive(Clone, Copy, Debug)]
enum Source {
    Open(Slots),
    Info(usize),
}

/// The configurations after an event, each once.
#[derive(Default)]
struct Successors {
    kept: Vec<Configuration>,
    known: HashSet<Configuration>,
}

impl Successors {
    fn add(&mut self, configuration: Configuration) {
        if self.known.insert(configuration.clone()) {
            self.kept.push(configuration);
        }
    }
}

impl Configuration {
    /// The same after an open operation is gone.
    fn without(mut self, bit: Slots) -> Self {
        self.used &= !bit;
        self.free &= !bit;
        self
    }
}

fn accepts(step: Step, value: ValueId) -> bool {
    match step {
        Step::Is(wanted) => wanted == value,
        Step::IsNot(refuted) => refuted != value,
        Step::Write(_) | Step::Cas(..) => false,
    }
}

fn slots(mut set: Slots) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let slot = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (slot < SLOTS).then_some(slot as usize)
    })
}

//! The operations of a collection by element.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::culprit::{Culprit, told, view};
use crate::explain::Argument;
use crate::history::{History, NEVER, Operation, Outcome, ValueId};
use crate::linearizability::objects::Object;

/// No operation, no element.
pub(super) const NONE: u32 = u32::MAX;

/// What the operations of a collection are called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// Puts an element in.
    pub(super) add: &'static str,
    /// Takes one out and returns it, or null if there is none.
    pub(super) remove: &'static str,
    /// Returns the one that would be taken out.
    pub(super) peek: &'static str,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Add,
    Remove,
    Peek,
    Other,
}

/// An element and when its operations took effect, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    pub(super) value: ValueId,
    /// The operation that added it.
    pub(super) add: u32,
    /// The operation that removed it; [`NONE`] if none is known.
    pub(super) remove: u32,
    /// When the add began.
    pub(super) added_from: u32,
    /// When the add had certainly taken effect: it completed, or somebody had seen the element.
    pub(super) added_by: u32,
    /// When the first operation completed that found it in front; [`NEVER`] if none did.
    pub(super) first_end: u32,
    /// When the last peek of it began; zero if nobody did.
    pub(super) peeked_from: u32,
    /// When the remove began; [`NEVER`] if there is none.
    pub(super) removed_from: u32,
    /// When the remove completed.
    pub(super) removed_by: u32,
}

/// An operation that looked at the collection and changed nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) place: u32,
    pub(super) from: u32,
    pub(super) by: u32,
    /// What it saw; [`NONE`] if the collection was empty.
    pub(super) element: u32,
}

/// The operations of a collection.
pub(super) struct Collection<'a> {
    pub(super) history: &'a History,
    pub(super) object: Object<'a>,
    kinds: Vec<Kind>,
    /// Those that were certainly added, in the order in which their adds began.
    pub(super) elements: Vec<Element>,
    /// Those who saw an element and left it, by element and beginning.
    pub(super) peeks: Vec<Look>,
    /// Those who found it empty.
    pub(super) empties: Vec<Look>,
    /// Removes of which nobody knows whether they took effect, and on what, as beginning and place, in order.
    pub(super) unknown: Vec<(u32, u32)>,
}

impl Element {
    /// The last moment at which the element was certainly not removed yet: a front operation, or its add, began. [`NEVER`] if nobody ever removed it.
    pub(super) fn last_begin(&self) -> u32 {
        self.removed_from.max(self.peeked_from).max(self.added_from)
    }

    /// Whether nobody is known to have removed it.
    pub(super) fn is_left(&self) -> bool {
        self.remove == NONE
    }

    /// The element as if nobody had removed it, and then by an operation of unknown outcome.
    pub(super) fn removed_by_unknown(&self, (from, place): (u32, u32)) -> Self {
        Self { remove: place, removed_from: from, removed_by: NEVER, ..*self }
    }
}

impl<'a> Collection<'a> {
    /// Sorts the operations of an object by element. Nothing if elements are not unique; a culprit if one element's operations contradict each other.
    pub(super) fn of(
        history: &'a History,
        object: &Object<'a>,
        names: &Names,
    ) -> Option<Result<Self, Culprit>> {
        let kind = |f: &str| match f {
            f if f == names.add => Kind::Add,
            f if f == names.remove => Kind::Remove,
            f if f == names.peek => Kind::Peek,
            _ => Kind::Other,
        };
        let mut collection = Self {
            history,
            object: *object,
            kinds: history.by_function(Kind::Other, kind),
            elements: Vec::new(),
            peeks: Vec::new(),
            empties: Vec::new(),
            unknown: Vec::new(),
        };
        let numbers = collection.take_adds()?;
        let taken = collection.take_others(&numbers)?;
        Some(taken.and_then(|()| collection.settle()).map(|()| collection))
    }

    /// How many events its history has.
    pub(super) fn events(&self) -> usize {
        self.history.events()
    }

    fn kind(&self, operation: &Operation) -> Kind {
        self.kinds[operation.function as usize]
    }

    /// One element for each add that may have happened.
    fn take_adds(&mut self) -> Option<Numbers> {
        let mut numbers = Numbers::new(self.object.len());
        for (place, operation) in self.object.iter() {
            let kind = self.kind(operation);
            if kind == Kind::Other {
                return None;
            }
            if kind != Kind::Add || operation.outcome == Outcome::Fail {
                continue;
            }
            let value = operation.value;
            if value == ValueId::NIL || !value.is_scalar() {
                return None;
            }
            if !numbers.set_new(value, self.elements.len() as u32) {
                return None; // Added twice.
            }
            self.elements.push(Element {
                value,
                add: place,
                remove: NONE,
                added_from: operation.invoked,
                added_by: operation.completed,
                first_end: NEVER,
                peeked_from: 0,
                removed_from: NEVER,
                removed_by: NEVER,
            });
        }
        Some(numbers)
    }

    /// Who saw and who removed them.
    fn take_others(&mut self, numbers: &Numbers) -> Option<Result<(), Culprit>> {
        let mut wrong = None;
        for (place, operation) in self.object.iter() {
            let kind = self.kind(operation);
            match (kind, operation.outcome) {
                (Kind::Remove, Outcome::Info | Outcome::Open) => {
                    self.unknown.push((operation.invoked, place));
                }
                (Kind::Remove | Kind::Peek, Outcome::Ok) => {
                    if operation.value != ValueId::NIL && !operation.value.is_scalar() {
                        return None;
                    }
                    let number = numbers.of(operation.value);
                    let taken = self.take_seen(kind, place, operation, number);
                    wrong = wrong.or_else(|| taken.err().map(|first| (first, place)));
                }
                _ => {}
            }
        }
        // Only now is known what else may have taken effect.
        Some(match wrong {
            None => Ok(()),
            Some((NONE, seer)) => Err(self.never_added(seer)),
            Some((first, second)) => Err(self.removed_twice(first, second)),
        })
    }

    /// Takes the result of a remove or peek. If it cannot be, the answer is the remove that was first, or [`NONE`] if there was no such element.
    fn take_seen(
        &mut self,
        kind: Kind,
        place: u32,
        operation: &Operation,
        number: u32,
    ) -> Result<(), u32> {
        let (from, by) = (operation.invoked, operation.completed);
        let look = Look { place, from, by, element: number };
        if operation.value == ValueId::NIL {
            self.empties.push(Look { element: NONE, ..look });
            return Ok(());
        }
        let element = self.elements.get_mut(number as usize).ok_or(NONE)?;
        element.first_end = element.first_end.min(by);
        if kind == Kind::Peek {
            element.peeked_from = element.peeked_from.max(from);
            self.peeks.push(look);
            return Ok(());
        }
        if element.remove != NONE {
            return Err(element.remove);
        }
        (element.remove, element.removed_from, element.removed_by) = (place, from, by);
        Ok(())
    }

    /// What follows within each element, and what contradicts itself there. Adds that nobody can have noticed are forgotten.
    fn settle(&mut self) -> Result<(), Culprit> {
        let mut unnoticed = false;
        for number in 0..self.elements.len() {
            let element = self.elements[number];
            if element.first_end < element.added_from {
                return Err(self.seen_early(element));
            }
            if element.removed_by < element.peeked_from {
                return Err(self.seen_late(element));
            }
            let added_by = element.added_by.min(element.first_end);
            self.elements[number].added_by = added_by;
            unnoticed |= added_by == NEVER;
        }
        if unnoticed {
            self.forget_unnoticed();
        }
        self.peeks.sort_unstable_by_key(|peek| (peek.element, peek.from));
        Ok(())
    }

    fn forget_unnoticed(&mut self) {
        let mut kept = 0;
        let noticed = |element: &Element| element.added_by != NEVER;
        let keep = |element: &Element| {
            let number = if noticed(element) { kept } else { NONE };
            kept += u32::from(noticed(element));
            number
        };
        let moved: Vec<u32> = self.elements.iter().map(keep).collect();
        self.elements.retain(noticed);
        self.peeks.iter_mut().for_each(|peek| peek.element = moved[peek.element as usize]);
    }

    /// The peeks of an element.
    pub(super) fn peeks_of(&self, element: u32) -> &[Look] {
        let start = self.peeks.partition_point(|peek| peek.element < element);
        let end = self.peeks.partition_point(|peek| peek.element <= element);
        &self.peeks[start..end]
    }

    /// All operations on these values that may have taken effect, the `others`, and the removes of unknown outcome that began before all that was over.
    pub(super) fn closed(&self, values: &[ValueId], others: &[u32]) -> Vec<u32> {
        let mut values = values.to_vec();
        values.sort_unstable();
        let of_values = |operation: &Operation| {
            operation.outcome != Outcome::Fail && values.binary_search(&operation.value).is_ok()
        };
        let mut core = others.to_vec();
        core.extend(self.object.iter().filter(|(_, o)| of_values(o)).map(|(place, _)| place));
        let ends = core.iter().filter_map(|place| view(self.history, *place).completed());
        let end = ends.max().unwrap_or(0) as u32;
        let unknown = self.unknown.iter().take_while(|(from, _)| *from < end);
        core.extend(unknown.map(|(_, place)| *place));
        core
    }
}

/// What is wrong with a single element.
impl Collection<'_> {
    fn never_added(&self, seer: u32) -> Culprit {
        let value = view(self.history, seer).id();
        let failed = |(_, o): &(u32, &Operation)| {
            self.kind(o) == Kind::Add && o.outcome == Outcome::Fail && o.value == value
        };
        let aborted = self.object.iter().find(failed).map(|(place, _)| place);
        let words = self.history.values().words(value);
        let mut steps = vec![format!("{}.", told(self.history, seer))];
        steps.push(match aborted {
            None => format!("Nobody ever added {words}."),
            Some(add) => format!(
                "{words} was added only by {}, which ended fail: it certainly has no effect.",
                told(self.history, add)
            ),
        });
        let kind = if aborted.is_some() { "aborted add" } else { "value out of thin air" };
        let others: Vec<_> = aborted.into_iter().chain([seer]).collect();
        let argument = Argument { kind, culprit: seer, steps, shown: others.clone() };
        Culprit { core: self.closed(&[value], &others), argument }
    }

    fn about(
        &self,
        value: ValueId,
        kind: &'static str,
        first: u32,
        then: &str,
        culprit: u32,
    ) -> Culprit {
        let steps = vec![
            format!("{}.", told(self.history, first)),
            format!("{then} {}.", told(self.history, culprit)),
        ];
        let argument = Argument { kind, culprit, steps, shown: vec![first] };
        Culprit { core: self.closed(&[value], &[]), argument }
    }

    fn removed_twice(&self, first: u32, second: u32) -> Culprit {
        let value = view(self.history, first).id();
        let then = "It was added once and removed a second time by";
        self.about(value, "duplicate remove", first, then, second)
    }

    fn seen_early(&self, element: Element) -> Culprit {
        let mut seers = self.object.iter().filter(|(place, o)| {
            *place != element.add && o.value == element.value && o.completed == element.first_end
        });
        let seer = seers.next().map_or(element.add, |(place, _)| place);
        let then = "That was over before it was added by";
        let mut culprit =
            self.about(element.value, "value from the future", seer, then, element.add);
        (culprit.argument.culprit, culprit.argument.shown) = (seer, vec![element.add]);
        culprit
    }

    fn seen_late(&self, element: Element) -> Culprit {
        let peeks = self.peeks.iter().filter(|peek| peek.from == element.peeked_from);
        let peek = peeks.map(|peek| peek.place).next().unwrap_or(element.add);
        let then = "It was removed by then, but was still seen by";
        self.about(element.value, "value seen after its remove", element.remove, then, peek)
    }
}

/// Values that are used often have small numbers: those have a table, the others a map.
pub(super) struct Numbers {
    small: Vec<u32>,
    large: HashMap<ValueId, u32, FxBuildHasher>,
}

impl Numbers {
    pub(super) fn new(operations: usize) -> Self {
        Self { small: vec![NONE; 2 * operations + 64], large: HashMap::default() }
    }

    /// Gives a value its number; not if it has one.
    pub(super) fn set_new(&mut self, value: ValueId, number: u32) -> bool {
        let slot = match self.small.get_mut(value.number() as usize) {
            Some(slot) => slot,
            None => self.large.entry(value).or_insert(NONE),
        };
        let is_new = *slot == NONE;
        *slot = if is_new { number } else { *slot };
        is_new
    }

    /// The number of a value; [`NONE`] if it has none.
    pub(super) fn of(&self, value: ValueId) -> u32 {
        match self.small.get(value.number() as usize) {
            Some(number) => *number,
            None => self.large.get(&value).copied().unwrap_or(NONE),
        }
    }
}

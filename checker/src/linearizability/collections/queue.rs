//! First in, first out.
//!
//! A queue with unique values is linearizable iff the order of its values (`kahn.rs`) has no cycle and every operation that found it empty can have
//! (`empties.rs`). Without peeks every cycle shrinks to the pattern of Henzinger, Sezgin and Vafeiadis (CONCUR 2013): added in one order, removed in
//! the other.
//!
//! A dequeue of unknown outcome may have removed one value that nobody else did. A value that was added before another, which was
//! then found in front, must have been removed until then: that is its deadline. Earliest deadlines get the earliest such dequeues; if
//! there are too few, the history is impossible, and if what remains fits, it is possible. In between nothing is decided here.

mod merge;

use super::culprit::{Culprit, told};
use super::empties::{self, Gaps};
use super::kahn::{self, is_added_before, is_front_before};
use super::prepare::{Collection, Element, Look, NONE, Names};
use crate::explain::Argument;
use crate::history::{History, NEVER};
use crate::linearizability::decision::Decision;
use crate::linearizability::objects::Object;
use crate::models::Model;

const QUEUE: Names = Names { add: "enqueue", remove: "dequeue", peek: "peek" };

/// Judges a queue. Nothing if values are not unique, or if dequeues of unknown outcome leave it open.
pub(in crate::linearizability) fn queue(
    history: &History,
    object: &Object<'_>,
    with_order: bool,
) -> Option<Decision> {
    let decided = match Collection::of(history, object, &QUEUE)? {
        Ok(collection) => decide(&collection, with_order)?,
        Err(culprit) => Err(culprit),
    };
    Some(match decided {
        Ok(order) => Decision::Valid { order: with_order.then_some(order) },
        Err(culprit) => culprit.convict(history, object, Model::Queue),
    })
}

fn decide(collection: &Collection<'_>, with_order: bool) -> Option<Result<Vec<u32>, Culprit>> {
    let elements = &collection.elements;
    if collection.unknown.is_empty() || !elements.iter().any(Element::is_left) {
        let found = explain(collection, elements, with_order);
        return Some(found.map_err(|wrong| wrong.culprit(collection, elements)));
    }
    let assigned = match assign(collection) {
        Ok(assigned) => assigned,
        Err(culprit) => return Some(Err(culprit)),
    };
    if let Ok(order) = explain(collection, &assigned, with_order) {
        return Some(Ok(order));
    }
    // Whether values that may have been removed are at fault is open; without them it is not.
    let certain: Vec<_> = elements.iter().filter(|element| !element.is_left()).copied().collect();
    let wrong = explain(collection, &certain, false).err()?;
    Some(Err(wrong.culprit(collection, &certain)))
}

/// What cannot be.
enum Wrong {
    /// Each of these must come before the next, and the last before the first.
    Cycle(Vec<u32>),
    /// It was certainly not empty.
    NotEmpty(Look),
}

/// Looks for an order of all operations; empty if none is asked for.
fn explain(
    collection: &Collection<'_>,
    elements: &[Element],
    with_order: bool,
) -> Result<Vec<u32>, Wrong> {
    let values = kahn::order(elements, collection.events()).map_err(Wrong::Cycle)?;
    let gaps = if collection.empties.is_empty() {
        Vec::new()
    } else {
        let gaps = Gaps::of(elements, collection.events());
        gaps.place(&collection.empties).map_err(Wrong::NotEmpty)?
    };
    Ok(if with_order { merge::order(collection, elements, &values, &gaps) } else { Vec::new() })
}

/// Gives every value that must have been removed a dequeue of unknown outcome.
fn assign(collection: &Collection<'_>) -> Result<Vec<Element>, Culprit> {
    let mut assigned = collection.elements.clone();
    let deadlines = deadlines(collection);
    for (rank, deadline) in deadlines.iter().enumerate() {
        match collection.unknown.get(rank) {
            Some(unknown) if unknown.0 < deadline.at => {
                let element = &mut assigned[deadline.element as usize];
                *element = element.removed_by_unknown(*unknown);
            }
            _ => return Err(too_few(collection, &deadlines[..=rank])),
        }
    }
    Ok(assigned)
}

/// When a value that nobody is known to have removed must have been.
#[derive(Clone, Copy)]
struct Deadline {
    at: u32,
    element: u32,
    why: Why,
}

#[derive(Clone, Copy)]
enum Why {
    /// This element was added later and found in front by then.
    Overtaken(u32),
    /// This operation found the queue empty by then.
    Empty(Look),
}

/// All deadlines, earliest first.
fn deadlines(collection: &Collection<'_>) -> Vec<Deadline> {
    let Collection { elements, empties, .. } = collection;
    let overtaken = least_from_here(elements.iter().map(|element| element.first_end));
    let emptied = least_from_here(empties.iter().map(|look| look.by));
    let deadline = |number: usize| {
        let added_by = elements[number].added_by;
        let later = elements.partition_point(|other| other.added_from < added_by);
        let looked = empties.partition_point(|look| look.from < added_by);
        let overtaken = overtaken.get(later).copied();
        let emptied = emptied.get(looked).copied();
        let overtaken = overtaken.map(|(at, other)| (at, Why::Overtaken(other as u32)));
        let emptied = emptied.map(|(at, look)| (at, Why::Empty(empties[look])));
        let first = overtaken.into_iter().chain(emptied).min_by_key(|(at, _)| *at);
        let (at, why) = first.filter(|(at, _)| *at != NEVER)?;
        Some(Deadline { at, element: number as u32, why })
    };
    let left = (0..elements.len()).filter(|number| elements[*number].is_left());
    let mut deadlines: Vec<_> = left.filter_map(deadline).collect();
    deadlines.sort_unstable_by_key(|deadline| deadline.at);
    deadlines
}

/// For each place the least from there on, and where it stands.
fn least_from_here(
    numbers: impl DoubleEndedIterator<Item = u32> + ExactSizeIterator,
) -> Vec<(u32, usize)> {
    let mut least = Vec::with_capacity(numbers.len());
    for (place, number) in numbers.enumerate().rev() {
        let after = least.last().copied().unwrap_or((NEVER, place));
        least.push(if number < after.0 { (number, place) } else { after });
    }
    least.reverse();
    least
}

/// Values that must have been removed by dequeues of unknown outcome, of which too few began in time.
fn too_few(collection: &Collection<'_>, deadlines: &[Deadline]) -> Culprit {
    let Collection { history, elements, .. } = collection;
    let (mut values, mut others, mut steps, mut shown) = (vec![], vec![], vec![], vec![]);
    for deadline in deadlines {
        let element = &elements[deadline.element as usize];
        values.push(element.value);
        shown.push(element.add);
        let since = told(history, element.add);
        steps.push(match deadline.why {
            Why::Overtaken(other) => {
                let other = &elements[other as usize];
                values.push(other.value);
                shown.extend([other.add, collection.first_seer(other)]);
                format!(
                    "{since}. It was added before {}, but that was in front by then: {}.",
                    told(history, other.add),
                    told(history, collection.first_seer(other))
                )
            }
            Why::Empty(look) => {
                others.push(look.place);
                shown.push(look.place);
                format!(
                    "{since}. Nothing was there any more by then: {}.",
                    told(history, look.place)
                )
            }
        });
    }
    let possible = deadlines.len() - 1;
    steps.push(format!(
        "No dequeue returned {}; {possible} of unknown outcome began early enough.",
        if deadlines.len() == 1 { "it" } else { "any of them" }
    ));
    let last = deadlines.last().map_or(0, |deadline| deadline.element);
    let culprit = elements[last as usize].add;
    let argument = Argument { kind: "lost value", culprit, steps, shown };
    Culprit { core: collection.closed(&values, &others), argument }
}

impl Wrong {
    fn culprit(self, collection: &Collection<'_>, elements: &[Element]) -> Culprit {
        match self {
            Self::Cycle(circle) => out_of_order(collection, elements, &circle),
            Self::NotEmpty(look) => collection.not_empty(elements, look),
        }
    }
}

/// Values that each came before the next, and the last before the first.
fn out_of_order(collection: &Collection<'_>, elements: &[Element], circle: &[u32]) -> Culprit {
    let history = collection.history;
    let members: Vec<_> = circle.iter().map(|number| &elements[*number as usize]).collect();
    let (mut steps, mut shown) = (Vec::new(), Vec::new());
    for (place, a) in members.iter().enumerate() {
        let b = members[(place + 1) % members.len()];
        let (a_words, b_words) = (history.values().words(a.value), history.values().words(b.value));
        let (first, then, how) = if is_added_before(a, b) {
            (collection.proof_of_add(a), b.add, "was enqueued")
        } else {
            (collection.first_seer(a), collection.last_seer(b), "was in front")
        };
        debug_assert!(is_added_before(a, b) || is_front_before(a, b));
        shown.extend([first, then]);
        steps.push(if b.is_left() && then == b.add && !is_added_before(a, b) {
            let first = told(history, first);
            format!("{a_words} was in front ({first}), but {b_words} was never dequeued.")
        } else {
            let (first, then) = (told(history, first), told(history, then));
            format!("{a_words} {how} before {b_words}: {first}, was over before {then}.")
        });
    }
    let is_lost = members.iter().any(|element| element.is_left());
    let kind = if is_lost { "lost value" } else { "out of order" };
    let last = members.iter().max_by_key(|element| element.first_end.min(NEVER - 1));
    let last_seen = members.iter().filter(|element| element.first_end != NEVER);
    let last_seen = last_seen.max_by_key(|element| element.first_end);
    let culprit = last_seen.or(last).map_or(0, |element| collection.first_seer(element));
    let values: Vec<_> = members.iter().map(|element| element.value).collect();
    let argument = Argument { kind, culprit, steps, shown };
    Culprit { core: collection.closed(&values, &[]), argument }
}

impl Collection<'_> {
    /// An operation that found a collection empty although something was certainly inside all the time.
    pub(super) fn not_empty(&self, elements: &[Element], look: Look) -> Culprit {
        let inside = empties::cover(elements, look);
        let inside: Vec<_> = inside.iter().map(|number| &elements[*number as usize]).collect();
        let mut steps = vec![format!("{}.", told(self.history, look.place))];
        let mut shown = Vec::new();
        for element in &inside {
            let words = self.history.values().words(element.value);
            let since = self.proof_of_add(element);
            shown.push(since);
            let since = told(self.history, since);
            steps.push(if element.is_left() {
                format!("{words} was inside since {since}, and nobody ever removed it.")
            } else {
                let until = self.last_seer(element);
                shown.push(until);
                format!("{words} was inside since {since}, until {}.", told(self.history, until))
            });
        }
        let values: Vec<_> = inside.iter().map(|element| element.value).collect();
        let kind = "empty although certainly not empty";
        let argument = Argument { kind, culprit: look.place, steps, shown };
        Culprit { core: self.closed(&values, &[look.place]), argument }
    }

    /// The operation whose completion proves that an element was added.
    pub(super) fn proof_of_add(&self, element: &Element) -> u32 {
        if element.added_by == element.first_end { self.first_seer(element) } else { element.add }
    }

    /// The operation that was the first to have found an element in front; its add if none did.
    pub(super) fn first_seer(&self, element: &Element) -> u32 {
        self.seer(element, |_, by| by == element.first_end)
    }

    /// The last operation that began to find an element in front; its add if none did.
    pub(super) fn last_seer(&self, element: &Element) -> u32 {
        let last = element.last_begin();
        self.seer(element, |from, _| from == last)
    }

    fn seer(&self, element: &Element, is_it: impl Fn(u32, u32) -> bool) -> u32 {
        if element.remove != NONE && is_it(element.removed_from, element.removed_by) {
            return element.remove;
        }
        let mut peeks = self.peeks.iter();
        peeks.find(|peek| is_it(peek.from, peek.by)).map_or(element.add, |peek| peek.place)
    }
}

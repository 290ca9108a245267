//! Last in, first out.
//!
//! A stack with unique values is linearizable iff every operation that found it empty can have (`empties.rs`), and its values can be *peeled* (Lee and Mathur,
//! OOPSLA 2025): again and again some value can be taken away each of whose operations has a gap that no critical interval of another remaining value
//! covers. Such a value can lie at the bottom. `stack/peel.rs` does that in near-linear time, `stack/order.rs` makes an order of operations of it.
//!
//! A pop of unknown outcome need not have taken effect. If the history is possible without them, it is possible; if it is impossible without the
//! values that they may have removed, it is impossible. In between nothing is decided here.

mod coverage;
mod open;
mod order;
mod peel;

use self::peel::peel;
use super::culprit::{Culprit, told};
use super::empties::Gaps;
use super::prepare::{Collection, Element, Look, Names};
use crate::explain::Argument;
use crate::history::{History, NEVER};
use crate::linearizability::decision::Decision;
use crate::linearizability::objects::Object;
use crate::models::Model;

const STACK: Names = Names { add: "push", remove: "pop", peek: "peek" };

/// How many values may be peeled in all while a small core is looked for.
const PEELED_FOR_CORE_MAX: usize = 4_000_000;

/// Judges a stack. Nothing if values are not unique, or if pops of unknown outcome leave it open.
pub(in crate::linearizability) fn stack(
    history: &History,
    object: &Object<'_>,
    with_order: bool,
) -> Option<Decision> {
    let decided = match Collection::of(history, object, &STACK)? {
        Ok(collection) => decide(&collection, with_order)?,
        Err(culprit) => Err(culprit),
    };
    Some(match decided {
        Ok(order) => Decision::Valid { order: with_order.then_some(order) },
        Err(culprit) => culprit.convict(history, object, Model::Stack),
    })
}

fn decide(collection: &Collection<'_>, with_order: bool) -> Option<Result<Vec<u32>, Culprit>> {
    let all: Vec<u32> = (0..collection.elements.len() as u32).collect();
    let wrong = match explain(collection, &all, with_order) {
        Ok(order) => return Some(Ok(order)),
        Err(wrong) => wrong,
    };
    let is_left = |number: &u32| collection.elements[*number as usize].is_left();
    if collection.unknown.is_empty() || !all.iter().any(is_left) {
        return Some(Err(wrong.culprit(collection)));
    }
    let certain: Vec<u32> = all.into_iter().filter(|number| !is_left(number)).collect();
    let wrong = explain(collection, &certain, false).err()?;
    Some(Err(wrong.culprit(collection)))
}

/// What cannot be.
enum Wrong {
    /// None of these values can lie at the bottom of them.
    Stuck(Vec<u32>),
    /// It was certainly not empty, for these elements.
    NotEmpty(Look, Vec<Element>),
}

/// Looks for an order of all operations on these values; empty if none is asked for.
fn explain(
    collection: &Collection<'_>,
    values: &[u32],
    with_order: bool,
) -> Result<Vec<u32>, Wrong> {
    let empties = if collection.empties.is_empty() {
        Vec::new()
    } else {
        let elements: Vec<Element> =
            values.iter().map(|number| collection.elements[*number as usize]).collect();
        let gaps = Gaps::of(&elements, collection.events());
        gaps.place(&collection.empties).map_err(|look| Wrong::NotEmpty(look, elements))?
    };
    let peeled = peel(collection, values, with_order).map_err(Wrong::Stuck)?;
    Ok(if with_order { order::order(collection, values, &peeled, &empties) } else { Vec::new() })
}

impl Wrong {
    fn culprit(self, collection: &Collection<'_>) -> Culprit {
        match self {
            Self::NotEmpty(look, elements) => collection.not_empty(&elements, look),
            Self::Stuck(values) => wrong_nesting(collection, &smallest(collection, values)),
        }
    }
}

/// A small set of values that is stuck by itself, from one that is. Values that stay long cover many others, so these are tried first.
fn smallest(collection: &Collection<'_>, mut values: Vec<u32>) -> Vec<u32> {
    let mut work = 0;
    let mut is_stuck = |values: &[u32]| {
        work += values.len();
        work <= PEELED_FOR_CORE_MAX && peel(collection, values, false).is_err()
    };
    let stay = |number: &u32| {
        let element = &collection.elements[*number as usize];
        std::cmp::Reverse(element.last_begin() - element.added_by)
    };
    values.sort_by_cached_key(stay);
    let mut few = 2;
    while few < values.len() {
        if is_stuck(&values[..few]) {
            values.truncate(few);
        }
        few *= 2;
    }
    let mut piece = values.len().div_ceil(2);
    loop {
        let mut start = 0;
        while start < values.len() {
            let end = (start + piece).min(values.len());
            let rest = [&values[..start], &values[end..]].concat();
            if is_stuck(&rest) { values = rest } else { start = end }
        }
        if piece == 1 {
            return values;
        }
        piece = piece.div_ceil(2);
    }
}

/// Values that no nesting explains, in the order in which they were pushed.
fn wrong_nesting(collection: &Collection<'_>, values: &[u32]) -> Culprit {
    let history = collection.history;
    let mut members: Vec<Element> =
        values.iter().map(|number| collection.elements[*number as usize]).collect();
    members.sort_by_key(|element| element.added_from);
    let (mut steps, mut shown) = (Vec::new(), Vec::new());
    for element in &members {
        let words = history.values().words(element.value);
        let since = collection.proof_of_add(element);
        shown.extend([element.add, since]);
        let pushed = format!("{words} was pushed by {}", told(history, element.add));
        let seen =
            (since != element.add).then(|| format!(", was there at {}", told(history, since)));
        let seen = seen.unwrap_or_default();
        steps.push(if element.is_left() {
            format!("{pushed}{seen}, and was never popped.")
        } else {
            shown.push(element.remove);
            format!("{pushed}{seen}, and was popped by {}.", told(history, element.remove))
        });
    }
    let pair = match members.as_slice() {
        [first, second] => popped_before(history, first, second),
        _ => None,
    };
    steps.push(pair.unwrap_or_else(|| {
        "Whichever of them lies at the bottom, another is certainly above it when it is pushed, seen or popped.".into()
    }));
    let last = members.iter().filter(|element| element.first_end != NEVER);
    let last = last.max_by_key(|element| if element.is_left() { 0 } else { element.removed_by });
    let culprit = last.map_or(0, |element| {
        if element.is_left() { collection.first_seer(element) } else { element.remove }
    });
    let values: Vec<_> = members.iter().map(|element| element.value).collect();
    let argument = Argument { kind: "out of order", culprit, steps, shown };
    Culprit { core: collection.closed(&values, &[]), argument }
}

/// The usual case: the lower of two values was popped while the upper was certainly above it.
fn popped_before(history: &History, first: &Element, second: &Element) -> Option<String> {
    let is_above = first.added_by < second.added_from
        && first.removed_by != NEVER
        && second.added_by < first.removed_from.max(first.peeked_from)
        && first.removed_by <= second.last_begin();
    let words = |element: &Element| history.values().words(element.value);
    let (lower, upper) = (words(first), words(second));
    is_above.then(|| format!("{upper} was above {lower} all the time while {lower} was popped."))
}

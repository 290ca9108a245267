//! From the order of values to the order of operations.
//!
//! Adds stand in the order of the values, and so do the operations that found them in front. Both lists are merged: an operation may come next
//! if no other that must come later has waited longer than real time allows. Both lists agree with real time within themselves, and by Lemma
//! "2+2-free" of interval orders one of both heads can always go. An operation that found the queue empty stands in a gap in which nothing needs to be
//! inside: each value belongs wholly before or wholly after it, and the pieces are merged one after another.

use crate::history::NEVER;
use crate::linearizability::collections::prepare::{Collection, Element};

/// The places of all operations in an order that is right; `values` is the order of the elements, `gaps` where each of those that found it empty stands.
pub(super) fn order(
    collection: &Collection<'_>,
    elements: &[Element],
    values: &[u32],
    gaps: &[u32],
) -> Vec<u32> {
    let mut empties: Vec<(u32, u32)> =
        gaps.iter().zip(&collection.empties).map(|(gap, look)| (*gap, look.place)).collect();
    empties.sort_unstable();
    let piece = |number: &u32| {
        let end = elements[*number as usize].last_begin();
        empties.partition_point(|(gap, _)| *gap < end)
    };
    let mut values = values.to_vec();
    if !empties.is_empty() {
        values.sort_by_cached_key(piece);
    }
    let (mut order, mut rest) = (Vec::new(), &values[..]);
    for (before, (_, place)) in empties.iter().enumerate() {
        let (piece, after) = rest.split_at(rest.partition_point(|number| piece(number) <= before));
        append(collection, elements, piece, &mut order);
        order.push(*place);
        rest = after;
    }
    append(collection, elements, rest, &mut order);
    order
}

/// An operation in its list.
struct Step {
    place: u32,
    from: u32,
    by: u32,
    /// Which of the values it is about.
    rank: usize,
}

/// The operations on values that follow one another.
fn append(collection: &Collection<'_>, elements: &[Element], values: &[u32], order: &mut Vec<u32>) {
    let (mut adds, mut fronts) = (Vec::with_capacity(values.len()), Vec::new());
    for (rank, number) in values.iter().enumerate() {
        let element = &elements[*number as usize];
        let (from, by) = (element.added_from, element.added_by);
        adds.push(Step { place: element.add, from, by, rank });
        let peeks = collection.peeks_of(*number).iter();
        fronts.extend(peeks.map(|peek| Step {
            place: peek.place,
            from: peek.from,
            by: peek.by,
            rank,
        }));
        if !element.is_left() {
            let (from, by) = (element.removed_from, element.removed_by);
            fronts.push(Step { place: element.remove, from, by, rank });
        }
    }
    let (add_ends, front_ends) = (least_ends(&adds), least_ends(&fronts));
    let (mut added, mut front) = (0, 0);
    while added < adds.len() || front < fronts.len() {
        let may_add = adds.get(added).is_some_and(|add| add.from < front_ends[front]);
        let may_front =
            fronts.get(front).is_some_and(|step| step.rank < added && step.from < add_ends[added]);
        debug_assert!(may_add || may_front, "one of two heads can always go");
        if may_add || (!may_front && added < adds.len()) {
            order.push(adds[added].place);
            added += 1;
        } else {
            order.push(fronts[front].place);
            front += 1;
        }
    }
}

/// The least end of each step and those after it.
fn least_ends(steps: &[Step]) -> Vec<u32> {
    let mut ends = vec![NEVER; steps.len() + 1];
    for (place, step) in steps.iter().enumerate().rev() {
        ends[place] = step.by.min(ends[place + 1]);
    }
    ends
}

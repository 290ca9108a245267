//! From the peeling to an order of operations.
//!
//! The value that was peeled first lies at the bottom: each other value belongs wholly before or wholly after each of its operations, namely before one
//! that stands in gap `g` iff its last operation began by then. The next value splits those further that lie on its side, and so on. So every value is put
//! in between two neighbours among the operations that stand already. What stands in its own gap beyond a neighbour moves to the neighbour's. Positions
//! never decrease along the order, so it is enough to remember for each gap how far it has grown at both sides.
//!
//! Operations that found the stack empty split everything, so they come first. A value without critical interval is pushed, seen and popped at once in
//! one gap, wherever that is, so such values come last.

use std::collections::BTreeMap;

use super::peel::{Peeled, Placed};
use crate::linearizability::collections::prepare::{Collection, NONE};

/// The places of all operations on these values in an order that is right; `empties` are the gaps of those that found the stack empty.
pub(super) fn order(
    collection: &Collection<'_>,
    values: &[u32],
    peeled: &Peeled,
    empties: &[u32],
) -> Vec<u32> {
    let mut line = Line::default();
    let mut looks: Vec<_> = empties.iter().zip(&collection.empties).collect();
    looks.sort_unstable_by_key(|(gap, look)| (**gap, look.from));
    for (gap, look) in looks {
        line.push_back(*gap, look.place);
    }
    for (number, start) in &peeled.sequence {
        let element = &collection.elements[*number as usize];
        let end = start + 2 + collection.peeks_of(*number).len() as u32;
        let mut operations = peeled.operations[*start as usize..end as usize].to_vec();
        arrange(&mut operations);
        line.insert(element.last_begin().min(collection.events() as u32), &operations);
    }
    for number in values {
        let element = &collection.elements[*number as usize];
        if element.added_by < element.last_begin() {
            continue;
        }
        let peeks = collection.peeks_of(*number).iter().map(|peek| peek.place);
        let all: Vec<u32> =
            [element.add].into_iter().chain(peeks).chain([element.remove]).collect();
        all.iter().rev().for_each(|place| line.push_front(element.last_begin(), *place));
    }
    line.told()
}

/// Puts the operations of one value into order: a peek may stand before the push or after the pop, which can then move there.
fn arrange(operations: &mut [Placed]) {
    let gaps = || operations.iter().map(|operation| operation.gap);
    let (first, last) = (gaps().min(), gaps().max());
    if let [add, peeks @ .., remove] = operations {
        add.gap = first.unwrap_or(add.gap);
        remove.gap = last.unwrap_or(remove.gap);
        peeks.sort_by_key(|peek| peek.gap);
    }
}

/// Operations in the order of their positions: a gap, and a number within the gap.
#[derive(Default)]
struct Line {
    operations: Vec<(u32, i32, u32)>,
    /// For each gap in which something stands the first number and the one after the last.
    gaps: BTreeMap<u32, (i32, i32)>,
}

impl Line {
    fn push_back(&mut self, gap: u32, place: u32) {
        let (_, after) = self.gaps.entry(gap).or_default();
        self.operations.push((gap, *after, place));
        *after += 1;
    }

    fn push_front(&mut self, gap: u32, place: u32) {
        let (first, _) = self.gaps.entry(gap).or_default();
        *first -= 1;
        self.operations.push((gap, *first, place));
    }

    /// Puts the operations of a value between the neighbours of `end`, where its last operation began.
    fn insert(&mut self, end: u32, operations: &[Placed]) {
        let before = self.gaps.range(..end).next_back().map(|(gap, _)| *gap);
        let after = self.gaps.range(end..).next().map(|(gap, _)| *gap);
        let is_after = |operation: &&Placed| after.is_some_and(|after| operation.gap >= after);
        let later = operations.iter().filter(is_after).count();
        let (earlier, later) = operations.split_at(operations.len() - later);
        for operation in earlier {
            let gap = before.map_or(operation.gap, |before| operation.gap.max(before));
            self.push_back(gap, operation.place);
        }
        for operation in later.iter().rev() {
            self.push_front(after.unwrap_or(operation.gap), operation.place);
        }
    }

    fn told(mut self) -> Vec<u32> {
        self.operations.sort_unstable();
        let places = self.operations.into_iter().map(|(_, _, place)| place);
        places.filter(|place| *place != NONE).collect()
    }
}

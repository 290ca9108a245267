//! Who found a collection empty. It was, if there is a gap within the operation that no critical interval covers: each element can be placed
//! wholly before or wholly after such a gap, whatever the kind of collection.

use super::prepare::{Element, Look, NONE};

/// For each gap the first at or after it in which the collection may have been empty.
pub(super) struct Gaps {
    next_free: Vec<u32>,
}

impl Gaps {
    /// From the elements of a history with so many events.
    pub(super) fn of(elements: &[Element], events: usize) -> Self {
        let mut change = vec![0_i32; events + 1];
        for element in elements {
            let (from, to) = (element.added_by, element.last_begin().min(events as u32));
            if from < to {
                change[from as usize] += 1;
                change[to as usize] -= 1;
            }
        }
        let mut inside = 0;
        let mut next_free: Vec<u32> = Vec::with_capacity(events + 1);
        for (gap, change) in change.iter().enumerate() {
            inside += change;
            next_free.push(if inside == 0 { gap as u32 } else { NONE });
        }
        let mut next = NONE;
        for gap in next_free.iter_mut().rev() {
            next = next.min(*gap);
            if *gap == NONE {
                *gap = next;
            } else {
                next = *gap;
            }
        }
        Self { next_free }
    }

    /// The first gap of each of these operations in which it can have found nothing, or the operation that has none.
    pub(super) fn place(&self, empties: &[Look]) -> Result<Vec<u32>, Look> {
        let place = |look: &Look| {
            let gap = self.next_free[look.from as usize];
            if gap < look.by { Ok(gap) } else { Err(*look) }
        };
        empties.iter().map(place).collect()
    }
}

/// The few elements, by number, whose critical intervals one after another cover all gaps of an operation.
pub(super) fn cover(elements: &[Element], look: Look) -> Vec<u32> {
    let overlaps = |element: &Element| {
        element.added_by < look.by && element.last_begin() > look.from.max(element.added_by)
    };
    let numbers = 0..elements.len() as u32;
    let near: Vec<u32> = numbers.filter(|number| overlaps(&elements[*number as usize])).collect();
    let (mut chosen, mut gap) = (Vec::new(), look.from);
    while gap < look.by {
        let begun = near.iter().filter(|number| elements[**number as usize].added_by <= gap);
        let Some(best) = begun.max_by_key(|number| elements[**number as usize].last_begin()) else {
            break;
        };
        let end = elements[*best as usize].last_begin();
        if end <= gap {
            break; // There is a free gap after all.
        }
        chosen.push(*best);
        gap = end;
    }
    chosen
}

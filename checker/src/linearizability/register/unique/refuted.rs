//! Who saw that the value was *not* something: put into an order of all others.

use super::super::demands::{Dense, INITIAL, Register, Step};
use crate::history::NEVER;

/// Puts every refutation into an order of the other demands, each at the first gap in which it is right. Earliest fit is best for this order; that
/// nothing fits says nothing about other orders.
pub(super) fn place_refuted(register: &Register, order: &[u32]) -> Option<Vec<u32>> {
    let demands = &register.demands;
    let gaps = Gaps::of(register, order);
    let refuted = |place: &u32| matches!(demands[*place as usize].step, Step::IsNot(_));
    let all: Vec<u32> = (0..demands.len() as u32).filter(refuted).collect();
    let mut by_completion = all.clone();
    by_completion.sort_unstable_by_key(|place| demands[*place as usize].completed);
    let mut ended = by_completion.into_iter().peekable();
    let mut gap_of = vec![0; demands.len()];
    let mut placed: Vec<(usize, u32)> = Vec::with_capacity(all.len());
    // Those that had completed before this one began stand no further right.
    let mut floor = 0;
    for place in all {
        let demand = &demands[place as usize];
        while let Some(other) =
            ended.next_if(|other| demands[*other as usize].completed < demand.invoked)
        {
            floor = floor.max(gap_of[other as usize]);
        }
        let Step::IsNot(value) = demand.step else { continue };
        let gap = gaps.first_without(value, floor, demand.invoked, demand.completed)?;
        gap_of[place as usize] = gap;
        placed.push((gap, place));
    }
    // Within a gap in the order of their invocations, which is that of their places.
    placed.sort_unstable();
    let mut merged = Vec::with_capacity(order.len() + placed.len());
    let mut placed = placed.into_iter().peekable();
    for gap in 0..=order.len() {
        while let Some((_, place)) = placed.next_if(|(at, _)| *at == gap) {
            merged.push(place);
        }
        merged.extend(order.get(gap));
    }
    Some(merged)
}

/// The gaps of an order: gap `g` is before its demand `g`.
struct Gaps {
    /// The value in each gap.
    values: Vec<Dense>,
    /// The first gap after each that has another value.
    next_change: Vec<usize>,
    /// The last invocation before each gap, as one more than its position.
    begun_before: Vec<u32>,
    /// The first completion after each gap.
    ends_after: Vec<u32>,
}

impl Gaps {
    fn of(register: &Register, order: &[u32]) -> Self {
        let demand = |place: &u32| &register.demands[*place as usize];
        let count = order.len();
        let mut values = vec![INITIAL; count + 1];
        let mut begun_before = vec![0; count + 1];
        let mut ends_after = vec![NEVER; count + 1];
        for (gap, demand) in order.iter().map(demand).enumerate() {
            values[gap + 1] = match demand.step {
                Step::Write(value) | Step::Cas(_, value) => value,
                Step::Is(_) | Step::IsNot(_) => values[gap],
            };
            begun_before[gap + 1] = begun_before[gap].max(demand.invoked + 1);
        }
        for (gap, demand) in order.iter().map(demand).enumerate().rev() {
            ends_after[gap] = ends_after[gap + 1].min(demand.completed);
        }
        let mut next_change = vec![count + 1; count + 1];
        for gap in (0..count).rev() {
            next_change[gap] =
                if values[gap + 1] == values[gap] { next_change[gap + 1] } else { gap + 1 };
        }
        Self { values, next_change, begun_before, ends_after }
    }

    /// The first gap from `floor` on that is within an interval and does not have a value.
    fn first_without(
        &self,
        value: Dense,
        floor: usize,
        invoked: u32,
        completed: u32,
    ) -> Option<usize> {
        let lowest = self.ends_after.partition_point(|end| *end < invoked).max(floor);
        let highest = self.begun_before.partition_point(|begun| *begun <= completed) - 1;
        let gap =
            if self.values.get(lowest)? == &value { self.next_change[lowest] } else { lowest };
        (gap <= highest).then_some(gap)
    }
}

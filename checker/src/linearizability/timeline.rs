//! Beginnings and completions in order.

use crate::history::NEVER;

/// A beginning or a completion of a demand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// Its position in the history.
    pub(super) position: u32,
    /// The demand, by place.
    pub(super) demand: u32,
    pub(super) completes: bool,
}

/// All beginnings and completions in order, and how many demands that must happen are open at once at most. Each demand is told by its
/// invocation and its completion.
pub(super) fn timeline(demands: impl Iterator<Item = (u32, u32)>) -> (Vec<Event>, usize) {
    let mut events = Vec::with_capacity(2 * demands.size_hint().0);
    // By place, whether the demand must happen.
    let mut certain = Vec::with_capacity(demands.size_hint().0);
    for (place, (invoked, completed)) in demands.enumerate() {
        let event = |position, completes| Event { position, demand: place as u32, completes };
        events.push(event(invoked, false));
        certain.push(completed != NEVER);
        if completed != NEVER {
            events.push(event(completed, true));
        }
    }
    events.sort_unstable_by_key(|event| event.position);
    let (mut open, mut most) = (0_usize, 0);
    for event in &events {
        match (event.completes, certain[event.demand as usize]) {
            (true, _) => open -= 1,
            (false, true) => open += 1,
            (false, false) => {}
        }
        most = most.max(open);
    }
    (events, most)
}

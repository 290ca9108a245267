//! Whether some order of a few operations is right, by trying: the verifier's own exhaustive search.
//!
//! It goes through the events and keeps every *situation* that the object may be in: its state, and which of the open operations have taken effect
//! already. Operations take effect only when one must (just-in-time linearization, Lowe 2017): at its completion every sequence of open operations
//! that ends with it is tried. Three things keep the number of situations small, and none of them loses an order:
//! an observer that fits takes effect at once, for it changes nothing; of optional operations that do the same the one invoked first goes first, for all
//! of them stay open for ever; and an optional operation that would change nothing is left out.

use std::collections::HashSet;

use rustc_hash::FxBuildHasher;

use super::specification::{Act, State};
use crate::history::NEVER;

/// So many operations may be open at once, those that never completed included.
pub(super) const OPEN_MAX: u32 = u128::BITS;
/// So many operations are tried in situations, at most: a few seconds' work.
pub(super) const STEPS_MAX: u64 = 10_000_000;

/// An operation of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// What it does.
    pub(super) act: Act,
    /// The event of its invocation.
    pub(super) invoked: u32,
    /// The event of its completion; [`NEVER`]: it is optional.
    pub(super) completed: u32,
}

/// What others may do from one event to another, as often as they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// What they do. Of one act no two windows are open at once.
    pub(super) act: Act,
    /// The event at which it opens.
    pub(super) from: u32,
    /// The event at which it closes; [`NEVER`]: it stays open.
    pub(super) until: u32,
}

/// The search was given up: which bound it reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge(pub(super) &'static str);

/// A state, and the places of open operations that have taken effect.
type Situation = (State, u128);

/// The completion up to which no order makes all results right and respects real time; nothing if there is one of all. `initial` are the states
/// in which the object may begin.
pub(super) fn stuck_at(
    initial: Vec<State>,
    items: &[Item],
    windows: &[Window],
    steps_max: u64,
) -> Result<Option<u32>, TooLarge> {
    let mut events: Vec<(u32, Event)> = Vec::new();
    for (number, item) in items.iter().enumerate() {
        events.push((item.invoked, Event::Invoke(number)));
        events.push((item.completed, Event::Complete(number)));
    }
    for (number, window) in windows.iter().enumerate() {
        events.push((window.from, Event::Open(number)));
        events.push((window.until, Event::Close(number)));
    }
    events.retain(|(event, _)| *event != NEVER);
    events.sort_unstable();
    let situations = initial.into_iter().map(|state| (state, 0)).collect();
    let (places, open) = (Vec::new(), Vec::new());
    let mut search = Search { items, windows, places, open, situations, steps: 0, steps_max };
    for (event, what) in events {
        match what {
            Event::Invoke(number) => search.invoke(number)?,
            Event::Complete(number) => search.complete(number)?,
            Event::Open(number) => search.open.push(number),
            Event::Close(number) => search.close(number)?,
        }
        if search.situations.is_empty() {
            return Ok(Some(event));
        }
    }
    Ok(None)
}

/// What happens at an event: to an item or a window, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Invoke(usize),
    Complete(usize),
    Open(usize),
    Close(usize),
}

struct Search<'a> {
    items: &'a [Item],
    windows: &'a [Window],
    /// The open operation in each place.
    places: Vec<Option<usize>>,
    /// The windows that are open.
    open: Vec<usize>,
    situations: Vec<Situation>,
    steps: u64,
    steps_max: u64,
}

impl Search<'_> {
    fn invoke(&mut self, number: usize) -> Result<(), TooLarge> {
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or(self.places.len());
        if place >= OPEN_MAX as usize {
            return Err(TooLarge("more operations are open at once than it has places for"));
        }
        self.places.resize(self.places.len().max(place + 1), None);
        self.places[place] = Some(number);
        if self.items[number].act.is_observer() {
            let situations = std::mem::take(&mut self.situations);
            self.situations =
                situations.into_iter().map(|situation| self.settle(situation)).collect();
        }
        Ok(())
    }

    /// Keeps the situations in which an operation has taken effect by now.
    fn complete(&mut self, number: usize) -> Result<(), TooLarge> {
        let place = self.places.iter().position(|open| *open == Some(number));
        let mine = 1_u128 << place.expect("it was invoked before");
        let reached = self.reachable(mine)?;
        let kept = reached.into_iter().filter(|(_, used)| used & mine != 0);
        let kept: HashSet<_, FxBuildHasher> =
            kept.map(|(state, used)| (state, used & !mine)).collect();
        self.places[mine.trailing_zeros() as usize] = None;
        self.situations = kept.into_iter().collect();
        Ok(())
    }

    /// Lets happen what may have happened before a window closes.
    fn close(&mut self, number: usize) -> Result<(), TooLarge> {
        self.situations = self.reachable(0)?.into_iter().collect();
        self.open.retain(|open| *open != number);
        Ok(())
    }

    /// All situations that open operations and open windows lead to; from those in which a `goal` is reached no further.
    fn reachable(&mut self, goal: u128) -> Result<HashSet<Situation, FxBuildHasher>, TooLarge> {
        let mut pending = std::mem::take(&mut self.situations);
        let mut met: HashSet<Situation, FxBuildHasher> = pending.iter().cloned().collect();
        while let Some((state, used)) = pending.pop() {
            if used & goal != 0 {
                continue;
            }
            self.steps += (self.places.len() + self.open.len()) as u64;
            if self.steps > self.steps_max {
                return Err(TooLarge("it would take too many steps"));
            }
            for next in self.nexts(&state, used) {
                if met.insert(next.clone()) {
                    pending.push(next);
                }
            }
        }
        Ok(met)
    }

    /// The situations after one more open operation.
    fn nexts(&self, state: &State, used: u128) -> Vec<Situation> {
        let mut nexts: Vec<_> = self.windows_from(state, used).collect();
        let mut optional: Vec<(u32, &Act, usize)> = Vec::new();
        for (place, number) in self.unused(used) {
            let item = &self.items[number];
            if item.completed == NEVER {
                optional.push((item.invoked, &item.act, place));
            } else {
                nexts.extend(self.after(state, used, place, &item.act));
            }
        }
        optional.sort_unstable_by_key(|(invoked, ..)| *invoked);
        let mut tried: HashSet<&Act> = HashSet::new();
        for (_, act, place) in optional {
            if tried.insert(act) {
                nexts.extend(self.after(state, used, place, act).filter(|next| next.0 != *state));
            }
        }
        nexts
    }

    /// The situations after what others may do now.
    fn windows_from(&self, state: &State, used: u128) -> impl Iterator<Item = Situation> {
        self.open.iter().filter_map(move |number| {
            let mut after = state.clone();
            after.apply(&self.windows[*number].act).then(|| self.settle((after, used)))
        })
    }

    fn after(&self, state: &State, used: u128, place: usize, act: &Act) -> Option<Situation> {
        let mut after = state.clone();
        after.apply(act).then(|| self.settle((after, used | 1 << place)))
    }

    /// Open operations that have not taken effect, with their places.
    fn unused(&self, used: u128) -> impl Iterator<Item = (usize, usize)> {
        let places = self.places.iter().enumerate();
        places
            .filter_map(move |(place, open)| (used & 1 << place == 0).then_some((place, (*open)?)))
    }

    /// Lets every open observer that fits take effect.
    fn settle(&self, (mut state, mut used): Situation) -> Situation {
        for (place, number) in self.unused(used) {
            let act = &self.items[number].act;
            if act.is_observer() && state.apply(act) {
                used |= 1 << place;
            }
        }
        (state, used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ValueId;
    use crate::models::Model;

    fn value(number: u64) -> ValueId {
        ValueId::integer(number).unwrap()
    }

    fn item(act: Act, invoked: u32, completed: u32) -> Item {
        Item { act, invoked, completed }
    }

    fn stuck(model: Model, items: &[Item]) -> Result<Option<u32>, TooLarge> {
        stuck_at(vec![State::initial(model)], items, &[], STEPS_MAX)
    }

    fn check(items: &[Item], expected: Result<Option<u32>, TooLarge>) {
        assert_eq!(stuck(Model::Register, items), expected);
    }

    #[test]
    fn concurrent_operations_go_in_any_order_and_others_in_theirs() {
        let write = |completed| item(Act::Write(value(1)), 0, completed);
        check(&[write(3), item(Act::See(ValueId::NIL), 1, 2)], Ok(None));
        check(&[write(1), item(Act::See(ValueId::NIL), 2, 3)], Ok(Some(3)));
        check(
            &[write(NEVER), item(Act::See(ValueId::NIL), 2, 3), item(Act::See(value(1)), 4, 5)],
            Ok(None),
        );
        check(
            &[write(NEVER), item(Act::See(value(1)), 2, 3), item(Act::See(ValueId::NIL), 4, 5)],
            Ok(Some(5)),
        );
    }

    #[test]
    fn an_optional_operation_takes_effect_once_each() {
        let maybe = |event| item(Act::Cas(ValueId::NIL, value(1)), event, NEVER);
        let see = |number, event| item(Act::See(value(number)), event, event + 1);
        let undo = |event| item(Act::Write(ValueId::NIL), event, event + 1);
        let twice = [maybe(0), maybe(1), see(1, 10), undo(20), see(1, 30)];
        check(&twice, Ok(None));
        check(&twice[1..], Ok(Some(31)));
    }

    #[test]
    fn others_act_while_their_window_is_open() {
        let acquire = |from, until| item(Act::Acquire(None), from, until);
        let (first, second) = (acquire(0, 1), acquire(6, 9));
        let stuck = |from, until| {
            let windows = [Window { act: Act::Release, from, until }];
            let initial = vec![State::initial(Model::Mutex)];
            stuck_at(initial, &[first.clone(), second.clone()], &windows, STEPS_MAX)
        };
        assert_eq!(stuck(2, 3), Ok(None));
        assert_eq!(stuck(7, 8), Ok(None));
        assert_eq!(stuck(8, NEVER), Ok(None));
        assert_eq!(stuck(10, 11), Ok(Some(9)));
    }

    #[test]
    fn what_is_too_large_is_not_called_impossible() {
        let open = |number| item(Act::Write(value(number)), number as u32, NEVER);
        let many: Vec<_> = (0..129).map(open).collect();
        assert!(matches!(stuck(Model::Register, &many), Err(TooLarge(_))));
        // A counter whose every increment may have happened, in 2^40 ways.
        let mut adds: Vec<_> = (0..40).map(|n| item(Act::Count(1 << n), n as u32, NEVER)).collect();
        adds.push(item(Act::Sum(-1), 100, 101));
        assert!(matches!(stuck(Model::Counter, &adds), Err(TooLarge(_))));
    }
}

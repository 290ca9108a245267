//! A few operations that are impossible already.
//!
//! To strike operations out of a history may make it wrong although it was right, so it must be shown that those left out do not matter: *if* the
//! whole has an order in which everything is right, so has the core. Take such an order `L`; let `end` be the last completion in the core.
//!
//! - **Cut.** Whoever was invoked after `end` stands in `L` behind everybody of the core who certainly happened: `L` up to the last of those is right, and
//!   nobody of after `end` is in it.
//! - **Observers** (reads, peeks, `contains`, a take that found nothing) change nothing: strike them out of `L` and everything else is right as before.
//! - **Failed operations** are not in `L`, but for a failed cas that saw another value, which is an observer.
//! - **Registers**, one or several at a time. A write may be left out if nobody in the core saw what it wrote *and* completed after it was invoked, and
//!   nobody in the core who says what the value was *not* completed after it was invoked. For whoever of the core saw a value in `L` saw it of the
//!   last write before; that write was invoked before the observer completed, so it is in the core; and between both there was no other write
//!   in `L`, so there is none now. Whoever says what the value was not stands, in the core as in `L`, behind the same last write. (An *info* cas saw what it
//!   replaced, if it happened, and has no completion: the end takes its place. If it did not happen in `L`, it does not in the core.)
//! - **Sets, queues, stacks, lists.** All operations on some elements together may be left out: what is left behaves as if these elements had never
//!   been, an empty queue stays empty, and a read of all elements is a read of the others. The elements left out are those that somebody
//!   outside of the core changes before the end. A take whose result nobody knows may take anything, so all of them that began before the end must be in
//!   the core; one that took an element that is left out did, as far as the others are concerned, not happen.
//! - **Texts, counters, locks.** Every change that began before the end must be in the core.

use std::collections::{HashMap, HashSet};

use super::search::{Item, TooLarge, is_possible};
use super::specification::{Access, Act, State};
use super::{Refusal, Verifier, refuse};
use crate::history::{NEVER, Outcome, ValueId};
use crate::models::Model;

impl Verifier<'_> {
    /// Checks that a core proves that an object is violated.
    pub(super) fn core(
        &mut self,
        key: ValueId,
        places: &[u32],
        core: &[u32],
    ) -> Result<(), Refusal> {
        let mut items = Vec::with_capacity(core.len());
        for place in core {
            self.name(key, *place)?;
            items.push(self.item(*place)?);
        }
        let certain =
            items.iter().map(|item| item.completed).filter(|completed| *completed != NEVER);
        let Some(end) = certain.max() else {
            return refuse("nothing in the core certainly happened".into());
        };
        let items = match self.model {
            Model::Register | Model::CasRegister | Model::MultiRegister => {
                self.must_have_writers(places, &items, end)?;
                items
            }
            Model::Set | Model::Queue | Model::Stack | Model::List => {
                self.project(places, items, end)?
            }
            _ => {
                self.must_have_changes(places, end)?;
                items
            }
        };
        match is_possible(State::initial(self.model), &items) {
            Ok(false) => Ok(()),
            Ok(true) => refuse("there is an order of the core in which everything is right".into()),
            Err(TooLarge(why)) => Err(Refusal::Undecided(format!(
                "the core is too large to try every order of it: {why}"
            ))),
        }
    }

    fn item(&mut self, place: u32) -> Result<Item, Refusal> {
        let Some(act) = self.act(place)? else {
            return refuse(format!(
                "{} says nothing and has no place in a core",
                self.words(place)
            ));
        };
        let operation = &self.history.operations()[place as usize];
        let certain = matches!(operation.outcome, Outcome::Ok | Outcome::Fail);
        let completed = if certain { operation.completed } else { NEVER };
        Ok(Item { act, invoked: operation.invoked, completed })
    }

    /// The changes outside of the core that began before its end.
    fn left_out(&mut self, places: &[u32], end: u32) -> Result<Vec<(u32, Act)>, Refusal> {
        let mut left_out = Vec::new();
        for place in places {
            let invoked = self.history.operations()[*place as usize].invoked;
            if invoked < end && !self.named[*place as usize] {
                let act = self.act(*place)?.filter(|act| !act.is_observer());
                left_out.extend(act.map(|act| (*place, act)));
            }
        }
        Ok(left_out)
    }

    fn must_have_changes(&mut self, places: &[u32], end: u32) -> Result<(), Refusal> {
        match self.left_out(places, end)?.first() {
            Some((place, _)) => {
                refuse(format!("{} changes the object and must be in the core", self.words(*place)))
            }
            None => Ok(()),
        }
    }

    /// Registers: with everybody who saw a value the core must have everybody who may have written it.
    fn must_have_writers(
        &mut self,
        places: &[u32],
        items: &[Item],
        end: u32,
    ) -> Result<(), Refusal> {
        let mut seen: HashMap<(ValueId, ValueId), u32> = HashMap::new();
        let mut refuted = 0;
        for item in items {
            let until = item.completed.min(end);
            if let Act::SeeNot(_) = item.act {
                refuted = refuted.max(until);
            }
            for what in sees(&item.act) {
                let latest = seen.entry(what).or_default();
                *latest = until.max(*latest);
            }
        }
        for (place, act) in self.left_out(places, end)? {
            let invoked = self.history.operations()[place as usize].invoked;
            let is_seen = |what| seen.get(what).is_some_and(|until| invoked < *until);
            if invoked < refuted || writes(&act).iter().any(is_seen) {
                return refuse(format!(
                    "{} may have been seen and must be in the core",
                    self.words(place)
                ));
            }
        }
        Ok(())
    }

    /// Collections: what the core says about the elements that nobody outside of it changes.
    fn project(
        &mut self,
        places: &[u32],
        items: Vec<Item>,
        end: u32,
    ) -> Result<Vec<Item>, Refusal> {
        let mut left_out: HashSet<ValueId> = HashSet::new();
        let mentioned: HashSet<_> = items.iter().filter_map(|item| item.act.element()).collect();
        for (place, act) in self.left_out(places, end)? {
            let element = act.element().filter(|element| !mentioned.contains(element));
            let Some(element) = element else {
                return refuse(format!("{} may matter and must be in the core", self.words(place)));
            };
            left_out.insert(element);
        }
        let project = |mut item: Item| {
            if let Act::All(elements) = &mut item.act {
                elements.retain(|element| !left_out.contains(element));
            }
            item
        };
        Ok(items.into_iter().map(project).collect())
    }
}

/// What an operation says that keys had as values; nil stands for the key of a single register.
fn sees(act: &Act) -> Vec<(ValueId, ValueId)> {
    match act {
        Act::See(value) | Act::Cas(value, _) => vec![(ValueId::NIL, *value)],
        Act::Transaction(steps) => steps
            .iter()
            .filter_map(|step| match step {
                Access::Read(key, value) => Some((*key, *value)),
                Access::Write(..) => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What an operation writes, in the same form.
fn writes(act: &Act) -> Vec<(ValueId, ValueId)> {
    match act {
        Act::Write(value) | Act::Cas(_, value) => vec![(ValueId::NIL, *value)],
        Act::Transaction(steps) => steps
            .iter()
            .filter_map(|step| match step {
                Access::Write(key, value) => Some((*key, *value)),
                Access::Read(..) => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

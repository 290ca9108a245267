//! A few operations that are impossible already.
//!
//! They are shown to be impossible by trying every order of them (`search.rs`), which ends at some event, the *end*: whatever is still open then is taken
//! as optional. But to strike operations out of a history may make it wrong although it was right, so it must be shown too that those left out do not
//! matter (`closed.rs`).

use std::collections::HashSet;

use super::search::{Item, TooLarge, stuck_at};
use super::specification::{Act, State};
use super::{Refusal, Verifier, refuse};
use crate::history::{NEVER, Outcome, ValueId};

/// A change that is not in the core.
pub(super) struct LeftOut {
    /// Which operation.
    pub(super) place: u32,
    /// What it does, and when.
    pub(super) item: Item,
}

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
            items.extend(self.item(*place)?);
        }
        let mut part = items.clone();
        let (end, left_out) = loop {
            let stuck = stuck_at(State::initial(self.model), &part);
            let end = stuck.map_err(|TooLarge(why)| {
                Refusal::Undecided(format!("to try every order of the core is too much: {why}"))
            })?;
            let Some(end) = end else {
                return refuse("there is an order of the core in which everything is right".into());
            };
            let left_out = self.left_out(places, end)?;
            let projected = without(&items, &left_out);
            if projected == part {
                break (end, left_out);
            }
            part = projected;
        };
        match super::closed::first_that_matters(self.model, &items, &left_out, end) {
            None => Ok(()),
            Some(place) => {
                refuse(format!("{} may matter and must be in the core", self.words(place)))
            }
        }
    }

    /// An operation with what it does; nothing if it says nothing.
    fn item(&mut self, place: u32) -> Result<Option<Item>, Refusal> {
        let operation = &self.history.operations()[place as usize];
        let certain = matches!(operation.outcome, Outcome::Ok | Outcome::Fail);
        let completed = if certain { operation.completed } else { NEVER };
        let act = self.act(place)?;
        Ok(act.map(|act| Item { act, invoked: operation.invoked, completed }))
    }

    /// The changes outside of the core that began before its end.
    fn left_out(&mut self, places: &[u32], end: u32) -> Result<Vec<LeftOut>, Refusal> {
        let mut left_out = Vec::new();
        for place in places.iter().copied() {
            let invoked = self.history.operations()[place as usize].invoked;
            if invoked < end && !self.named[place as usize] {
                let item = self.item(place)?.filter(|item| !item.act.is_observer());
                left_out.extend(item.map(|item| LeftOut { place, item }));
            }
        }
        Ok(left_out)
    }
}

/// A core as it looks to those who do not know of the elements that are left out as a whole: those that only others change.
fn without(items: &[Item], left_out: &[LeftOut]) -> Vec<Item> {
    let mentioned: HashSet<_> = items.iter().filter_map(|item| item.act.element()).collect();
    let changed = left_out.iter().filter_map(|change| change.item.act.element());
    let unknown: HashSet<_> = changed.filter(|element| !mentioned.contains(element)).collect();
    let mut items = items.to_vec();
    for item in &mut items {
        if let Act::All(elements) = &mut item.act {
            elements.retain(|element| !unknown.contains(element));
        }
    }
    items
}

//! A few operations that are impossible already.
//!
//! They are shown to be impossible by trying every order of them (`search.rs`), which ends at some event, the *end*: whatever is still open then is taken
//! as optional. But to strike operations out of a history may make it wrong although it was right, so it must be shown too that those left out do not
//! matter (`closed.rs`), or that it is impossible whatever they did (`loose.rs`).

use std::collections::HashSet;

use super::loose::Loose;
use super::search::{Item, TooLarge, Window, stuck_at};
use super::specification::{Act, State};
use super::{Refusal, Verifier, refuse};
use crate::history::{NEVER, Outcome, ValueId};
use crate::models::Model;

/// Why a core is none.
const POSSIBLE: &str = "there is an order of the core in which everything is right";

/// A change that is not in the core.
pub(super) struct LeftOut {
    /// Which operation.
    pub(super) place: u32,
    /// What it does, and when.
    pub(super) item: Item,
}

impl Verifier<'_> {
    /// Checks that a core proves that an object is violated; tells the event at which trying it ended.
    pub(super) fn core(
        &mut self,
        key: ValueId,
        places: &[u32],
        core: &[u32],
    ) -> Result<u32, Refusal> {
        let mut items = Vec::with_capacity(core.len());
        for place in core {
            self.name(key, *place)?;
            items.extend(self.item(*place)?);
        }
        match self.model {
            Model::Counter | Model::Lock | Model::Mutex => self.loose_core(places, &items),
            _ => self.closed_core(places, &items),
        }
    }

    /// Checks a core together with what stands for those left out of it.
    fn loose_core(&mut self, places: &[u32], items: &[Item]) -> Result<u32, Refusal> {
        let alone = self.stuck_at(vec![State::initial(self.model)], items, &[])?;
        let Some(end) = alone else { return refuse(POSSIBLE.into()) };
        if self.left_out(places, end)?.is_empty() {
            return Ok(end);
        }
        let left_out = self.left_out(places, NEVER)?;
        let Some(loose) = Loose::of(self.model, items, &left_out) else {
            return refuse("adds of both signs are left out, which may matter".into());
        };
        match self.stuck_at(loose.initial, &loose.items, &loose.windows)? {
            Some(end) => Ok(end),
            None => refuse(format!("with what is left out, {POSSIBLE}")),
        }
    }

    /// Checks a core from which nothing is left out that matters.
    fn closed_core(&mut self, places: &[u32], items: &[Item]) -> Result<u32, Refusal> {
        let mut part = items.to_vec();
        let (end, left_out) = loop {
            let Some(end) = self.stuck_at(vec![State::initial(self.model)], &part, &[])? else {
                return refuse(POSSIBLE.into());
            };
            let left_out = self.left_out(places, end)?;
            let projected = without(items, &left_out);
            if projected == part {
                break (end, left_out);
            }
            part = projected;
        };
        match super::closed::first_that_matters(self.model, items, &left_out, end) {
            None => Ok(end),
            Some(place) => {
                refuse(format!("{} may matter and must be in the core", self.words(place)))
            }
        }
    }

    fn stuck_at(
        &self,
        initial: Vec<State>,
        items: &[Item],
        windows: &[Window],
    ) -> Result<Option<u32>, Refusal> {
        stuck_at(initial, items, windows, self.steps_max).map_err(|TooLarge(why)| {
            Refusal::Undecided(format!("to try every order of the core is too much: {why}"))
        })
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

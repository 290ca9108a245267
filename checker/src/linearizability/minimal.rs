//! The last step to a core: without any single operation it would prove nothing.
//!
//! What proves something is asked of the verifier, which knows best what may be left out (`certificate/verify/`). Nothing rests on its answer but how small a core is:
//! that the object is violated was found before, without it.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;

use super::fewest::{Core, fewest, recent};
use super::objects::Object;
use crate::certificate::Cores;
use crate::history::History;
use crate::models::Model;

/// Of a larger core only parts are tried, and if none of them proves anything it is left as it is.
const CORE_MAX: usize = 512;
/// The operations of the object, once for each part that is tried, are at most so many.
const WORK_MAX: usize = 30_000_000;
/// What trying one part may cost, in steps of the verifier.
const STEPS_PER_PART: u64 = 200_000;

/// A core that is as small as leaving out operations makes it.
pub(super) struct Minimal {
    /// Its operations by place, in order of invocation.
    pub(super) core: Vec<u32>,
    /// The operation at whose completion nothing is right any more.
    pub(super) culprit: u32,
}

/// Leaves out of a core whatever it proves something without, the culprit last.
pub(super) fn minimal(
    history: &History,
    model: Model,
    object: &Object<'_>,
    core: Vec<u32>,
    culprit: u32,
) -> Minimal {
    let completed = |place: &u32| history.operations()[*place as usize].completed;
    let mut ordered = core.clone();
    ordered.sort_unstable_by_key(|place| (*place != culprit, Reverse(completed(place)), *place));
    ordered.dedup();
    let parts = Parts::of(history, model, object);
    let proves = |places| parts.proves(places);
    let small = recent(&ordered, proves).or_else(|| {
        let is_small = ordered.len() <= CORE_MAX;
        is_small.then(|| proves(ordered)).flatten()
    });
    let Some(mut least) = small else { return Minimal { core, culprit } };
    loop {
        let before = least.witnesses.len();
        least = fewest(least, proves);
        if least.witnesses.len() == before {
            break;
        }
    }
    let Core { witnesses: mut core, part: end } = least;
    core.sort_unstable();
    let at_end = core.iter().copied().find(|place| completed(place) == end);
    Minimal { core, culprit: at_end.unwrap_or(culprit) }
}

/// The parts of one object, and what may still be spent on trying them.
struct Parts<'a> {
    cores: RefCell<Cores<'a>>,
    left: Cell<usize>,
}

impl<'a> Parts<'a> {
    fn of(history: &'a History, model: Model, object: &Object<'_>) -> Self {
        let places: Vec<u32> = object.iter().map(|(place, _)| place).collect();
        let left = Cell::new(WORK_MAX / places.len().max(1));
        let cores = Cores::of(history, model, object.key, places, STEPS_PER_PART);
        Self { cores: cores.into(), left }
    }

    /// The part with the event at which it ends, if it proves that the object is violated.
    fn proves(&self, witnesses: Vec<u32>) -> Option<Core<u32>> {
        self.left.set(self.left.get().checked_sub(1)?);
        let end = self.cores.borrow_mut().end(&witnesses)?;
        Some(Core { witnesses, part: end })
    }
}

#[cfg(test)]
pub(super) use tests::is_minimal;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a core proves that an object is violated, and nothing without any single operation.
    pub(in super::super) fn is_minimal(
        history: &History,
        model: Model,
        object: &Object<'_>,
        core: &[u32],
    ) -> bool {
        let parts = Parts::of(history, model, object);
        let without =
            |left_out: &u32| core.iter().copied().filter(|place| place != left_out).collect();
        parts.proves(core.to_vec()).is_some()
            && core.iter().all(|place| parts.proves(without(place)).is_none())
    }
}

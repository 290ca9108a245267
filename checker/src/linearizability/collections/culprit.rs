//! From what an algorithm found wrong to a conviction.

use crate::explain::{self, Argument};
use crate::history::{History, View};
use crate::linearizability::decision::{Conviction, Decision};
use crate::linearizability::minimal::{Minimal, minimal};
use crate::linearizability::objects::Object;
use crate::models::Model;

/// Operations beyond this do not help a reader.
const SHOWN_MAX: usize = 12;

/// What is wrong with an object.
#[derive(Debug)]
pub(super) struct Culprit {
    /// The operations that are impossible by themselves, by place.
    pub(super) core: Vec<u32>,
    /// Why.
    pub(super) argument: Argument,
}

impl Culprit {
    /// The decision on an object, with the smallest core.
    pub(super) fn convict(self, history: &History, object: &Object<'_>, model: Model) -> Decision {
        let Self { mut core, mut argument } = self;
        core.sort_unstable();
        core.dedup();
        let Minimal { core, culprit } = minimal(history, model, object, core, argument.culprit);
        let violation = if model == Model::Mutex {
            explain::lock(history, &core, culprit)
        } else {
            argument.shown.truncate(SHOWN_MAX);
            if core.len() <= SHOWN_MAX {
                argument.shown.extend(&core);
            }
            explain::collection(history, model.name(), argument)
        };
        Decision::Invalid(Box::new(Conviction { core, violation }))
    }
}

/// An operation by its place.
pub(super) fn view(history: &History, place: u32) -> View<'_> {
    history.view(place as usize)
}

/// An operation in words, by its place.
pub(super) fn told(history: &History, place: u32) -> String {
    explain::told(view(history, place))
}

//! From what an algorithm found wrong to a conviction.

use crate::explain::{self, Argument};
use crate::history::{History, View};
use crate::linearizability::decision::{Conviction, Decision};

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
    /// The decision; `object` is what the object is called.
    pub(super) fn convict(self, history: &History, object: &str) -> Decision {
        let Self { mut core, mut argument } = self;
        core.sort_unstable();
        core.dedup();
        argument.shown.truncate(SHOWN_MAX);
        let violation = explain::collection(history, object, argument);
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

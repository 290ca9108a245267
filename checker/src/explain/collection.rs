//! Why a queue, a stack, a set, a counter or a list cannot have behaved as recorded. What is wrong is found where it is judged
//! (`linearizability/collections/`); here it becomes a violation.

use super::{operation_report, seconds, who, words};
use crate::history::{History, Outcome, View};
use crate::verdict::Violation;

/// What is wrong, step by step.
#[derive(Debug)]
pub(crate) struct Argument {
    /// Its name: `out of order`, `lost value`, ….
    pub(crate) kind: &'static str,
    /// The operation that cannot be as it was recorded, by place.
    pub(crate) culprit: u32,
    /// The steps, one sentence each.
    pub(crate) steps: Vec<String>,
    /// The operations that the steps name, by place.
    pub(crate) shown: Vec<u32>,
}

/// The argument as a violation of an object that is called `object` where it has no key.
pub(crate) fn collection(history: &History, object: &str, argument: Argument) -> Violation {
    let culprit = history.view(argument.culprit as usize);
    let key = culprit.key().map(|key| key.into_owned());
    let name = key.as_ref().map_or_else(|| format!("the {object}"), |key| format!("key {key}"));
    let mut places = argument.shown;
    places.push(argument.culprit);
    places.sort_unstable();
    places.dedup();
    let shown: Vec<_> = places.iter().map(|place| history.view(*place as usize)).collect();
    let ends = shown.iter().filter_map(View::completed_time);
    let time = culprit.completed_time().or_else(|| ends.max());
    let time = time.unwrap_or_else(|| culprit.invoked_time());
    let claim = match culprit.outcome() {
        Outcome::Ok => format!("{} got ok for {}", who(culprit), words(culprit)),
        _ => format!("{} began {}", who(culprit), words(culprit)),
    };
    Violation {
        summary: format!("{name}: {} at {}: {claim}", argument.kind, seconds(time)),
        time: Some(time),
        key,
        explanation: argument.steps,
        operations: shown.into_iter().map(operation_report).collect(),
    }
}

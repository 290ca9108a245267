//! Why an object that was judged by its sequential specification cannot have behaved as recorded.

use super::{operation_report, seconds, text, told, who, words};
use crate::history::{History, View};
use crate::models::Model;
use crate::verdict::Violation;

/// More states and operations than this do not help a reader.
const SHOWN_MAX: usize = 12;

/// What was found.
pub(crate) struct Found<'a> {
    /// What the object was judged as.
    pub(crate) model: Model,
    /// The operation whose completion nothing explains.
    pub(crate) culprit: u32,
    /// The states that the object may have been in just before, in words.
    pub(crate) states: Vec<String>,
    /// The operations that are impossible by themselves.
    pub(crate) core: &'a [u32],
    /// Those of them that were open at that moment.
    pub(crate) open: Vec<u32>,
}

/// Explains which operation fits into no state that the object may have been in.
pub(crate) fn object(history: &History, found: &Found<'_>) -> Violation {
    let of = |place: &u32| history.view(*place as usize);
    let culprit = of(&found.culprit);
    let end = culprit.completed_time().unwrap_or_else(|| culprit.invoked_time());
    let key = culprit.key().map(|name| name.into_owned());
    let name = key.as_ref().map_or_else(|| noun(found.model).into(), |name| format!("key {name}"));
    let reason = (found.model == Model::Kv).then(|| text::reason(history, culprit)).flatten();
    let kind = reason.as_ref().map_or("impossible result", |reason| reason.kind);
    let mut explanation = vec![format!("{}.", told(culprit))];
    explanation.extend(reason.as_ref().map(|reason| reason.sentence.clone()));
    let core: Vec<_> = found.core.iter().map(of).collect();
    let texts = (found.model == Model::Kv).then(|| text::possible(&core, culprit)).flatten();
    let known = texts.as_ref().unwrap_or(&found.states);
    explanation.push(states(noun(found.model), known));
    let open: Vec<_> = found.open.iter().map(of).filter(|open| *open != culprit).collect();
    explanation.push(others(&open));
    let count = found.core.len();
    explanation.push(match count {
        1 => "This operation is impossible by itself.".into(),
        _ => format!("{count} operations are impossible already, whatever the others did."),
    });
    let named = reason.into_iter().flat_map(|reason| reason.named);
    let mut operations: Vec<_> =
        shown(history, found.core, culprit).into_iter().chain(named).collect();
    operations.sort_by_key(View::invoked);
    operations.dedup();
    Violation {
        summary: format!(
            "{name}: {kind} at {}: {} got ok for {}",
            seconds(end),
            who(culprit),
            words(culprit)
        ),
        time: Some(end),
        key,
        explanation,
        operations: operations.into_iter().map(operation_report).collect(),
    }
}

/// The operations that the argument rests on; of many, the last before the culprit: those that somebody will look at first.
fn shown<'a>(history: &'a History, core: &[u32], culprit: View<'a>) -> Vec<View<'a>> {
    let mut shown: Vec<_> = core.iter().map(|place| history.view(*place as usize)).collect();
    if shown.len() > SHOWN_MAX {
        let last =
            |operation: &View<'_>| operation.completed().unwrap_or_else(|| operation.invoked());
        shown.sort_by_key(last);
        shown.retain(|operation| operation.invoked() < culprit.completed().unwrap_or(usize::MAX));
        shown.drain(..shown.len().saturating_sub(SHOWN_MAX));
    }
    if !shown.contains(&culprit) {
        shown.push(culprit);
    }
    shown.sort_by_key(View::invoked);
    shown
}

/// What an object of a model is called.
fn noun(model: Model) -> &'static str {
    match model {
        Model::MultiRegister => "the map",
        Model::Kv => "the text",
        Model::Counter => "the counter",
        Model::Set => "the set",
        Model::Queue => "the queue",
        Model::Stack => "the stack",
        Model::Lock | Model::Mutex => "the lock",
        Model::List => "the list",
        _ => "the object",
    }
}

fn states(noun: &str, states: &[String]) -> String {
    match states {
        [] => format!("No state that {noun} may have been in just before is known."),
        [state] => format!("All that {noun} can have been just before: {state}."),
        states => {
            let more = states.len().saturating_sub(SHOWN_MAX);
            let shown = states[..states.len() - more].join("; ");
            let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
            format!("All that {noun} can have been just before: {shown}{rest}.")
        }
    }
}

/// What could still have changed that, and does not help.
fn others(open: &[View<'_>]) -> String {
    let shown: Vec<_> = open
        .iter()
        .take(SHOWN_MAX)
        .map(|operation| format!("{} ({})", words(*operation), who(*operation)))
        .collect();
    match shown.as_slice() {
        [] => "That does not allow it, and nothing else that matters was open.".into(),
        shown => format!(
            "That does not allow it, nor does anything that was open and may have taken effect by then: {}.",
            shown.join(", ")
        ),
    }
}

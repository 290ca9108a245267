//! From a verdict to words: what is impossible, and which operations show it.

mod collection;
mod lock;
mod object;
mod register;
mod text;
mod transactions;

pub(crate) use collection::{Argument, collection};
pub(crate) use lock::lock;
pub(crate) use object::{Found, object};
pub(crate) use register::register;
use serde_json::Value;
pub(crate) use transactions::transactions;

use crate::history::{Outcome, View};
use crate::verdict::OperationReport;

/// `1 leader`, `3 leaders`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A time in seconds, to the millisecond.
pub(crate) fn seconds(nanoseconds: u64) -> String {
    format!("{:.3} s", nanoseconds as f64 / 1e9)
}

/// An operation as it is shown.
pub(crate) fn operation_report(operation: View<'_>) -> OperationReport {
    OperationReport {
        process: operation.process(),
        node: operation.node().map(str::to_string),
        operation: words(operation),
        outcome: operation.outcome().name().into(),
        invoked: operation.invoked_time(),
        completed: operation.completed_time(),
    }
}

/// `read -> 7`, `write 7`, `cas 3 -> 7`, `release`.
pub(crate) fn words(operation: View<'_>) -> String {
    let value = operation.value();
    let shown = brief(&value);
    match (operation.f(), operation.outcome()) {
        ("dequeue" | "pop" | "peek", Outcome::Ok) if value.is_null() => {
            format!("{} -> empty", operation.f())
        }
        (f, Outcome::Ok) if has_result(f, &value) => format!("{f} -> {shown}"),
        (f @ ("acquire" | "release"), _) => f.into(),
        (f, _) if has_result(f, &value) => f.into(),
        ("cas", _) => format!("cas {} -> {}", value[0], value[1]),
        ("contains" | "add" | "remove", Outcome::Ok) if value[1].is_boolean() => {
            format!("{} {} -> {}", operation.f(), value[0], value[1])
        }
        (f, _) if value.is_null() => f.into(),
        (f, _) => format!("{f} {shown}"),
    }
}

/// Whether the value of an operation that ended ok is its result and not what it was asked to do.
fn has_result(f: &str, value: &Value) -> bool {
    match f {
        "read" | "get" | "peek" | "pop" | "dequeue" | "drain" | "generate" => true,
        "acquire" => !value.is_null(),
        _ => false,
    }
}

/// Lists longer than this are shown by their ends.
const ELEMENTS_MAX: usize = 12;
/// So are texts of more characters than this.
const CHARACTERS_MAX: usize = 80;

/// A value on one line: the middle of a long list or text is left out, and how much that is is said.
pub(crate) fn brief(value: &Value) -> String {
    match value {
        Value::Array(list) if list.len() > ELEMENTS_MAX => {
            let shown =
                |part: &[Value]| part.iter().map(Value::to_string).collect::<Vec<_>>().join(",");
            let (first, last) = (&list[..ELEMENTS_MAX / 2], &list[list.len() - 3..]);
            let left_out = list.len() - first.len() - last.len();
            format!("[{},… {left_out} more …,{}]", shown(first), shown(last))
        }
        Value::String(text) => {
            let characters: Vec<char> = text.chars().collect();
            let Some(left_out) = characters.len().checked_sub(CHARACTERS_MAX).filter(|n| *n > 0)
            else {
                return value.to_string();
            };
            let (first, last) = characters.split_at(CHARACTERS_MAX / 2);
            let first: String = first.iter().collect();
            let last: String = last[left_out..].iter().collect();
            format!("{first:?}… {left_out} more characters …{last:?}")
        }
        other => other.to_string(),
    }
}

/// `process 3 on n2`.
pub(crate) fn who(operation: View<'_>) -> String {
    match operation.node() {
        Some(node) => format!("process {} on {node}", operation.process()),
        None => format!("process {}", operation.process()),
    }
}

/// `process 3 on n2: read -> 7, from 3.120 s to 3.180 s`.
pub(crate) fn told(operation: View<'_>) -> String {
    format!("{}: {}, {}", who(operation), words(operation), when(operation))
}

/// `from 3.120 s to 3.180 s`, or `from 3.120 s on, outcome unknown`.
pub(crate) fn when(operation: View<'_>) -> String {
    let begin = seconds(operation.invoked_time());
    match operation.completed_time() {
        Some(end) => format!("from {begin} to {}", seconds(end)),
        None => format!("from {begin} on, outcome unknown"),
    }
}

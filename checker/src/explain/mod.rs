//! From a verdict to words: what is impossible, and which operations show it.

mod collection;
mod object;
mod register;

pub(crate) use collection::{Argument, collection};
pub(crate) use object::{Found, object};
pub(crate) use register::register;

use crate::history::{Outcome, View};
use crate::verdict::OperationReport;

/// A time in seconds, to the millisecond.
fn seconds(nanoseconds: u64) -> String {
    format!("{:.3} s", nanoseconds as f64 / 1e9)
}

/// An operation as it is shown.
fn operation_report(operation: View<'_>) -> OperationReport {
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
fn words(operation: View<'_>) -> String {
    let value = operation.value();
    match (operation.f(), operation.outcome()) {
        ("dequeue" | "pop" | "peek", Outcome::Ok) if value.is_null() => {
            format!("{} -> empty", operation.f())
        }
        (f, Outcome::Ok) if has_result(f, &value) => format!("{f} -> {value}"),
        (f @ ("acquire" | "release"), _) => f.into(),
        (f, _) if has_result(f, &value) => f.into(),
        ("cas", _) => format!("cas {} -> {}", value[0], value[1]),
        ("contains" | "add" | "remove", Outcome::Ok) if value[1].is_boolean() => {
            format!("{} {} -> {}", operation.f(), value[0], value[1])
        }
        (f, _) if value.is_null() => f.into(),
        (f, _) => format!("{f} {value}"),
    }
}

/// Whether the value of an operation that ended ok is its result and not what it was asked to do.
fn has_result(f: &str, value: &serde_json::Value) -> bool {
    match f {
        "read" | "get" | "peek" | "pop" | "dequeue" => true,
        "acquire" => !value.is_null(),
        _ => false,
    }
}

/// `process 3 on n2`.
fn who(operation: View<'_>) -> String {
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
fn when(operation: View<'_>) -> String {
    let begin = seconds(operation.invoked_time());
    match operation.completed_time() {
        Some(end) => format!("from {begin} to {}", seconds(end)),
        None => format!("from {begin} on, outcome unknown"),
    }
}

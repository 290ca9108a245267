//! From a verdict to words: what is impossible, and which operations show it.

mod register;
mod transactions;

pub(crate) use register::register;
pub(crate) use transactions::transactions;

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

/// `read -> 7`, `write 7`, `cas 3 -> 7`.
fn words(operation: View<'_>) -> String {
    let value = operation.value();
    match (operation.f(), operation.outcome()) {
        ("read", Outcome::Ok) => format!("read -> {value}"),
        ("read", _) => "read".into(),
        ("cas", _) => format!("cas {} -> {}", value[0], value[1]),
        (f, _) => format!("{f} {value}"),
    }
}

/// `process 3 on n2`.
fn who(operation: View<'_>) -> String {
    match operation.node() {
        Some(node) => format!("process {} on {node}", operation.process()),
        None => format!("process {}", operation.process()),
    }
}

/// `from 3.120 s to 3.180 s`, or `from 3.120 s on, outcome unknown`.
fn when(operation: View<'_>) -> String {
    let begin = seconds(operation.invoked_time());
    match operation.completed_time() {
        Some(end) => format!("from {begin} to {}", seconds(end)),
        None => format!("from {begin} on, outcome unknown"),
    }
}

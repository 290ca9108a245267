//! A violation: in words, and as bars on a line of time.

use std::fmt::Write;

use checker::verdict::{OperationReport, Violation};

use super::super::seconds;
use super::svg::{TOP, TimeScale, WIDTH, escape};

const ROW_HEIGHT: f64 = 24.0;
/// Where the bars begin, right of the names of the operations.
const BARS_LEFT: f64 = 330.0;

pub(super) fn section(violation: &Violation) -> String {
    let steps: String =
        violation.explanation.iter().map(|step| format!("<li>{}</li>", escape(step))).collect();
    format!(
        "<div class=\"violation\"><p class=\"summary\">{}</p><ol>{steps}</ol>{}</div>\n",
        escape(&violation.summary),
        timeline(violation)
    )
}

fn timeline(violation: &Violation) -> String {
    let operations = &violation.operations;
    let Some(first) = operations.iter().map(|operation| operation.invoked).min() else {
        return String::new();
    };
    let ends = operations.iter().map(|operation| operation.completed.unwrap_or(operation.invoked));
    let last = ends.chain(violation.time).max().unwrap_or(first);
    let margin = ((last - first) / 20).max(1_000_000);
    let scale = TimeScale::new(first.saturating_sub(margin), last + margin, BARS_LEFT);
    let bottom = TOP + ROW_HEIGHT * operations.len() as f64;
    let mut rows = String::new();
    for (number, operation) in operations.iter().enumerate() {
        rows += &row(operation, TOP + ROW_HEIGHT * number as f64, &scale);
    }
    let moment = violation.time.map_or_else(String::new, |time| {
        let x = scale.x(time);
        format!(
            "<line class=\"moment\" x1=\"{x:.1}\" y1=\"18\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
             <text class=\"small\" x=\"{x:.1}\" y=\"13\" text-anchor=\"end\">{} s: impossible</text>",
            seconds(time)
        )
    });
    format!(
        "<div class=\"scroll\"><svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"the operations involved\">{rows}{moment}{}</svg></div>",
        bottom + 24.0,
        scale.axis(bottom)
    )
}

fn row(operation: &OperationReport, y: f64, scale: &TimeScale) -> String {
    let node = operation.node.as_deref().unwrap_or("?");
    let name = format!("process {} on {node}: {}", operation.process, operation.operation);
    let class = match operation.outcome.as_str() {
        "ok" => "bar",
        "fail" => "bar failed",
        _ => "bar info",
    };
    let from = scale.x(operation.invoked);
    let to = operation.completed.map_or(WIDTH, |end| scale.x(end));
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <rect class=\"{class}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"><title>{}, {}</title></rect>",
        BARS_LEFT - 10.0,
        y + 16.0,
        escape(&name),
        y + 4.0,
        (to - from).max(3.0),
        ROW_HEIGHT - 8.0,
        escape(&name),
        escape(&operation.outcome)
    );
    if operation.completed.is_none() {
        let _ = write!(
            svg,
            "<text class=\"on small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} …</text>",
            WIDTH - 6.0,
            y + 16.0,
            escape(&operation.outcome)
        );
    }
    svg
}

//! Latency, rate, and roles over time, on one time axis.

use std::collections::BTreeSet;
use std::fmt::Write;

use checker::history::Outcome;
use checker::verdict::Judgement;

use super::super::seconds;
use super::recording::{Point, Recording, Role, Segment};
use super::svg::{LEFT, TOP, TimeScale, WIDTH, chart, escape};

const LATENCY_HEIGHT: f64 = 230.0;
const RATE_HEIGHT: f64 = 130.0;
const LANE_HEIGHT: f64 = 24.0;
/// The row of operations whose outcome nobody knows, above the scale of latencies.
const INFO_ROW: f64 = 16.0;
/// Latencies from 0.1 ms to 10 s, in powers of ten of a millisecond.
const DECADES: (f64, f64) = (-1.0, 4.0);
/// Pieces of time over which rates and quantiles are taken.
const BUCKETS: u64 = 120;

/// Latency of every operation; what never got an answer is marked above.
pub(super) fn latency(recording: &Recording, judgement: &Judgement) -> String {
    let title = "Latency (ms): blue ok, yellow fail, crosses above: outcome unknown; lines: median and (dashed) 99th percentile of ok";
    chart(title, recording, judgement, LATENCY_HEIGHT, |scale| {
        let mut svg = latency_axis();
        for (class, outcome) in [("fails", Outcome::Fail), ("ok", Outcome::Ok)] {
            let dots = dots(&recording.operations, outcome, scale);
            let _ = write!(svg, "<path class=\"dots {class}\" d=\"{dots}\"/>");
        }
        let _ =
            write!(svg, "<path class=\"cross\" d=\"{}\"/>", crosses(&recording.operations, scale));
        svg + &quantiles(recording, scale)
    })
}

fn latency_y(milliseconds: f64) -> f64 {
    let (low, high) = DECADES;
    let share = (milliseconds.max(1e-9).log10() - low) / (high - low);
    TOP + LATENCY_HEIGHT - share.clamp(0.0, 1.0) * (LATENCY_HEIGHT - INFO_ROW)
}

fn latency_axis() -> String {
    let mut svg = String::new();
    for decade in DECADES.0 as i32..=DECADES.1 as i32 {
        let value = 10_f64.powi(decade);
        let y = latency_y(value);
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{WIDTH}\" y2=\"{y:.1}\"/>\
             <text class=\"dim small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    svg
}

/// A point for each operation, at the time of its invocation; points of one pixel are drawn once.
fn dots(operations: &[Point], outcome: Outcome, scale: &TimeScale) -> String {
    let mut places = BTreeSet::new();
    for operation in operations.iter().filter(|operation| operation.outcome == outcome) {
        let Some(end) = operation.completed else { continue };
        let y = latency_y((end - operation.invoked) as f64 / 1e6);
        places.insert(((scale.x(operation.invoked) * 2.0) as i64, y as i64));
    }
    let mut path = String::new();
    for (x, y) in places {
        let _ = write!(path, "M{} {y}h0", x as f64 / 2.0);
    }
    path
}

fn crosses(operations: &[Point], scale: &TimeScale) -> String {
    let unknown = |operation: &&Point| matches!(operation.outcome, Outcome::Info | Outcome::Open);
    let places: BTreeSet<_> = operations
        .iter()
        .filter(unknown)
        .map(|operation| scale.x(operation.invoked) as i64)
        .collect();
    let mut path = String::new();
    for x in places {
        let _ = write!(path, "M{} {}l6 6m0 -6l-6 6", x - 3, TOP + 3.0);
    }
    path
}

fn quantiles(recording: &Recording, scale: &TimeScale) -> String {
    let width = bucket_width(recording);
    let mut latencies = vec![Vec::new(); BUCKETS as usize];
    for operation in
        recording.operations.iter().filter(|operation| operation.outcome == Outcome::Ok)
    {
        if let Some(end) = operation.completed {
            latencies[bucket(operation.invoked, width)].push(end - operation.invoked);
        }
    }
    let mut svg = String::new();
    for (class, share) in [("", 0.5), (" dashed", 0.99)] {
        let mut path = String::new();
        let mut broken = true;
        for (number, bucket) in latencies.iter_mut().enumerate() {
            bucket.sort_unstable();
            let place =
                ((bucket.len() as f64 * share) as usize).min(bucket.len().saturating_sub(1));
            let Some(latency) = bucket.get(place) else {
                broken = true; // Nothing succeeded here: no line across the gap.
                continue;
            };
            let x = scale.x(width * number as u64 + width / 2);
            let command = if broken { 'M' } else { 'L' };
            let _ = write!(path, "{command}{x:.1} {:.1}", latency_y(*latency as f64 / 1e6));
            broken = false;
        }
        let _ = write!(svg, "<path class=\"curve quantile{class}\" d=\"{path}\"/>");
    }
    svg
}

fn bucket_width(recording: &Recording) -> u64 {
    (recording.end / BUCKETS).max(1)
}

fn bucket(time: u64, width: u64) -> usize {
    (time / width).min(BUCKETS - 1) as usize
}

/// How many operations ended how, per second.
pub(super) fn rate(recording: &Recording, judgement: &Judgement) -> String {
    let title = "Rate (operations per second): blue ok, yellow fail, red outcome unknown";
    let width = bucket_width(recording);
    let mut counts =
        [vec![0_u64; BUCKETS as usize], vec![0; BUCKETS as usize], vec![0; BUCKETS as usize]];
    for operation in &recording.operations {
        let kind = match operation.outcome {
            Outcome::Ok => 0,
            Outcome::Fail => 1,
            Outcome::Info | Outcome::Open => 2,
        };
        counts[kind][bucket(operation.invoked, width)] += 1;
    }
    let per_second = |count: u64| count as f64 * 1e9 / width as f64;
    let most = counts.iter().flatten().copied().max().unwrap_or(0).max(1);
    chart(title, recording, judgement, RATE_HEIGHT, |scale| {
        let y = |count: u64| TOP + RATE_HEIGHT - count as f64 / most as f64 * (RATE_HEIGHT - 6.0);
        let mut svg = format!(
            "<text class=\"dim small\" x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>\
             <text class=\"dim small\" x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\">0</text>",
            y(most) + 4.0,
            per_second(most),
            y(0),
            x = LEFT - 6.0,
        );
        for (class, counts) in ["ok", "fails", "infos"].iter().zip(&counts) {
            let mut path = String::new();
            for (number, count) in counts.iter().enumerate() {
                let from = scale.x(width * number as u64);
                let to = scale.x(width * (number as u64 + 1));
                let command = if number == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{command}{from:.1} {y:.1}L{to:.1} {y:.1}", y = y(*count));
            }
            let _ = write!(svg, "<path class=\"curve {class}\" d=\"{path}\"/>");
        }
        svg
    })
}

/// What each node was: a lane a node, the terms of leaders written into it, gaps where it was down.
pub(super) fn roles(recording: &Recording, judgement: &Judgement) -> String {
    if recording.lanes.is_empty() {
        return "<p class=\"legend\">There are no traces: roles are not known.</p>\n".into();
    }
    let title = "Roles: blue leader (with its term), yellow candidate, pale follower, gap down";
    let height = LANE_HEIGHT * recording.lanes.len() as f64;
    chart(title, recording, judgement, height, |scale| {
        let mut svg = String::new();
        for (number, (node, lane)) in recording.lanes.iter().enumerate() {
            let y = TOP + LANE_HEIGHT * number as f64 + 3.0;
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 13.0,
                escape(node)
            );
            for segment in lane {
                svg += &role(segment, y, scale);
            }
        }
        svg
    })
}

fn role(segment: &Segment, y: f64, scale: &TimeScale) -> String {
    let (class, name) = match segment.role {
        Role::Follower => ("follower", "follower"),
        Role::Candidate => ("candidate", "candidate"),
        Role::Leader => ("leader", "leader"),
    };
    let (from, to) = (scale.x(segment.from), scale.x(segment.to));
    let width = (to - from).max(0.8);
    let mut svg = format!(
        "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{name}, term {}, {} to {} s</title></rect>",
        LANE_HEIGHT - 6.0,
        segment.term,
        seconds(segment.from),
        seconds(segment.to)
    );
    let label = segment.term.to_string();
    if segment.role == Role::Leader && width > 8.0 * label.len() as f64 + 4.0 {
        let _ = write!(
            svg,
            "<text class=\"on small\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
            from + 3.0,
            y + 13.0
        );
    }
    svg
}

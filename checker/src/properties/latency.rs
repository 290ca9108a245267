//! How long operations took that succeeded, by operation: quantiles by nearest rank.
//!
//! Figures, not a promise: valid as soon as something was measured, unless a quantile was limited. An operation that never completed has no
//! latency here, so a system that hangs may look fast: read it together with `availability`.

use std::collections::BTreeMap;

use super::findings::{Findings, evidence};
use super::quantiles::{self, Quantiles, duration};
use crate::explain::{when, who, words};
use crate::history::{History, Outcome, View};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "latency";
/// Slow operations that are named.
const SLOW_MAX: usize = 5;

/// Limits of quantiles by operation and name of the quantile, in nanoseconds.
type Limits = BTreeMap<String, BTreeMap<String, u64>>;

/// Measures a history, and convicts where a quantile is above its limit.
pub fn check(history: &History, limits: &Limits) -> CheckReport {
    let (mut findings, mut doubts) = (Findings::default(), Vec::new());
    let measured = measure(history);
    let (mut each, mut figures) = (Vec::new(), BTreeMap::new());
    for (f, quantiles) in &measured {
        if let (Some(median), Some(p99), Some(longest)) =
            (quantiles.named("p50"), quantiles.named("p99"), quantiles.named("max"))
        {
            let [median, p99, longest] = [median, p99, longest].map(duration);
            each.push(format!("{f}: p50 {median}, p99 {p99}, max {longest}"));
        }
        figures.insert(format!("{f}_latency_ns"), quantiles.json());
    }
    if each.is_empty() {
        doubts.push("no operation succeeded".into());
    }
    for (f, quantile, limit) in limits
        .iter()
        .flat_map(|(f, limits)| limits.iter().map(move |(name, limit)| (f, name, *limit)))
    {
        let value = measured.get(f.as_str()).and_then(|quantiles| quantiles.named(quantile));
        match value {
            Some(value) if value > limit => {
                findings.add("above a limit", || too_slow(history, f, quantile, value, limit));
            }
            Some(_) => {}
            None if quantiles::exists(quantile) => {
                doubts.push(format!("no {f} succeeded, so its {quantile} is not known"));
            }
            None => doubts.push(format!("there is no quantile `{quantile}`")),
        }
    }
    let mut scope = each.join("; ");
    if limits.is_empty() {
        scope += if each.is_empty() { "no limit was given" } else { "; no limit was given" };
    }
    findings.report(NAME, scope, &doubts, figures)
}

/// The latencies of what succeeded, by operation.
fn measure(history: &History) -> BTreeMap<&str, Quantiles> {
    let mut times = history.by_function(Vec::new(), |_| Vec::new());
    for operation in history.operations() {
        if operation.outcome == Outcome::Ok {
            let (begin, end) = (operation.invoked as usize, operation.completed as usize);
            times[operation.function as usize].push(history.time(end) - history.time(begin));
        }
    }
    history.functions().zip(times.into_iter().skip(1).map(Quantiles::of)).collect()
}

fn too_slow(history: &History, f: &str, quantile: &str, value: u64, limit: u64) -> Violation {
    let took = |operation: &View<'_>| {
        operation.completed_time().map_or(0, |end| end - operation.invoked_time())
    };
    let succeeded = history.views().filter(|o| o.f() == f && o.outcome() == Outcome::Ok);
    let mut slow: Vec<_> = succeeded.filter(|operation| took(operation) > limit).collect();
    slow.sort_by_key(|operation| std::cmp::Reverse(took(operation)));
    let above = slow.len();
    slow.truncate(SLOW_MAX);
    let worst = slow[0];
    let steps = vec![
        format!("{above} of them took longer than {}.", duration(limit)),
        format!(
            "The slowest took {}: {}, {}, {}.",
            duration(took(&worst)),
            who(worst),
            words(worst),
            when(worst)
        ),
    ];
    let summary =
        format!("{quantile} of {f} is {}; {} were allowed", duration(value), duration(limit));
    Violation { summary, time: None, key: None, explanation: steps, operations: evidence(slow) }
}

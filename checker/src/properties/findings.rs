//! What a property found: violations by kind, and the report that they make up.

use std::collections::BTreeMap;

use serde_json::Value;

use super::counted;
use crate::explain::operation_report;
use crate::history::View;
use crate::verdict::{CheckReport, OperationReport, Verdict, Violation};

/// Violations of one kind that are told in full. All are counted.
const TOLD_MAX: usize = 16;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kinds: Vec<(&'static str, usize)>,
    violations: Vec<Violation>,
}

impl Findings {
    /// Counts a violation of this kind, and tells it unless many of its kind were told.
    pub(super) fn add(&mut self, kind: &'static str, violation: impl FnOnce() -> Violation) {
        let place = self.kinds.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
            self.kinds.push((kind, 0));
            self.kinds.len() - 1
        });
        let count = &mut self.kinds[place].1;
        *count += 1;
        if *count <= TOLD_MAX {
            self.violations.push(violation());
        }
    }

    /// How many of a kind there are.
    pub(super) fn count(&self, kind: &str) -> usize {
        self.kinds.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count)
    }

    /// The report: invalid with any violation, else unknown with the first reason for doubt, else valid.
    pub(super) fn report(
        mut self,
        name: &str,
        scope: String,
        doubts: &[String],
        figures: BTreeMap<String, Value>,
    ) -> CheckReport {
        self.violations.sort_by_key(|violation| violation.time);
        let (verdict, detail) = if !self.kinds.is_empty() {
            let each: Vec<_> =
                self.kinds.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
            (Verdict::Invalid, format!("{scope}; {}", each.join(", ")))
        } else if let Some(first) = doubts.first() {
            let more = match doubts.len() - 1 {
                0 => String::new(),
                more => format!(" (and {} more)", counted(more, "doubt")),
            };
            (Verdict::Unknown, format!("{scope}; undecided: {first}{more}"))
        } else {
            (Verdict::Valid, scope)
        };
        CheckReport { name: name.into(), verdict, detail, violations: self.violations, figures }
    }
}

/// A violation that became certain when `culprit` completed. `shown` are the operations that the argument rests on, the culprit included or not.
pub(super) fn violation<'a>(
    culprit: View<'a>,
    summary: &str,
    explanation: Vec<String>,
    mut shown: Vec<View<'a>>,
) -> Violation {
    shown.push(culprit);
    let key = culprit.key().map(|key| key.into_owned());
    let summary = match &key {
        Some(key) => format!("key {key}: {summary}"),
        None => summary.to_string(),
    };
    Violation {
        summary,
        time: Some(culprit.completed_time().unwrap_or_else(|| culprit.invoked_time())),
        key,
        explanation,
        operations: evidence(shown),
    }
}

/// `key k: ` in front of what is said of one key; nothing for a history without keys.
pub(super) fn at_key(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("key {key}: ") }
}

/// Operations as evidence, in order of invocation, each once.
pub(super) fn evidence(mut shown: Vec<View<'_>>) -> Vec<OperationReport> {
    shown.sort_by_key(View::invoked);
    shown.dedup();
    shown.into_iter().map(operation_report).collect()
}

//! Why a register cannot have behaved as recorded.
//!
//! The search says at which completion every explanation ends. What stands here looks for the few operations that
//! make a person believe it: the value that was demanded, who wrote it, and what had certainly replaced it.

use serde_json::Value;

use super::{operation_report, seconds, when, who, words};
use crate::history::{Operation, Outcome};
use crate::linearizability::{Key, ValueId};
use crate::verdict::Violation;

/// Explains why demand `at` of a key cannot have taken effect; `possible` are the values that the register may have had just before.
pub(crate) fn register(
    name: Option<&str>,
    key: &Key,
    operations: &[&Operation],
    at: usize,
    possible: &[ValueId],
) -> Violation {
    let culprit = operations[key.demands[at].operation];
    let case = Case { key, operations, culprit };
    let mut argument = case.argue();
    argument.steps.push(case.possible_values(possible));
    let object = name.map_or_else(|| "the register".to_string(), |name| format!("key {name}"));
    let end = culprit.completed_time.unwrap_or(culprit.invoked_time);
    let mut shown = argument.shown;
    shown.push(culprit);
    shown.sort_by_key(|operation| operation.invoked);
    shown.dedup_by_key(|operation| operation.invoked);
    Violation {
        summary: format!("{object}: {} at {}: {}", argument.kind, seconds(end), case.claim()),
        time: Some(end),
        key: name.map(str::to_string),
        explanation: argument.steps,
        operations: shown.into_iter().map(operation_report).collect(),
    }
}

struct Case<'a> {
    key: &'a Key,
    operations: &'a [&'a Operation],
    culprit: &'a Operation,
}

/// What is wrong, step by step.
struct Argument<'a> {
    kind: &'static str,
    steps: Vec<String>,
    shown: Vec<&'a Operation>,
}

impl<'a> Case<'a> {
    /// What the culprit claims.
    fn claim(&self) -> String {
        let culprit = self.culprit;
        match culprit.outcome {
            Outcome::Fail => {
                format!("{} was told that the value was not {}", who(culprit), culprit.argument[0])
            }
            _ => format!("{} got ok for {}", who(culprit), words(culprit)),
        }
    }

    fn argue(&self) -> Argument<'a> {
        let opening =
            format!("{}: {}, {}.", who(self.culprit), words(self.culprit), when(self.culprit));
        let Some(demanded) = demanded(self.culprit) else {
            let steps =
                vec![opening, "No order of the operations before it leads to such a value.".into()];
            return Argument { kind: "impossible result", steps, shown: self.concurrent() };
        };
        let mut argument = self.about_value(demanded);
        argument.steps.insert(0, opening);
        argument
    }

    /// Why the register did not have the value that the culprit demands.
    fn about_value(&self, demanded: &Value) -> Argument<'a> {
        let writers: Vec<_> = self.writers(demanded).collect();
        let happened: Vec<_> =
            writers.iter().copied().filter(|writer| writer.outcome != Outcome::Fail).collect();
        let begun =
            |writer: &&Operation| writer.invoked < self.culprit.completed.unwrap_or(usize::MAX);
        match (writers.first(), happened.first()) {
            (None, _) if demanded.is_null() => self.overwritten(None),
            (None, _) => Argument {
                kind: "value out of thin air",
                steps: vec![format!("Nobody ever wrote {demanded}.")],
                shown: vec![],
            },
            (Some(writer), None) => Argument {
                kind: "aborted read",
                steps: vec![format!(
                    "{demanded} was written only by {} ({}), which ended fail: it certainly has no effect.",
                    who(writer),
                    when(writer)
                )],
                shown: vec![*writer],
            },
            (_, Some(writer)) if !happened.iter().any(begun) => Argument {
                kind: "read from the future",
                steps: vec![format!(
                    "{demanded} was written only later, by {} ({}).",
                    who(writer),
                    when(writer)
                )],
                shown: vec![*writer],
            },
            (_, Some(writer)) => self.overwritten(Some(writer)),
        }
    }

    /// The value was there once (from the beginning, if nobody wrote it), and something had certainly replaced it.
    fn overwritten(&self, writer: Option<&'a Operation>) -> Argument<'a> {
        let mut steps = Vec::new();
        let mut shown: Vec<&Operation> = Vec::new();
        let settled = writer.and_then(|writer| self.settled(writer));
        if let Some(writer) = writer {
            let (who, words, when) = (who(writer), words(writer), when(writer));
            steps.push(format!("The value was written by {who}: {words}, {when}."));
            shown.push(writer);
        }
        if let Some(seen) = settled.filter(|seen| writer.is_some_and(|w| !std::ptr::eq(w, *seen))) {
            steps.push(format!("{} had seen it: {}, {}.", who(seen), words(seen), when(seen)));
            shown.push(seen);
        }
        let since = settled.and_then(|settled| settled.completed);
        let Some((proof, later)) = self.replacement(writer, since) else {
            steps.push("No order of the operations around it leads to that value.".into());
            shown.extend(self.concurrent());
            return Argument { kind: "impossible result", steps, shown };
        };
        steps.push(format!(
            "Then {} did {}, {}, which certainly took effect later.",
            who(later),
            words(later),
            when(later)
        ));
        shown.push(later);
        if !std::ptr::eq(proof, later) {
            steps.push(format!("{} saw it: {}, {}.", who(proof), words(proof), when(proof)));
            shown.push(proof);
        }
        steps.push(format!(
            "That was over before the {} began at {}.",
            self.culprit.f,
            seconds(self.culprit.invoked_time)
        ));
        let lost = later.outcome == Outcome::Ok && !self.is_seen_after(later);
        Argument { kind: if lost { "lost write" } else { "stale read" }, steps, shown }
    }

    /// The first operation whose completion proves that a write had taken effect: itself, or one that saw its value.
    fn settled(&self, writer: &'a Operation) -> Option<&'a Operation> {
        let value = written(writer);
        let operations = self.operations.iter().copied();
        let proofs = operations.filter(|operation| {
            let saw = demanded(operation).is_some() && demanded(operation) == value;
            (operation.invoked == writer.invoked || saw) && !std::ptr::eq(*operation, self.culprit)
        });
        let completed = proofs.filter(|operation| operation.completed.is_some());
        completed.min_by_key(|operation| operation.completed)
    }

    /// A later change, begun after the value was certainly there (`since`), and the operation that proves that it had taken effect before the
    /// culprit began: itself, or one that saw it.
    fn replacement(
        &self,
        writer: Option<&Operation>,
        since: Option<usize>,
    ) -> Option<(&'a Operation, &'a Operation)> {
        let before_culprit = |operation: &&&Operation| {
            operation.completed.is_some_and(|end| end < self.culprit.invoked)
        };
        let is_later = |change: &Operation| {
            writer.is_none() || since.is_some_and(|since| since < change.invoked)
        };
        let proofs = self.operations.iter().filter(|operation| operation.outcome == Outcome::Ok);
        proofs.filter(before_culprit).rev().find_map(|proof| {
            let value = written(proof).or_else(|| demanded(proof))?;
            let change = self.writers(value).find(|change| change.outcome != Outcome::Fail)?;
            let other = writer.is_none_or(|writer| writer.invoked != change.invoked);
            (other && is_later(change)).then_some((*proof, change))
        })
    }

    fn writers(&self, value: &Value) -> impl Iterator<Item = &'a Operation> {
        let operations = self.operations.iter().copied();
        operations.filter(move |operation| written(operation) == Some(value))
    }

    /// Whether anybody reads what this operation wrote after it was acknowledged.
    fn is_seen_after(&self, writer: &Operation) -> bool {
        let value = written(writer);
        let reads = self.operations.iter().filter(|operation| operation.outcome == Outcome::Ok);
        reads.into_iter().any(|read| demanded(read).is_some() && demanded(read) == value)
    }

    /// Operations that were open when the culprit was.
    fn concurrent(&self) -> Vec<&'a Operation> {
        let end = self.culprit.completed.unwrap_or(usize::MAX);
        let open = |operation: &&&Operation| {
            let its_end = operation.completed.unwrap_or(usize::MAX);
            operation.invoked < end
                && its_end > self.culprit.invoked
                && operation.outcome != Outcome::Fail
        };
        self.operations.iter().filter(open).take(SHOWN_MAX).copied().collect()
    }

    fn possible_values(&self, possible: &[ValueId]) -> String {
        let values: Vec<_> = possible
            .iter()
            .filter(|id| (**id as usize) < self.key.value_count())
            .take(SHOWN_MAX)
            .map(|id| self.key.value(*id).to_string())
            .collect();
        match values.as_slice() {
            [] => "No value that the register may have had at that moment explains it.".into(),
            [value] => {
                format!("The only value that the register can have had at that moment is {value}.")
            }
            values => format!(
                "The values that the register can have had at that moment: {}.",
                values.join(", ")
            ),
        }
    }
}

/// Operations and values beyond this do not help a reader.
const SHOWN_MAX: usize = 8;

/// The value that an operation saw.
fn demanded(operation: &Operation) -> Option<&Value> {
    match (operation.f.as_str(), operation.outcome) {
        ("read", Outcome::Ok) => Some(&operation.result),
        ("cas", Outcome::Ok) => operation.argument.get(0),
        _ => None,
    }
}

/// The value that an operation writes, if it takes effect.
fn written(operation: &Operation) -> Option<&Value> {
    match operation.f.as_str() {
        "write" => Some(&operation.argument),
        "cas" => operation.argument.get(1),
        _ => None,
    }
}

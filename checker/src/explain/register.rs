//! Why a register cannot have behaved as recorded.
//!
//! The search says at which completion every explanation ends. What stands here looks for the few operations that
//! make a person believe it: the value that was demanded, who wrote it, and what had certainly replaced it.

use super::{operation_report, seconds, when, who, words};
use crate::history::{History, Outcome, ValueId, View};
use crate::linearizability::{Demand, Dense, Register};
use crate::verdict::Violation;

/// Explains why demand `at` of a core cannot have taken effect; `possible` are the values that the register
/// may have had just before, where they are known.
/// `operations` are all those on the key: who failed to write a value is part of the story too.
pub(crate) fn register(
    history: &History,
    operations: &[View<'_>],
    core: &Register,
    at: usize,
    possible: Option<Vec<Dense>>,
) -> Violation {
    let of = |demand: &Demand| history.view(demand.operation as usize);
    let culprit = of(&core.demands[at]);
    let core_operations: Vec<_> = core.demands.iter().map(of).collect();
    let case = Case { history, operations, core: &core_operations, culprit };
    let mut argument = case.argue();
    argument.steps.extend(possible.map(|possible| case.possible_values(core, &possible)));
    let name = culprit.key().map(|name| name.into_owned());
    let object =
        name.as_ref().map_or_else(|| "the register".to_string(), |name| format!("key {name}"));
    let end = culprit.completed_time().unwrap_or_else(|| culprit.invoked_time());
    let mut shown = argument.shown;
    shown.push(culprit);
    shown.sort_by_key(View::invoked);
    shown.dedup();
    Violation {
        summary: format!("{object}: {} at {}: {}", argument.kind, seconds(end), case.claim()),
        time: Some(end),
        key: name,
        explanation: argument.steps,
        operations: shown.into_iter().map(operation_report).collect(),
    }
}

#[derive(Clone, Copy)]
struct Case<'a> {
    history: &'a History,
    operations: &'a [View<'a>],
    /// Those that are impossible by themselves.
    core: &'a [View<'a>],
    culprit: View<'a>,
}

/// What is wrong, step by step.
struct Argument<'a> {
    kind: &'static str,
    steps: Vec<String>,
    shown: Vec<View<'a>>,
}

impl<'a> Case<'a> {
    /// What the culprit claims.
    fn claim(&self) -> String {
        let culprit = self.culprit;
        match culprit.outcome() {
            Outcome::Fail => {
                format!("{} was told that the value was not {}", who(culprit), culprit.value()[0])
            }
            _ => format!("{} got ok for {}", who(culprit), words(culprit)),
        }
    }

    fn argue(&self) -> Argument<'a> {
        let opening =
            format!("{}: {}, {}.", who(self.culprit), words(self.culprit), when(self.culprit));
        let Some(demanded) = self.demanded(self.culprit) else {
            let steps =
                vec![opening, "No order of the operations before it leads to such a value.".into()];
            return Argument { kind: "impossible result", steps, shown: self.shown_core() };
        };
        let mut argument = self.about_value(demanded);
        argument.steps.insert(0, opening);
        argument
    }

    /// Why the register did not have the value that the culprit demands.
    fn about_value(&self, demanded: ValueId) -> Argument<'a> {
        let writers: Vec<_> = self.writers(demanded).collect();
        let demanded = self.history.values().json(demanded);
        let happened: Vec<_> =
            writers.iter().copied().filter(|writer| writer.outcome() != Outcome::Fail).collect();
        let begun =
            |writer: &View<'_>| writer.invoked() < self.culprit.completed().unwrap_or(usize::MAX);
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
                    who(*writer),
                    when(*writer)
                )],
                shown: vec![*writer],
            },
            (_, Some(writer)) if !happened.iter().any(begun) => Argument {
                kind: "read from the future",
                steps: vec![format!(
                    "{demanded} was written only later, by {} ({}).",
                    who(*writer),
                    when(*writer)
                )],
                shown: vec![*writer],
            },
            (_, Some(writer)) => self.overwritten(Some(*writer)),
        }
    }

    /// The value was there once (from the beginning, if nobody wrote it), and something had certainly replaced it.
    fn overwritten(&self, writer: Option<View<'a>>) -> Argument<'a> {
        let mut steps = Vec::new();
        let mut shown: Vec<View<'_>> = Vec::new();
        let settled = writer.and_then(|writer| self.settled(writer));
        if let Some(writer) = writer {
            let (who, words, when) = (who(writer), words(writer), when(writer));
            steps.push(format!("The value was written by {who}: {words}, {when}."));
            shown.push(writer);
        }
        if let Some(seen) = settled.filter(|seen| writer.is_some_and(|writer| writer != *seen)) {
            steps.push(format!("{} had seen it: {}, {}.", who(seen), words(seen), when(seen)));
            shown.push(seen);
        }
        let since = settled.and_then(|settled| settled.completed());
        let Some((proof, later)) = self.replacement(writer, since) else {
            steps.push("No order of the operations around it leads to that value.".into());
            shown.extend(self.shown_core());
            return Argument { kind: "impossible result", steps, shown };
        };
        steps.push(format!(
            "Then {} did {}, {}, which certainly took effect later.",
            who(later),
            words(later),
            when(later)
        ));
        shown.push(later);
        if proof != later {
            steps.push(format!("{} saw it: {}, {}.", who(proof), words(proof), when(proof)));
            shown.push(proof);
        }
        steps.push(format!(
            "That was over before the {} began at {}.",
            self.culprit.f(),
            seconds(self.culprit.invoked_time())
        ));
        let lost = later.outcome() == Outcome::Ok && !self.is_seen_after(later);
        Argument { kind: if lost { "lost write" } else { "stale read" }, steps, shown }
    }

    /// The first operation whose completion proves that a write had taken effect: itself, or one that saw its value.
    fn settled(&self, writer: View<'a>) -> Option<View<'a>> {
        let value = self.written(writer);
        let operations = self.operations.iter().copied();
        let proofs = operations.filter(|operation| {
            (*operation == writer || self.saw(*operation, value)) && *operation != self.culprit
        });
        let completed = proofs.filter(|operation| operation.completed().is_some());
        completed.min_by_key(|operation| operation.completed())
    }

    /// A later change, begun after the value was certainly there (`since`), and the operation that proves that it had taken effect before the
    /// culprit began: itself, or one that saw it.
    fn replacement(
        &self,
        writer: Option<View<'a>>,
        since: Option<usize>,
    ) -> Option<(View<'a>, View<'a>)> {
        let before_culprit = |operation: &View<'_>| {
            operation.completed().is_some_and(|end| end < self.culprit.invoked())
        };
        let is_later = |change: &View<'_>| {
            writer.is_none() || since.is_some_and(|since| since < change.invoked())
        };
        let proofs =
            self.operations.iter().copied().filter(|operation| operation.outcome() == Outcome::Ok);
        proofs.filter(before_culprit).rev().find_map(|proof| {
            let value = self.written(proof).or_else(|| self.demanded(proof))?;
            let change = self.writers(value).find(|change| change.outcome() != Outcome::Fail)?;
            let other = writer.is_none_or(|writer| writer.invoked() != change.invoked());
            (other && is_later(&change)).then_some((proof, change))
        })
    }

    fn writers(&self, value: ValueId) -> impl Iterator<Item = View<'a>> {
        let case = *self;
        let writes = move |operation: &View<'_>| case.is(case.written(*operation), Some(value));
        self.operations.iter().copied().filter(writes)
    }

    /// Whether anybody reads what this operation wrote after it was acknowledged.
    fn is_seen_after(&self, writer: View<'_>) -> bool {
        let value = self.written(writer);
        self.operations.iter().any(|operation| self.saw(*operation, value))
    }

    /// The core, if it is small enough to help.
    fn shown_core(&self) -> Vec<View<'a>> {
        self.core.iter().take(SHOWN_MAX).copied().collect()
    }

    fn possible_values(&self, core: &Register, possible: &[Dense]) -> String {
        let values: Vec<_> = possible
            .iter()
            .filter_map(|value| core.value(*value))
            .take(SHOWN_MAX)
            .map(|id| self.history.values().json(id).to_string())
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

    /// The value that an operation saw.
    fn demanded(&self, operation: View<'_>) -> Option<ValueId> {
        match (operation.f(), operation.outcome()) {
            ("read", Outcome::Ok) => Some(operation.id()),
            ("cas", Outcome::Ok) => Some(self.history.values().pair(operation.id())?.0),
            _ => None,
        }
    }

    /// The value that an operation writes, if it takes effect.
    fn written(&self, operation: View<'_>) -> Option<ValueId> {
        match operation.f() {
            "write" => Some(operation.id()),
            "cas" => Some(self.history.values().pair(operation.id())?.1),
            _ => None,
        }
    }

    fn saw(&self, operation: View<'_>, value: Option<ValueId>) -> bool {
        self.is(self.demanded(operation), value)
    }

    fn is(&self, a: Option<ValueId>, b: Option<ValueId>) -> bool {
        a.zip(b).is_some_and(|(a, b)| self.history.values().same(a, b))
    }
}

/// Operations and values beyond this do not help a reader.
const SHOWN_MAX: usize = 12;

//! An element that was added once: out, then in, then out again, if anything removed it.
//!
//! The first remove that took effect after the add ends the span in which the element is in. Whatever demands that it is out, and every other remove, must be
//! able to stand outside: the best such remove is the one that began first. The span can be chosen as short as its critical interval, so nothing
//! else needs to be tried.

use super::{Action, Standing, Step, Wrong};
use crate::history::{History, NEVER, Operation, Outcome, ValueId};
use crate::linearizability::collections::culprit::told;
use crate::linearizability::objects::Object;

/// Judges the actions on one element; tells where each that takes effect stands.
pub(super) fn span<'a>(
    history: &'a History,
    object: &'a Object<'a>,
    value: ValueId,
    actions: &'a [Action],
) -> Result<Vec<Standing>, Wrong> {
    let case = Case::of(history, object, value, actions);
    let Some(add) = case.add else {
        return match case.seen_in().next() {
            None => Ok(case.never_in()),
            Some(seer) => Err(case.never_added(seer)),
        };
    };
    if let Some(early) = case.seen_in().find(|seer| seer.by < add.from) {
        return Err(case.wrong(
            "value from the future",
            early,
            add,
            "That was over before the element was added",
        ));
    }
    let mut removed = case.actions.iter().filter(|a| a.step == Step::Remove && a.is_change);
    if let (Some(first), Some(second)) = (removed.next(), removed.next()) {
        return Err(case.wrong(
            "duplicate remove",
            second,
            first,
            "The element was added once, and removed already",
        ));
    }
    case.place(add)
}

struct Case<'a> {
    history: &'a History,
    object: &'a Object<'a>,
    value: ValueId,
    actions: &'a [Action],
    /// The add, if anybody can have noticed it.
    add: Option<&'a Action>,
}

impl<'a> Case<'a> {
    fn of(
        history: &'a History,
        object: &'a Object<'a>,
        value: ValueId,
        actions: &'a [Action],
    ) -> Self {
        let mut case = Self { history, object, value, actions, add: None };
        let add = actions.iter().find(|action| action.step == Step::Add);
        case.add = add.filter(|add| add.by != NEVER || case.seen_in().next().is_some());
        case
    }

    /// Who found it in, and took it out or left it.
    fn seen_in(&self) -> impl Iterator<Item = &'a Action> {
        let finds = |action: &&Action| {
            action.step == Step::Is(true) || (action.step == Step::Remove && action.is_change)
        };
        self.actions.iter().filter(finds)
    }

    /// Where all stand if it was never in.
    fn never_in(&self) -> Vec<Standing> {
        let certain = self.actions.iter().filter(|action| action.by != NEVER);
        certain.map(|action| (action.from, 0, action.place)).collect()
    }

    /// The remove that ended the span, if there was one. `since` is when it was in for the last time for certain.
    fn end(&self, since: u32) -> Option<&'a Action> {
        let removes = self.actions.iter().filter(|action| action.step == Step::Remove);
        let known = removes.clone().find(|remove| remove.is_change);
        known
            .or_else(|| removes.filter(|remove| remove.by > since).min_by_key(|remove| remove.from))
    }

    fn place(&self, add: &'a Action) -> Result<Vec<Standing>, Wrong> {
        let seen = || self.actions.iter().filter(|action| action.step == Step::Is(true));
        let last_seen = seen().map(|seer| seer.from).max().unwrap_or(0).max(add.from);
        let first_seen = self.seen_in().min_by_key(|seer| seer.by).filter(|seer| seer.by < add.by);
        let added_by = first_seen.map_or(add.by, |seer| seer.by);
        let end = self.end(last_seen);
        if let Some(end) = end.filter(|end| end.by <= last_seen) {
            let late = seen().max_by_key(|seer| seer.from).unwrap_or(add);
            return Err(self.wrong(
                "value seen after its remove",
                late,
                end,
                "The element was removed by then",
            ));
        }
        let out_from = end.map_or(NEVER, |end| end.from.max(last_seen));
        let in_from = if added_by < out_from { added_by - 1 } else { out_from };
        let mut standings = Vec::with_capacity(self.actions.len());
        for action in self.actions {
            let is_end = end.is_some_and(|end| end.place == action.place);
            let is_add = action.place == add.place;
            let stands = match action.step {
                _ if is_add => (in_from, 1),
                _ if is_end => (out_from, 3),
                Step::Is(true) => (action.from.max(in_from), 2),
                _ if action.by == NEVER => continue,
                _ if action.from <= in_from => (action.from, 0),
                _ if action.by > out_from => (action.from.max(out_from), 4),
                _ => return Err(self.covered(action, add, first_seen, end)),
            };
            standings.push((stands.0, stands.1, action.place));
        }
        Ok(standings)
    }

    /// An operation during which the element was certainly in.
    fn covered(
        &self,
        culprit: &Action,
        add: &Action,
        first_seen: Option<&Action>,
        end: Option<&Action>,
    ) -> Wrong {
        let told = |action: &Action| told(self.history, action.place);
        let proof = first_seen.unwrap_or(add);
        let last_seen = self.actions.iter().filter(|action| action.step == Step::Is(true));
        let last_seen = last_seen.max_by_key(|action| action.from);
        let later = last_seen.into_iter().chain(end).max_by_key(|action| action.from);
        let mut steps = vec![format!("{}.", told(culprit))];
        steps.push(match later {
            Some(later) if end.is_some() => {
                format!("The element was in since {}, until {}.", told(proof), told(later))
            }
            _ => format!("The element was in since {}, and nothing removed it.", told(proof)),
        });
        let shown = [Some(add), first_seen, later]
            .into_iter()
            .flatten()
            .map(|action| action.place)
            .collect();
        let is_remove = culprit.step == Step::Remove;
        let kind = if is_remove { "remove without effect" } else { "lost element" };
        Wrong { kind, culprit: culprit.place, steps, shown, core: self.core(culprit) }
    }

    fn never_added(&self, seer: &Action) -> Wrong {
        let add = self.history.function("add");
        let failed = |(_, operation): &(u32, &Operation)| {
            Some(operation.function) == add
                && operation.outcome == Outcome::Fail
                && operation.value == self.value
        };
        let aborted = self.object.iter().find(failed).map(|(place, _)| place);
        let words = self.history.values().words(self.value);
        let mut steps = vec![format!("{}.", told(self.history, seer.place))];
        steps.push(aborted.map_or_else(
            || format!("Nobody ever added {words}."),
            |add| {
                format!("{words} was added only by {}, which ended fail.", told(self.history, add))
            },
        ));
        let kind = if aborted.is_some() { "aborted add" } else { "value out of thin air" };
        let shown: Vec<_> = aborted.into_iter().collect();
        let mut core = self.core(seer);
        core.extend(&shown);
        Wrong { kind, culprit: seer.place, steps, shown, core }
    }

    fn wrong(&self, kind: &'static str, culprit: &Action, other: &Action, why: &str) -> Wrong {
        let steps = vec![
            format!("{}.", told(self.history, culprit.place)),
            format!("{why}: {}.", told(self.history, other.place)),
        ];
        Wrong {
            kind,
            culprit: culprit.place,
            steps,
            shown: vec![other.place],
            core: self.core(culprit),
        }
    }

    /// All changes, the culprit, and the first and the last who saw it in.
    fn core(&self, culprit: &Action) -> Vec<u32> {
        let changes = self.actions.iter().filter(|action| !matches!(action.step, Step::Is(_)));
        let seen = || self.actions.iter().filter(|action| action.step == Step::Is(true));
        let first = seen().min_by_key(|action| action.by);
        let last = seen().max_by_key(|action| action.from);
        let all = changes.chain(first).chain(last).chain([culprit]);
        all.map(|action| action.place).collect()
    }
}

//! Why a lock cannot have been taken or given back as recorded: who held it, since when, and what came too late to change that.

use super::{counted, operation_report, seconds, told, when, who, words};
use crate::history::{History, Outcome, View};
use crate::verdict::Violation;

/// More operations than this do not help a reader.
const SHOWN_MAX: usize = 12;

/// Explains why the culprit, an `acquire` or a `release`, cannot have succeeded; the core are the operations that show it, by place.
pub(crate) fn lock(history: &History, core: &[u32], culprit: u32) -> Violation {
    let culprit = history.view(culprit as usize);
    let others = core.iter().map(|place| history.view(*place as usize));
    let others: Vec<_> = others.filter(|other| *other != culprit).collect();
    let case = Case { history, culprit, others };
    let (kind, reason) = case.reason();
    let key = culprit.key().map(|key| key.into_owned());
    let name = key.as_ref().map_or_else(|| "the lock".into(), |key| format!("key {key}"));
    let end = culprit.completed_time().unwrap_or_else(|| culprit.invoked_time());
    let mut shown: Vec<_> = case.others.iter().copied().rev().take(SHOWN_MAX).collect();
    shown.push(culprit);
    shown.sort_by_key(View::invoked);
    let claim = format!("{} got ok for {}", who(culprit), words(culprit));
    Violation {
        summary: format!("{name}: {kind} at {}: {claim}", seconds(end)),
        time: Some(end),
        key,
        explanation: [format!("{}.", told(culprit))].into_iter().chain(reason).collect(),
        operations: shown.into_iter().map(operation_report).collect(),
    }
}

struct Case<'a> {
    history: &'a History,
    culprit: View<'a>,
    /// The others of the core, in order of invocation.
    others: Vec<View<'a>>,
}

impl Case<'_> {
    /// What is wrong, and why.
    fn reason(&self) -> (&'static str, Vec<String>) {
        match (self.culprit.f(), self.others.as_slice()) {
            ("acquire", [other]) if other.f() == "acquire" => match self.smaller_token(*other) {
                Some(reason) => ("token too small", vec![reason]),
                None => ("two holders", self.held_by(*other)),
            },
            ("release", []) => ("released while free", self.never_held()),
            ("release", [other]) if other.f() == "release" => {
                ("released while free", self.released_by(*other))
            }
            ("acquire", _) => ("two holders", self.too_many("acquire", "release")),
            _ => ("released while free", self.too_many("release", "acquire")),
        }
    }

    /// That an earlier holder had a token that is as large.
    fn smaller_token(&self, earlier: View<'_>) -> Option<String> {
        let (token, before) = (self.culprit.value().as_i64()?, earlier.value().as_i64()?);
        let is_over = earlier.completed()? < self.culprit.invoked();
        (is_over && token <= before).then(|| {
            format!(
                "A token must be larger than all before it, but {} was given out already: {}.",
                before,
                told(earlier)
            )
        })
    }

    fn held_by(&self, holder: View<'_>) -> Vec<String> {
        let name = who(holder);
        let since = holder.completed_time().unwrap_or_else(|| holder.invoked_time());
        let is_over = holder.completed().is_some_and(|end| end < self.culprit.invoked());
        let first = if is_over {
            format!(
                "{name} held the lock already, at the latest since {}: {}, {}.",
                seconds(since),
                words(holder),
                when(holder)
            )
        } else {
            format!("{name} got it too, at the same time: {}, {}.", words(holder), when(holder))
        };
        let given_back = match self.next_release(holder) {
            Some(release) => {
                format!("{name} began to give it back only at {}.", seconds(release.invoked_time()))
            }
            None => format!("{name} never gave it back."),
        };
        vec![first, given_back, "No release of anybody can have come between the two.".into()]
    }

    /// That every acquire had its release already.
    fn never_held(&self) -> Vec<String> {
        let before = |f: &'static str| {
            let key = self.culprit.operation().key;
            let of = move |view: &View<'_>| {
                view.f() == f && view.operation().key == key && view.outcome() == Outcome::Ok
            };
            let begin = self.culprit.invoked();
            let over = move |view: &View<'_>| view.completed().is_some_and(|end| end < begin);
            self.history.views().filter(of).filter(over).max_by_key(View::completed)
        };
        match (before("acquire"), before("release")) {
            (Some(acquire), Some(release)) => vec![
                format!("The last acquire before was {}.", told(acquire)),
                format!(
                    "It was given back by {}, and nobody can have taken it since.",
                    told(release)
                ),
            ],
            _ => vec!["Nobody can have taken it by then.".into()],
        }
    }

    /// The first release by the process that took the lock, after it did.
    fn next_release(&self, holder: View<'_>) -> Option<View<'_>> {
        self.history.views().find(|view| {
            view.f() == "release"
                && view.process() == holder.process()
                && view.operation().key == holder.operation().key
                && view.invoked() > holder.invoked()
        })
    }

    fn released_by(&self, other: View<'_>) -> Vec<String> {
        vec![
            format!("It had been given back already by {}.", told(other)),
            "No acquire of anybody can have come between the two.".into(),
        ]
    }

    /// That too many operations of one name happened for so few of the other between them.
    fn too_many(&self, name: &str, other: &str) -> Vec<String> {
        let all = || self.others.iter().chain([&self.culprit]).filter(|view| view.f() == name);
        let begin = all().map(View::invoked_time).min().unwrap_or(0);
        let end = all().filter_map(View::completed_time).max().unwrap_or(0);
        let between = self.others.iter().filter(|view| view.f() == other).count();
        let mut steps = vec![format!(
            "From {} to {} {} succeeded, and only {} can have come between them.",
            seconds(begin),
            seconds(end),
            counted(all().count(), name),
            counted(between, other),
        )];
        if self.others.len() > SHOWN_MAX {
            steps
                .push(format!("Below are the last of these {} operations.", self.others.len() + 1));
        }
        steps
    }
}

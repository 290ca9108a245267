//! Why a text that is put, appended to and read cannot have been what somebody got. The search says at which `get` every explanation ends; what stands here
//! looks for the one or two operations that make a person believe it.

use std::collections::BTreeSet;

use super::{brief, counted, told};
use crate::history::{History, Outcome, View};

/// What is wrong with what a `get` returned.
pub(super) struct Reason<'a> {
    /// Its name.
    pub(super) kind: &'static str,
    /// Why.
    pub(super) sentence: String,
    /// The operations that it names.
    pub(super) named: Vec<View<'a>>,
}

/// So many comparisons of bytes are made, at most.
const WORK_MAX: usize = 100_000_000;

/// The first reason that is found why a `get` cannot have returned what it did; nothing if none is as simple as that.
pub(super) fn reason<'a>(history: &'a History, culprit: View<'a>) -> Option<Reason<'a>> {
    let same_key = |view: &View<'_>| view.operation().key == culprit.operation().key;
    let operations: Vec<_> = history.views().filter(same_key).collect();
    let seen = text(culprit);
    if culprit.f() != "get" || operations.len().saturating_mul(seen.len()) > WORK_MAX {
        return None;
    }
    let changes = operations.iter().filter(|view| matches!(view.f(), "put" | "append"));
    let changes = changes.map(|view| Change { view: *view, text: text(*view) }).collect();
    let gets = operations.into_iter().filter(|view| view.f() == "get").collect();
    let case = Case { culprit, seen, changes, gets };
    case.thin_air()
        .or_else(|| case.overwritten())
        .or_else(|| case.lost())
        .or_else(|| case.shrunk())
        .or_else(|| case.out_of_order())
}

fn text(view: View<'_>) -> String {
    view.value().as_str().unwrap_or_default().to_string()
}

/// A `put` or an `append`.
struct Change<'a> {
    view: View<'a>,
    text: String,
}

impl Change<'_> {
    fn is_put(&self) -> bool {
        self.view.f() == "put"
    }

    fn happened(&self) -> bool {
        self.view.outcome() != Outcome::Fail
    }
}

/// So many operations are put into every order, at most.
const ORDERED_MAX: usize = 8;

/// What a `get` can have returned as far as a few operations go, in words; nothing if these are too many.
pub(super) fn possible(core: &[View<'_>], culprit: View<'_>) -> Option<Vec<String>> {
    let end = culprit.completed()?;
    let others = core.iter().filter(|view| **view != culprit && view.invoked() < end);
    let others: Vec<_> = others.copied().collect();
    if others.len() > ORDERED_MAX {
        return None;
    }
    let mut texts = BTreeSet::new();
    follow(&others, culprit, &mut vec![false; others.len()], "", &mut texts);
    let words = |text: &String| match text.as_str() {
        "" => "missing or empty".into(),
        text => shown(text),
    };
    Some(texts.iter().map(words).collect())
}

/// Adds the texts of every order that goes on from this one.
fn follow(
    others: &[View<'_>],
    culprit: View<'_>,
    done: &mut Vec<bool>,
    now: &str,
    texts: &mut BTreeSet<String>,
) {
    let left = || others.iter().zip(done.iter()).filter(|(_, done)| !**done).map(|(view, _)| view);
    if left().all(|view| !precedes(*view, culprit)) {
        texts.insert(now.into());
    }
    let first: Vec<usize> = (0..others.len())
        .filter(|at| !done[*at] && !left().any(|other| precedes(*other, others[*at])))
        .collect();
    for at in first {
        let next = match others[at].f() {
            "put" => text(others[at]),
            "append" => now.to_string() + &text(others[at]),
            _ if text(others[at]) == now => now.to_string(),
            _ => continue,
        };
        done[at] = true;
        follow(others, culprit, done, &next, texts);
        done[at] = false;
    }
}

/// Whether one operation was over before another began.
fn precedes(one: View<'_>, other: View<'_>) -> bool {
    one.outcome() == Outcome::Ok && one.completed().is_some_and(|end| end < other.invoked())
}

struct Case<'a> {
    culprit: View<'a>,
    /// What the culprit got.
    seen: String,
    /// In order of invocation.
    changes: Vec<Change<'a>>,
    gets: Vec<View<'a>>,
}

impl<'a> Case<'a> {
    fn begun(&self, change: &Change<'_>) -> bool {
        self.culprit.completed().is_some_and(|end| change.view.invoked() < end)
    }

    fn reason(
        &self,
        kind: &'static str,
        sentence: String,
        named: &[View<'a>],
    ) -> Option<Reason<'a>> {
        Some(Reason { kind, sentence, named: named.to_vec() })
    }

    /// That it is not made of what was put and appended.
    fn thin_air(&self) -> Option<Reason<'a>> {
        let made = self.made_up();
        if made == self.seen.len() {
            return None;
        }
        let rest = &self.seen[made..];
        let next = |change: &&Change<'_>| !change.text.is_empty() && rest.starts_with(&change.text);
        let mut fitting = self.changes.iter().filter(next);
        let shown = shown(rest);
        let place = if made == 0 {
            "begins with".into()
        } else {
            format!("has behind its first {}", counted(made, "byte"))
        };
        let fitting: Vec<_> = fitting.by_ref().collect();
        let failed = fitting.iter().find(|change| !change.happened());
        let later = fitting.iter().find(|change| !self.begun(change));
        match (failed, later) {
            (Some(failed), _) => self.reason(
                "aborted read",
                format!("What it {place} was written only by {}, which ended fail: it certainly has no effect.", told(failed.view)),
                &[failed.view],
            ),
            (_, Some(later)) => self.reason(
                "read from the future",
                format!("What it {place} was written only later: {}.", told(later.view)),
                &[later.view],
            ),
            _ => self.reason(
                "value out of thin air",
                format!("Nothing that was put or appended by then makes up what it {place}: {shown}."),
                &[],
            ),
        }
    }

    /// How much of what was seen a put and appends can make up.
    fn made_up(&self) -> usize {
        let seen = self.seen.as_bytes();
        let pieces: Vec<_> = self
            .changes
            .iter()
            .filter(|change| change.happened() && self.begun(change) && !change.text.is_empty())
            .collect();
        let mut reached = vec![false; seen.len() + 1];
        reached[0] = true;
        for at in 0..seen.len() {
            let fits = |piece: &&&Change<'_>| {
                (at == 0 || !piece.is_put()) && seen[at..].starts_with(piece.text.as_bytes())
            };
            if reached[at] {
                let ends = pieces.iter().filter(fits).map(|piece| at + piece.text.len());
                ends.for_each(|end| reached[end] = true);
            }
        }
        // It ends where a text ends, so never within a character.
        reached.iter().rposition(|reached| *reached).unwrap_or(0)
    }

    /// Whether some put may have taken effect after an operation and before the culprit did.
    fn may_be_replaced(&self, after: View<'_>) -> bool {
        let mut puts = self.changes.iter().filter(|change| change.is_put() && change.happened());
        puts.any(|put| put.view != after && self.begun(put) && !precedes(put.view, after))
    }

    /// The last put, if what was seen does not begin with it.
    fn overwritten(&self) -> Option<Reason<'a>> {
        let put = self.changes.iter().rev().find(|change| {
            change.is_put()
                && precedes(change.view, self.culprit)
                && !self.seen.starts_with(&change.text)
                && !self.may_be_replaced(change.view)
        })?;
        let sentence =
            format!("It must begin with the last put, which was over before: {}.", told(put.view));
        self.reason("stale read", sentence, &[put.view])
    }

    /// An append that is missing.
    fn lost(&self) -> Option<Reason<'a>> {
        let append = self.changes.iter().find(|change| {
            !change.is_put()
                && precedes(change.view, self.culprit)
                && !self.seen.contains(&change.text)
                && !self.may_be_replaced(change.view)
        })?;
        let sentence = format!(
            "This append was over before, nobody replaced the text since, and it is missing: {}.",
            told(append.view)
        );
        self.reason("lost append", sentence, &[append.view])
    }

    /// An earlier get of what is not the beginning of what was seen.
    fn shrunk(&self) -> Option<Reason<'a>> {
        let earlier = self.gets.iter().rev().find(|get| {
            precedes(**get, self.culprit)
                && !self.seen.starts_with(&text(**get))
                && !self.may_be_replaced(**get)
        })?;
        let sentence = format!(
            "Somebody had got another text before, and since then it can only have grown at its end: {}.",
            told(*earlier)
        );
        self.reason("stale read", sentence, &[*earlier])
    }

    /// Two appends that stand in the wrong order.
    fn out_of_order(&self) -> Option<Reason<'a>> {
        let once = |change: &&Change<'_>| {
            !change.text.is_empty() && self.seen.matches(&change.text).count() == 1
        };
        let mut found: Vec<_> = self.changes.iter().filter(|c| c.happened()).filter(once).collect();
        found.sort_by_key(|change| self.seen.find(&change.text));
        let mut latest: Option<&Change<'_>> = None;
        for change in found {
            if let Some(first) = latest.filter(|first| precedes(change.view, first.view)) {
                let sentence = format!(
                    "In it {} stands before {}, which was over before the other began: {}; {}.",
                    shown(&first.text),
                    shown(&change.text),
                    told(change.view),
                    told(first.view)
                );
                return self.reason("out of order", sentence, &[change.view, first.view]);
            }
            if latest.is_none_or(|latest| latest.view.invoked() < change.view.invoked()) {
                latest = Some(change);
            }
        }
        None
    }
}

fn shown(text: &str) -> String {
    brief(&text.into())
}

//! Whether operations can be left out of a core without making wrong what was right.
//!
//! *If* the whole has an order in which everything is right, so must the core. Take such an order `L`, and the event at which trying the core
//! ended, the *end*.
//!
//! - **Cut.** Whoever was invoked after the end stands in `L` behind everybody who completed by then: `L` up to the last of those is right, and nobody of
//!   after the end is in it. Who is still open at the end may be in it or not.
//! - **Observers** (reads, peeks, `contains`, a take that found nothing, an add of 0) change nothing: strike them out of `L` and everything else is right
//!   as before. **Failed operations** are not in `L`, but for a failed cas that saw another value, which is an observer.
//! - **Registers**, one or several at a time. A change may be left out if nobody in the core saw what it wrote *and* completed after it was invoked, and
//!   nobody in the core who says what the value was *not* completed after it was invoked. For whoever of the core saw a value in `L` saw it of the
//!   last change before; that one was invoked before the observer completed, so it is in the core; and between both there was no other change
//!   in `L`, so there is none now. Whoever says what the value was not stands, in the core as in `L`, behind the same last change. (A cas saw what it
//!   replaced; if it is still open at the end, the end takes the place of its completion.)
//! - **Texts.** A put may be left out if no read of the core begins with its text, an append if none has its text in it. For what a read of the core sees
//!   in `L` was made by the last put before it and all appends since, so all of these are in the core, and nothing comes between.
//! - **Queues, stacks, lists, sets.** All operations on some elements together may be left out: what is left behaves as if these elements had never
//!   been, an empty queue stays empty, and a read of all elements becomes a read of the others. So a change of an element that the core does not
//!   otherwise mention may be left out. A take whose result nobody knows may take anything: it must be in the core, and where it took an
//!   element that is left out it did, as far as the others are concerned, not happen.
//! - **Queues, stacks, lists** moreover: an insertion may be left out if nobody in the core takes or sees its element, even if the core has another insertion
//!   of it. For in `L` it stays where it is for ever, and nobody sees it or what lies behind; or a take whose result nobody knows took it,
//!   and is struck out with it.
//! - **Sets** moreover: if the core never says that an element is in, adds of it may be left out, for then it is out even longer; likewise removes, if it
//!   never says that the element is out.
//! - **Quiet beginning** (an element of a set whose every change is known to be one): changes that were all over before anybody of
//!   the core began, and that took the element in as often as out, leave it as it was in the beginning.
//!
//! Counters and locks are another matter (`loose.rs`).

use std::collections::{HashMap, HashSet};

use super::core::LeftOut;
use super::search::Item;
use super::specification::{Access, Act};
use crate::history::{NEVER, ValueId};
use crate::models::Model;

/// The first change left out that may matter, by place; nothing if none does.
pub(super) fn first_that_matters(
    model: Model,
    core: &[Item],
    left_out: &[LeftOut],
    end: u32,
) -> Option<u32> {
    let matters: Box<dyn Fn(&Item) -> bool> = match model {
        Model::Register | Model::CasRegister | Model::MultiRegister => seen_in_register(core, end),
        Model::Kv => Box::new(|left| core.iter().any(|item| shows(&item.act, &left.act))),
        Model::Set => in_set(core, left_out),
        Model::Queue | Model::Stack | Model::List => in_sequence(core),
        _ => Box::new(|_| true),
    };
    left_out.iter().find(|left| matters(&left.item)).map(|left| left.place)
}

fn seen_in_register(core: &[Item], end: u32) -> Box<dyn Fn(&Item) -> bool> {
    let mut seen: HashMap<(ValueId, ValueId), u32> = HashMap::new();
    let mut refuted = 0;
    // An observer that is still open at the end need not be there.
    let counts = |item: &&Item| item.completed <= end || !item.act.is_observer();
    for item in core.iter().filter(counts) {
        let until = item.completed.min(end);
        if let Act::SeeNot(_) = item.act {
            refuted = refuted.max(until);
        }
        for what in versions(&item.act, false) {
            let latest = seen.entry(what).or_default();
            *latest = until.max(*latest);
        }
    }
    Box::new(move |left| {
        let is_seen = |what| seen.get(what).is_some_and(|until| left.invoked < *until);
        left.invoked < refuted || versions(&left.act, true).iter().any(is_seen)
    })
}

/// What an operation says that keys had as values, or writes; nil stands for the key of a single register.
fn versions(act: &Act, written: bool) -> Vec<(ValueId, ValueId)> {
    match act {
        Act::See(value) | Act::Cas(value, _) if !written => vec![(ValueId::NIL, *value)],
        Act::Write(value) | Act::Cas(_, value) if written => vec![(ValueId::NIL, *value)],
        Act::Transaction(steps) => {
            let version = |place: usize| match steps[place] {
                Access::Read(key, value) => {
                    // What it reads again, or after it has written the key, says nothing about others.
                    let met = |step: &Access| {
                        let (Access::Read(of, _) | Access::Write(of, _)) = step;
                        *of == key
                    };
                    (!written && !steps[..place].iter().any(met)).then_some((key, value))
                }
                Access::Write(key, value) => written.then_some((key, value)),
            };
            (0..steps.len()).filter_map(version).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a read of a text may show a change of it.
fn shows(read: &Act, change: &Act) -> bool {
    match (read, change) {
        (Act::Text(seen), Act::Put(text)) => seen.starts_with(text.as_str()),
        (Act::Text(seen), Act::Extend(text)) => seen.contains(text.as_str()),
        _ => false,
    }
}

fn in_sequence(core: &[Item]) -> Box<dyn Fn(&Item) -> bool> {
    let mut mentioned = HashSet::new();
    let mut seen = HashSet::new();
    for item in core {
        mentioned.extend(item.act.element());
        match &item.act {
            Act::All(elements) => seen.extend(elements.iter().copied()),
            Act::Take(element) | Act::Peek(element) => drop(seen.insert(*element)),
            _ => {}
        }
    }
    Box::new(move |left| {
        let Some(element) = left.act.element() else { return true };
        let is_unseen = matches!(left.act, Act::Insert(_)) && !seen.contains(&element);
        mentioned.contains(&element) && !is_unseen
    })
}

fn in_set<'a>(core: &'a [Item], left_out: &'a [LeftOut]) -> Box<dyn Fn(&Item) -> bool + 'a> {
    let mut of_core: HashMap<ValueId, Vec<Item>> = HashMap::new();
    // A read of everything says something of every element.
    let reads: Vec<_> = core.iter().filter(|item| matches!(item.act, Act::All(_))).collect();
    for item in core {
        if let Some(element) = item.act.element() {
            of_core.entry(element).or_default().push(item.clone());
        }
    }
    let mut changes: HashMap<ValueId, Vec<&Item>> = HashMap::new();
    for left in left_out {
        if let Some(element) = left.item.act.element() {
            changes.entry(element).or_default().push(&left.item);
        }
    }
    Box::new(move |left| {
        let Some(element) = left.act.element() else { return true };
        let Some(mentions) = of_core.get(&element) else { return false };
        let is_add = matches!(left.act, Act::Add(..));
        let says = |item: &Item| says(&item.act, element, is_add);
        let about = || mentions.iter().chain(reads.iter().copied());
        core.iter().any(says) && !is_quiet(about(), changes[&element].iter().copied())
    })
}

/// Whether an operation says that an element was in a set, or out of it.
fn says(act: &Act, element: ValueId, is_in: bool) -> bool {
    match act {
        Act::Add(of, Some(was_new)) => *of == element && *was_new != is_in,
        Act::Remove(of, Some(was_in)) | Act::Contains(of, was_in) => {
            *of == element && *was_in == is_in
        }
        Act::All(elements) => elements.contains(&element) == is_in,
        _ => false,
    }
}

/// Whether changes were all over before a core began, and left everything as in the beginning.
fn is_quiet<'a>(
    core: impl Iterator<Item = &'a Item>,
    changes: impl Iterator<Item = &'a Item>,
) -> bool {
    let begins = core.map(|item| item.invoked).min().unwrap_or(NEVER);
    let (mut taken, mut given_back) = (0, 0);
    for change in changes {
        match change.act {
            Act::Add(_, Some(true)) => taken += 1,
            Act::Remove(_, Some(true)) => given_back += 1,
            _ => return false,
        }
        if change.completed >= begins {
            return false;
        }
    }
    taken == given_back
}

//! Objects with two states: each element of a set is in or out, a mutex is held or free.
//!
//! Where every change of state is known to be one (`acquire`, `remove -> true`), `two_state/sweep.rs` decides, however often it happens. Where an add may have
//! changed nothing because the element was inside already, `two_state/span.rs` decides if the element was added once only.
//!
//! A read of the whole set couples its elements. If nothing is ever removed, the reads must be a growing chain (`list.rs`); otherwise they are only
//! held against each element by itself, which can refute but not prove.

mod span;
mod sweep;

use super::culprit::Culprit;
use super::list;
use super::prepare::Numbers;
use crate::explain::Argument;
use crate::history::{History, NEVER, Operation, Outcome, ValueId};
use crate::linearizability::decision::Decision;
use crate::linearizability::objects::Object;
use crate::models::Model;

/// Elements times whole reads that are held against each other.
const COUPLED_MAX: usize = 20_000_000;

/// What an operation does to one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is in afterwards.
    Add,
    /// It is out afterwards.
    Remove,
    /// It was in, or out.
    Is(bool),
}

/// An operation on one element, or on a mutex.
#[derive(Clone, Copy, Debug)]
struct Action {
    place: u32,
    from: u32,
    /// When it completed; [`NEVER`] if nobody knows whether it took effect.
    by: u32,
    step: Step,
    /// Whether it certainly changed the state.
    is_change: bool,
}

/// Where an operation stands: the gap, a number within the gap, and the operation.
type Standing = (u32, u32, u32);

/// Why an element cannot have behaved as recorded: operations by their places.
#[derive(Debug)]
struct Wrong {
    kind: &'static str,
    culprit: u32,
    steps: Vec<String>,
    shown: Vec<u32>,
    core: Vec<u32>,
}

/// Judges a mutex. Who releases it is not asked, and an operation that failed says nothing.
pub(in crate::linearizability) fn mutex(
    history: &History,
    object: &Object<'_>,
    with_order: bool,
) -> Option<Decision> {
    let (acquire, release) = (history.function("acquire"), history.function("release"));
    let mut actions = Vec::with_capacity(object.len());
    for (place, operation) in object.iter() {
        let step = match Some(operation.function) {
            function if function == acquire => Step::Add,
            function if function == release => Step::Remove,
            _ => return None,
        };
        if operation.outcome != Outcome::Fail {
            let is_change = operation.outcome == Outcome::Ok;
            actions.push(Action { is_change, ..action(place, operation, step) });
        }
    }
    Some(match sweep::sweep(history, &actions) {
        Ok(standings) => Decision::Valid { order: with_order.then(|| in_order(standings)) },
        Err(wrong) => wrong.culprit(None).convict(history, object, Model::Mutex),
    })
}

/// Judges a set. Nothing if an element was added twice in ways that may have changed nothing, or if reads of the whole set leave it open.
pub(in crate::linearizability) fn set(
    history: &History,
    object: &Object<'_>,
    with_order: bool,
) -> Option<Decision> {
    let set = Set::of(history, object)?;
    if !set.reads.is_empty() && set.only_grows() {
        return list::growing_set(history, object, with_order);
    }
    let (mut standings, mut open) = (Vec::new(), !set.reads.is_empty());
    for (element, actions) in set.elements.iter().zip(set.by_element()?) {
        let judged = if actions.iter().filter(|action| action.step == Step::Add).count() <= 1 {
            span::span(history, object, *element, &actions)
        } else if actions
            .iter()
            .all(|a| a.is_change || a.by == NEVER || matches!(a.step, Step::Is(_)))
        {
            sweep::sweep(history, &actions)
        } else {
            open = true;
            continue;
        };
        match judged {
            Ok(more) => standings.extend(more),
            Err(wrong) => {
                let core = set.closed(&wrong.core);
                return Some(wrong.culprit(Some(core)).convict(history, object, Model::Set));
            }
        }
    }
    (!open).then(|| Decision::Valid { order: with_order.then(|| in_order(standings)) })
}

impl Wrong {
    /// With another core, if there is one.
    fn culprit(self, core: Option<Vec<u32>>) -> Culprit {
        let Self { kind, culprit, steps, shown, core: own } = self;
        Culprit { core: core.unwrap_or(own), argument: Argument { kind, culprit, steps, shown } }
    }
}

fn action(place: u32, operation: &Operation, step: Step) -> Action {
    Action { place, from: operation.invoked, by: operation.completed, step, is_change: false }
}

/// Elements are independent of each other, so where they stand in time makes one order of all.
fn in_order(mut standings: Vec<Standing>) -> Vec<u32> {
    standings.sort_unstable();
    standings.into_iter().map(|(_, _, place)| place).collect()
}

/// The operations of a set by element.
struct Set<'a> {
    history: &'a History,
    /// The element of each, by number.
    actions: Vec<(u32, Action)>,
    elements: Vec<ValueId>,
    numbers: Numbers,
    /// Reads of the whole set.
    reads: Vec<(u32, &'a Operation)>,
}

impl<'a> Set<'a> {
    fn of(history: &'a History, object: &Object<'a>) -> Option<Self> {
        let names = ["add", "remove", "contains", "read"].map(|name| history.function(name));
        let mut set = Self {
            history,
            actions: Vec::with_capacity(object.len()),
            elements: Vec::new(),
            numbers: Numbers::new(object.len()),
            reads: Vec::new(),
        };
        for (place, operation) in object.iter() {
            let kind = names.iter().position(|name| *name == Some(operation.function))?;
            let is_ok = operation.outcome == Outcome::Ok;
            if operation.outcome == Outcome::Fail || (kind >= 2 && !is_ok) {
                continue;
            }
            if kind == 3 {
                set.reads.push((place, operation));
                continue;
            }
            let (element, result) = match history.values().pair(operation.value) {
                Some((element, ValueId::TRUE)) => (element, Some(true)),
                Some((element, ValueId::FALSE)) => (element, Some(false)),
                _ => (operation.value, None),
            };
            let result = result.filter(|_| is_ok);
            let step = match (kind, result) {
                (0, Some(false)) => Step::Is(true),
                (0, _) => Step::Add,
                (1, Some(false)) => Step::Is(false),
                (1, _) => Step::Remove,
                (_, result) => Step::Is(result?),
            };
            let is_change = result == Some(true) && step != Step::Is(true);
            let action = Action { is_change, ..action(place, operation, step) };
            let element = set.number(element)?;
            set.actions.push((element, action));
        }
        Some(set)
    }

    fn number(&mut self, element: ValueId) -> Option<u32> {
        if element == ValueId::NIL || !element.is_scalar() {
            return None;
        }
        let next = self.elements.len() as u32;
        if self.numbers.set_new(element, next) {
            self.elements.push(element);
        }
        Some(self.numbers.of(element))
    }

    /// Whether there are only adds of elements and reads of everything.
    fn only_grows(&self) -> bool {
        self.actions.iter().all(|(_, action)| action.step == Step::Add && !action.is_change)
    }

    /// The actions on each element, in order of invocation; nothing if that is too much.
    fn by_element(&self) -> Option<Vec<Vec<Action>>> {
        let mut all: Vec<Vec<Action>> = vec![Vec::new(); self.elements.len()];
        for (element, action) in &self.actions {
            all[*element as usize].push(*action);
        }
        if self.reads.is_empty() {
            return Some(all);
        }
        if self.reads.len().saturating_mul(self.elements.len()) > COUPLED_MAX {
            return None;
        }
        for (place, read) in &self.reads {
            for (element, actions) in self.elements.iter().zip(&mut all) {
                let is_in = self.listed(read)?.contains(element);
                actions.push(action(*place, read, Step::Is(is_in)));
            }
        }
        all.iter_mut().for_each(|actions| actions.sort_by_key(|action| action.from));
        Some(all)
    }

    fn listed(&self, read: &Operation) -> Option<&'a [ValueId]> {
        if read.value == ValueId::NIL { Some(&[]) } else { self.history.values().list(read.value) }
    }

    /// A core with all changes of elements that its whole reads list: leaving them out would make those reads wrong by themselves.
    fn closed(&self, core: &[u32]) -> Vec<u32> {
        let reads = self.reads.iter().filter(|(place, _)| core.contains(place));
        let listed: Vec<u32> = reads
            .filter_map(|(_, read)| self.listed(read))
            .flatten()
            .map(|element| self.numbers.of(*element))
            .collect();
        let changes = self.actions.iter().filter(|(element, action)| {
            !matches!(action.step, Step::Is(_)) && listed.contains(element)
        });
        core.iter().copied().chain(changes.map(|(_, action)| action.place)).collect()
    }
}

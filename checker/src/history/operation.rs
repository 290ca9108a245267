//! Operations and the history that they make up.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::names::Names;
use super::times::Times;
use super::{Event, ValueId, Values};
use crate::verdict::OutcomeCounts;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Ok,
    /// It certainly did not.
    Fail,
    /// Nobody knows.
    Info,
    /// The history ends before it does; as good as [`Outcome::Info`].
    Open,
}

impl Outcome {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
            Self::Open => "open",
        }
    }
}

/// The completion of an operation that has none: it precedes nothing.
pub const NEVER: u32 = u32::MAX;

/// An operation of a client, in 24 bytes: what a million of them take decides how long a run can be judged. Names and times are the history's
/// ([`View`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The event that began it, as a position in the history.
    pub invoked: u32,
    /// The event that ended it with a known outcome; [`NEVER`] for *info* and open ones, which may take effect at any later time.
    pub completed: u32,
    /// Who did it.
    pub process: u32,
    /// The object; [`ValueId::NIL`] in a history without keys.
    pub key: ValueId,
    /// The value of the completion; that of the invocation where the completion has none.
    pub value: ValueId,
    /// What was done, as [`History::function`] numbers it.
    pub function: u8,
    /// How it ended.
    pub outcome: Outcome,
    pub(super) node: u8,
    pub(super) error: u8,
}

/// A history: operations of clients, and what was done to the system.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) operations: Vec<Operation>,
    pub(super) nemesis: Vec<Event>,
    /// Operations that ended *info*, by their places, each with the event that said so. In the order of these events.
    pub(super) infos: Vec<(u32, u32)>,
    pub(super) values: Values,
    pub(super) functions: Names,
    pub(super) nodes: Names,
    pub(super) errors: Names,
    pub(super) times: Times,
    pub(super) lines: Lines,
}

/// Why events do not make a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// What does not fit.
    pub reason: String,
}

impl History {
    /// Operations in the order of their invocations.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// How many events there are in all.
    pub fn events(&self) -> usize {
        self.times.len()
    }

    /// The event that ended each operation, whatever its outcome; [`NEVER`] for those that were still open at the end.
    pub fn ends(&self) -> Vec<u32> {
        let mut ends: Vec<_> =
            self.operations.iter().map(|operation| operation.completed).collect();
        for (place, event) in &self.infos {
            ends[*place as usize] = *event;
        }
        ends
    }

    /// What was done to the system, in order.
    pub fn nemesis(&self) -> &[Event] {
        &self.nemesis
    }

    /// The values.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// An operation with its names and times, by its place among the operations.
    pub fn view(&self, place: usize) -> View<'_> {
        View { history: self, operation: &self.operations[place] }
    }

    /// All operations with their names and times.
    pub fn views(&self) -> impl DoubleEndedIterator<Item = View<'_>> + Clone {
        self.operations.iter().map(|operation| View { history: self, operation })
    }

    /// The number of a function, as in [`Operation::function`]; nothing if no operation has it.
    pub fn function(&self, name: &str) -> Option<u8> {
        self.functions.known(name.as_bytes())
    }

    /// The names of all functions.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.all()
    }

    /// Something for each function, by its number: `table[operation.function as usize]`.
    pub fn by_function<T>(&self, unknown: T, of: impl Fn(&str) -> T) -> Vec<T> {
        std::iter::once(unknown).chain(self.functions.all().map(of)).collect()
    }

    /// How many operations of each kind ended how.
    pub fn counts(&self) -> BTreeMap<String, OutcomeCounts> {
        let mut counts = self.by_function(OutcomeCounts::default(), |_| OutcomeCounts::default());
        for operation in &self.operations {
            let count = &mut counts[operation.function as usize];
            match operation.outcome {
                Outcome::Ok => count.ok += 1,
                Outcome::Fail => count.fail += 1,
                Outcome::Info | Outcome::Open => count.info += 1,
            }
        }
        self.functions.all().map(str::to_string).zip(counts.into_iter().skip(1)).collect()
    }

    /// The beginning of a phase, in nanoseconds, with its event.
    pub fn phase(&self, name: &str) -> Option<&Event> {
        self.nemesis.iter().find(|event| event.f == "phase" && event.value["phase"] == name)
    }

    /// The time of an event, in nanoseconds.
    pub fn time(&self, event: usize) -> u64 {
        self.times.get(event)
    }

    /// The line of an event in the file that it was read from, from 1.
    pub fn line(&self, event: usize) -> usize {
        self.lines.get(event)
    }
}

/// An operation with its names and times.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    history: &'a History,
    operation: &'a Operation,
}

impl<'a> View<'a> {
    /// The bare operation.
    pub fn operation(&self) -> &'a Operation {
        self.operation
    }

    /// Who did it.
    pub fn process(&self) -> u64 {
        self.operation.process.into()
    }

    /// The node that was asked.
    pub fn node(&self) -> Option<&'a str> {
        self.history.nodes.name(self.operation.node)
    }

    /// `read`, `write`, `cas`, …
    pub fn f(&self) -> &'a str {
        self.history.functions.name(self.operation.function).unwrap_or_default()
    }

    /// The object.
    pub fn key(&self) -> Option<Cow<'a, str>> {
        let values = &self.history.values;
        match self.operation.key {
            ValueId::NIL => None,
            key => Some(values.as_text(key).map_or_else(|| values.words(key).into(), Into::into)),
        }
    }

    /// The value, by number.
    pub fn id(&self) -> ValueId {
        self.operation.value
    }

    /// The value: the result of a read, what was written, both of a cas.
    pub fn value(&self) -> Value {
        self.history.values.json(self.operation.value)
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.operation.outcome
    }

    /// Why it did not end *ok*.
    pub fn error(&self) -> Option<&'a str> {
        self.history.errors.name(self.operation.error)
    }

    /// The event that began it.
    pub fn invoked(&self) -> usize {
        self.operation.invoked as usize
    }

    /// The event that ended it with a known outcome.
    pub fn completed(&self) -> Option<usize> {
        (self.operation.completed != NEVER).then_some(self.operation.completed as usize)
    }

    /// When it was invoked, in nanoseconds.
    pub fn invoked_time(&self) -> u64 {
        self.history.time(self.invoked())
    }

    /// When it completed, in nanoseconds; nothing for *info* and open ones.
    pub fn completed_time(&self) -> Option<u64> {
        self.completed().map(|event| self.history.time(event))
    }

    /// The line of its invocation.
    pub fn line(&self) -> usize {
        self.history.line(self.invoked())
    }
}

impl PartialEq for View<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.operation, other.operation)
    }
}

/// From events to lines: they differ only where blank or foreign lines stand between.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// From this event on, the line is the event's number and this much more, modulo 2^32: a line may hold many events.
    shifts: Vec<(u32, u32)>,
}

impl Lines {
    /// Says that an event stands in this line. Events are told in order.
    pub(super) fn set(&mut self, event: usize, line: usize) {
        let shift = (line as u32).wrapping_sub(event as u32);
        if self.shifts.last().map_or(1, |(_, last)| *last) != shift {
            self.shifts.push((event as u32, shift));
        }
    }

    pub(super) fn get(&self, event: usize) -> usize {
        let after = self.shifts.partition_point(|(first, _)| *first as usize <= event);
        let shift = after.checked_sub(1).map_or(1, |last| self.shifts[last].1);
        (event as u32).wrapping_add(shift) as usize
    }
}

impl History {
    /// The number of a reason, as [`History::is_error`] takes it.
    pub(crate) fn error(&self, reason: &str) -> Option<u8> {
        self.errors.known(reason.as_bytes())
    }

    /// Whether an operation gave this reason.
    pub(crate) fn is_error(&self, operation: &Operation, reason: Option<u8>) -> bool {
        reason == Some(operation.error)
    }
}

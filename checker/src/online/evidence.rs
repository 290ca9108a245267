//! From the operations that show a violation to words: those of the judge of whole histories, said of the few operations that are known.

use serde_json::Value;

use super::names::{Name, Names};
use crate::history::{Event, EventType, History, NEVER, Outcome, Process};
use crate::linearizability;
use crate::verdict::{OperationReport, Violation};

/// An operation on a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) process: u64,
    /// The node that was asked, by number.
    pub(super) node: Option<u32>,
    pub(super) step: Step,
    pub(super) outcome: Outcome,
    /// The event of its invocation; events count from 1.
    pub(super) invoked: u64,
    /// The time of its invocation, in nanoseconds.
    pub(super) invoked_time: u64,
    /// The event that ended it; 0 while it is open.
    pub(super) completed: u64,
    /// Its time, in nanoseconds.
    pub(super) completed_time: u64,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It finds this; nothing is known before it ends.
    Read(Name),
    /// The value becomes this.
    Write(Name),
    /// The value was the first and becomes the second.
    Cas(Name, Name),
}

impl Operation {
    /// `read`, `write`, `cas`.
    pub(super) fn f(&self) -> &'static str {
        match self.step {
            Step::Read(_) => "read",
            Step::Write(_) => "write",
            Step::Cas(..) => "cas",
        }
    }

    /// The value that it writes, if it changes anything.
    pub(super) fn written(&self) -> Option<Name> {
        match self.step {
            Step::Write(name) => Some(name),
            Step::Cas(old, new) => (old != new).then_some(new),
            Step::Read(_) => None,
        }
    }

    /// The value that it found and left as it was.
    pub(super) fn looked(&self) -> Option<Name> {
        match self.step {
            Step::Read(name) => Some(name),
            Step::Cas(old, new) => (old == new).then_some(old),
            Step::Write(_) => None,
        }
    }

    /// The values that it speaks of.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> + use<> {
        let (first, second) = match self.step {
            Step::Read(name) | Step::Write(name) => (name, None),
            Step::Cas(old, new) => (old, Some(new)),
        };
        std::iter::once(first).chain(second)
    }
}

/// Why no order explains the events so far.
#[derive(Debug)]
pub(super) struct Impossible {
    /// The operation that found what cannot have been there.
    culprit: Operation,
    /// What shows it, as far as it is known.
    operations: Vec<Operation>,
    /// Whether everything is known that bears on the culprit's value.
    is_known: bool,
}

impl Impossible {
    pub(super) fn new(culprit: Operation, operations: Vec<Operation>, is_known: bool) -> Box<Self> {
        Box::new(Self { culprit, operations, is_known })
    }

    /// A write failed whose value somebody had seen.
    pub(super) fn aborted(write: Operation, seen_by: Option<Operation>) -> Box<Self> {
        Self::new(seen_by.unwrap_or(write), vec![write], seen_by.is_some())
    }

    /// It in words.
    pub(super) fn explain(self, key: &Value, names: &Names, nodes: &[String]) -> Violation {
        let case = Case { key, names, nodes };
        let explained = self.is_known.then(|| self.at_length(&case)).flatten();
        explained.unwrap_or_else(|| self.in_short(&case))
    }

    fn at_length(&self, case: &Case<'_>) -> Option<Violation> {
        let mut operations = self.operations.clone();
        operations.push(self.culprit);
        operations.sort_by_key(|operation| (operation.invoked, operation.completed == 0));
        operations.dedup_by_key(|operation| operation.invoked);
        let is_culprit = |operation: &Operation| operation.invoked == self.culprit.invoked;
        let culprit = operations.iter().position(is_culprit)?;
        let history = case.history(&operations)?;
        linearizability::explain_register(&history, culprit)
    }

    /// Where what bears on the value is no longer known.
    fn in_short(&self, case: &Case<'_>) -> Violation {
        let Operation { outcome, completed_time, process, node, .. } = self.culprit;
        let words = case.words(&self.culprit);
        let node = node.map_or(String::new(), |node| format!(" on {}", case.nodes[node as usize]));
        let seconds = completed_time as f64 / 1e9;
        let (claim, reason) = match outcome {
            Outcome::Fail => (
                format!("process {process}{node} was told that {words} failed"),
                "Somebody had seen its value, and it had been replaced since.",
            ),
            _ => (
                format!("process {process}{node} got ok for {words}"),
                "The value was replaced so long ago that who wrote it is no longer remembered, or nobody ever wrote it; the judge of the \
                 whole history knows.",
            ),
        };
        let mut shown = self.operations.clone();
        shown.push(self.culprit);
        shown.sort_by_key(|operation| operation.invoked);
        shown.dedup_by_key(|operation| operation.invoked);
        Violation {
            summary: format!("{}: impossible result at {seconds:.3} s: {claim}", case.object()),
            time: Some(completed_time),
            key: case.key_text(),
            explanation: vec![format!("{claim}, at {seconds:.3} s."), reason.into()],
            operations: shown.iter().map(|operation| case.report(operation)).collect(),
        }
    }
}

struct Case<'a> {
    key: &'a Value,
    names: &'a Names,
    nodes: &'a [String],
}

impl Case<'_> {
    /// A history of nothing but these operations, which stand in the order of their invocations.
    fn history(&self, operations: &[Operation]) -> Option<History> {
        let mut events: Vec<Event> = Vec::new();
        for operation in operations {
            events.push(self.event(operation, operation.invoked, EventType::Invoke));
            let event_type = match operation.outcome {
                Outcome::Ok => EventType::Ok,
                Outcome::Fail => EventType::Fail,
                Outcome::Info => EventType::Info,
                Outcome::Open => continue,
            };
            events.push(self.event(operation, operation.completed, event_type));
        }
        events.sort_by_key(|event| event.index);
        History::pair(events).ok()
    }

    fn event(&self, operation: &Operation, index: u64, event_type: EventType) -> Event {
        let begins = event_type == EventType::Invoke;
        Event {
            index,
            time: if begins { operation.invoked_time } else { operation.completed_time },
            process: Process::Client(operation.process % u64::from(NEVER)),
            event_type,
            f: operation.f().into(),
            key: (!self.key.is_null()).then(|| self.key.clone()),
            value: self.value(operation),
            node: operation.node.map(|node| self.nodes[node as usize].clone()),
            error: None,
            fault: None,
            stage: None,
        }
    }

    fn value(&self, operation: &Operation) -> Value {
        match operation.step {
            Step::Read(name) | Step::Write(name) => self.names.value(name),
            Step::Cas(old, new) => vec![self.names.value(old), self.names.value(new)].into(),
        }
    }

    fn key_text(&self) -> Option<String> {
        match self.key {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn object(&self) -> String {
        self.key_text().map_or_else(|| "the register".into(), |key| format!("key {key}"))
    }

    fn words(&self, operation: &Operation) -> String {
        match operation.step {
            Step::Read(name) => format!("read -> {}", self.names.value(name)),
            Step::Write(name) => format!("write {}", self.names.value(name)),
            Step::Cas(old, new) => {
                format!("cas {} -> {}", self.names.value(old), self.names.value(new))
            }
        }
    }

    fn report(&self, operation: &Operation) -> OperationReport {
        OperationReport {
            process: operation.process,
            node: operation.node.map(|node| self.nodes[node as usize].clone()),
            operation: self.words(operation),
            outcome: operation.outcome.name().into(),
            invoked: operation.invoked_time,
            completed: (operation.completed != 0).then_some(operation.completed_time),
        }
    }
}

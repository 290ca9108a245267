//! Small histories for the oracles: operations with all their fields written out.

use serde_json::Value;

use crate::history::{Event, EventType, History, Outcome, Process};

/// An operation as an oracle sees it.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) f: &'static str,
    pub(super) argument: Value,
    pub(super) result: Value,
    pub(super) outcome: Outcome,
    pub(super) error: Option<&'static str>,
    /// The position of its invocation among all events.
    pub(super) invoked: usize,
    /// The position of its completion; none for *info*.
    pub(super) completed: Option<usize>,
}

/// Operations with the times at which they begin and end, by their beginnings and with positions instead of times.
pub(super) fn placed<T: Ord + Copy>(timed: Vec<(Operation, T, T)>) -> Vec<Operation> {
    let mut times: Vec<(T, usize, bool)> = Vec::new();
    for (place, (operation, begin, end)) in timed.iter().enumerate() {
        times.push((*begin, place, false));
        if operation.outcome != Outcome::Info {
            times.push((*end, place, true));
        }
    }
    times.sort_unstable();
    let mut operations: Vec<_> = timed.into_iter().map(|(operation, ..)| operation).collect();
    for (position, (_, place, ends)) in times.into_iter().enumerate() {
        match ends {
            true => operations[place].completed = Some(position),
            false => operations[place].invoked = position,
        }
    }
    operations.sort_by_key(|operation| operation.invoked);
    operations
}

/// The operations as a history, each by a process of its own. An *info* operation has no completion at all.
pub(super) fn history(operations: &[Operation]) -> History {
    let mut events = Vec::new();
    for (process, operation) in operations.iter().enumerate() {
        let event = |event_type, value: &Value| Event {
            index: 0,
            time: 0,
            process: Process::Client(process as u64),
            event_type,
            f: operation.f.into(),
            key: None,
            value: value.clone(),
            node: None,
            error: operation.error.map(str::to_string),
            fault: None,
            stage: None,
        };
        events.push((operation.invoked, event(EventType::Invoke, &operation.argument)));
        if let Some(completed) = operation.completed {
            let (end, value) = match operation.outcome {
                Outcome::Ok => (EventType::Ok, &operation.result),
                _ => (EventType::Fail, &operation.argument),
            };
            events.push((completed, event(end, value)));
        }
    }
    events.sort_by_key(|(position, _)| *position);
    let numbered = events.into_iter().enumerate();
    let events = numbered.map(|(index, (_, event))| Event { index: index as u64, ..event });
    History::pair(events.collect()).unwrap()
}

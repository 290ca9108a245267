//! Operations with their intervals: a valid history of a simulated object.

use checker::history::{Event, EventType, History, Process};
use serde_json::Value;

use super::objects::{Simulated, State};
use super::random::Random;

/// Operations in a history.
const OPERATIONS: usize = 40;
/// Operations open at a time, at most.
const CLIENTS: usize = 4;

/// An operation with its interval. Every operation has a process of its own, so that intervals are free.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) f: &'static str,
    pub(super) key: Option<Value>,
    pub(super) argument: Value,
    pub(super) result: Value,
    pub(super) outcome: EventType,
    pub(super) invoked: u64,
    pub(super) completed: u64,
}

pub(super) fn history(operations: &[Operation]) -> History {
    History::pair(events(operations)).unwrap()
}

pub(super) fn events(operations: &[Operation]) -> Vec<Event> {
    let mut events = Vec::new();
    for (process, operation) in operations.iter().enumerate() {
        let event = |time, event_type, value: &Value| Event {
            index: 0,
            time,
            process: Process::Client(process as u64),
            event_type,
            f: operation.f.into(),
            key: operation.key.clone(),
            value: value.clone(),
            node: None,
            error: None,
            fault: None,
            stage: None,
        };
        events.push(event(operation.invoked, EventType::Invoke, &operation.argument));
        let is_ok = operation.outcome == EventType::Ok;
        let value = if is_ok { &operation.result } else { &operation.argument };
        events.push(event(operation.completed, operation.outcome, value));
    }
    events.sort_by_key(|event| event.time);
    for (index, event) in events.iter_mut().enumerate() {
        event.index = index as u64;
    }
    events
}

/// A valid history: at every moment something begins, takes effect or ends. Times are far apart, so that there is room between events.
pub(super) fn valid(simulated: &Simulated, random: &mut Random) -> Vec<Operation> {
    let (mut state, mut next, mut time) = (State::default(), 0, 0);
    let mut operations: Vec<Operation> = Vec::new();
    // Open operations, and whether they have taken effect.
    let mut open: Vec<(usize, bool)> = Vec::new();
    while operations.len() < OPERATIONS || !open.is_empty() {
        time += 1000;
        if open.len() < CLIENTS && operations.len() < OPERATIONS && random.one_in(2) {
            let (f, argument) = (simulated.invoke)(random, &mut next);
            open.push((operations.len(), false));
            let (result, outcome) = (Value::Null, EventType::Info);
            let completed = u64::MAX;
            operations.push(Operation {
                f,
                key: None,
                argument,
                result,
                outcome,
                invoked: time,
                completed,
            });
            continue;
        }
        if open.is_empty() {
            continue;
        }
        let place = random.below(open.len());
        let (number, took_effect) = open[place];
        let operation = &mut operations[number];
        if took_effect || random.one_in(24) {
            // One that ends before it took effect never does: its outcome is unknown, or it failed.
            operation.completed = time;
            if !took_effect && random.one_in(2) {
                operation.outcome = EventType::Fail;
            }
            open.swap_remove(place);
        } else {
            open[place].1 = true;
            match (simulated.apply)(&mut state, operation.f, &operation.argument) {
                Some(result) => (operation.result, operation.outcome) = (result, EventType::Ok),
                None => operation.outcome = EventType::Fail,
            }
        }
    }
    operations
}

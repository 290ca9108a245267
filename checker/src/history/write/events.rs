//! From operations back to events.

use serde_json::Value;

use super::super::{Event, EventType, History, NEVER, Outcome, Process, View};

/// Operations whose argument is nothing: what an *ok* one carries is its result.
const OBSERVERS: [&str; 8] =
    ["read", "get", "dequeue", "pop", "peek", "drain", "generate", "acquire"];

/// All events in order, each with its position in the history, which is its index too.
pub(super) fn events(history: &History) -> impl Iterator<Item = (usize, Event)> {
    let places = places(history);
    let mut nemesis = history.nemesis().iter();
    (0..history.events()).filter_map(move |position| {
        let event = match places[position] {
            NEVER => Event { index: position as u64, ..nemesis.next()?.clone() },
            place => of_client(history, history.view(place as usize), position),
        };
        Some((position, event))
    })
}

/// The operation that each event belongs to, by its place; [`NEVER`] for events of the nemesis.
fn places(history: &History) -> Vec<u32> {
    let mut places = vec![NEVER; history.events()];
    let operations = history.operations().iter().zip(history.ends()).enumerate();
    for (place, (operation, end)) in operations {
        places[operation.invoked as usize] = place as u32;
        if end != NEVER {
            places[end as usize] = place as u32;
        }
    }
    places
}

fn of_client(history: &History, operation: View<'_>, position: usize) -> Event {
    let begins = operation.invoked() == position;
    let event_type = match operation.outcome() {
        _ if begins => EventType::Invoke,
        Outcome::Ok => EventType::Ok,
        Outcome::Fail => EventType::Fail,
        Outcome::Info | Outcome::Open => EventType::Info,
    };
    let value = operation.value();
    let key = operation.operation().key;
    let key = history.values().json(key);
    Event {
        index: position as u64,
        time: history.time(position),
        process: Process::Client(operation.process()),
        event_type,
        f: operation.f().into(),
        key: (!key.is_null()).then_some(key),
        value: if begins { argument(&operation, value) } else { value },
        node: operation.node().map(str::to_string),
        error: operation.error().filter(|_| !begins).map(str::to_string),
        fault: None,
        stage: None,
    }
}

/// What an operation was asked to do: its value without what only the answer told.
fn argument(operation: &View<'_>, value: Value) -> Value {
    if operation.outcome() != Outcome::Ok {
        return value;
    }
    match value {
        _ if OBSERVERS.contains(&operation.f()) && !is_transaction(&value) => Value::Null,
        Value::Array(steps) if steps.iter().all(is_step) => {
            Value::Array(steps.into_iter().map(without_result).collect())
        }
        other => other,
    }
}

fn is_transaction(value: &Value) -> bool {
    let steps = value.as_array().filter(|steps| !steps.is_empty());
    steps.is_some_and(|steps| steps.iter().all(is_step))
}

/// Whether a value is a step of a transaction: `["r", key, value]` and the like.
pub(super) fn is_step(value: &Value) -> bool {
    let names = ["r", "w", "append", "read", "write"];
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(name), _, _]) => names.contains(&name.as_str()),
        _ => false,
    }
}

fn without_result(mut step: Value) -> Value {
    if step[0] == "r" || step[0] == "read" {
        step[2] = Value::Null;
    }
    step
}

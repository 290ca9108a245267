//! From events to operations: invocations are paired with their completions, and what makes a history well-formed is checked.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use serde_json::Value;

use super::names::NONE;
use super::operation::{History, Malformed, NEVER, Operation, Outcome};
use super::{Event, EventType, Process, ValueId};

/// An event of a client, its names and values as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientEvent {
    pub(super) time: u64,
    pub(super) process: u32,
    pub(super) key: ValueId,
    pub(super) value: ValueId,
    pub(super) event_type: EventType,
    pub(super) function: u8,
    pub(super) node: u8,
    pub(super) error: u8,
}

/// Builds a history event by event.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    pub(super) history: History,
    open: Open,
    events: usize,
    last_time: u64,
}

impl Pairing {
    /// Takes an event of a client. Its numbers are those of `self.history`.
    pub(super) fn take(&mut self, event: &ClientEvent, line: usize) -> Result<(), Malformed> {
        let position = self.position(event.time, line)?;
        let place = match event.event_type {
            EventType::Invoke => self.begin(event, position),
            _ => self.complete(event, position),
        };
        place.map_err(|reason| Malformed { line, reason })
    }

    /// Takes an event of the nemesis.
    pub(super) fn take_nemesis(&mut self, event: Event, line: usize) -> Result<(), Malformed> {
        self.position(event.time, line)?;
        self.history.nemesis.push(event);
        Ok(())
    }

    /// The number of the next event.
    fn position(&mut self, time: u64, line: usize) -> Result<u32, Malformed> {
        if time < self.last_time {
            let reason = format!("time runs backwards, from {} to {time}", self.last_time);
            return Err(Malformed { line, reason });
        }
        self.last_time = time;
        let position = u32::try_from(self.events).ok().filter(|position| *position != NEVER);
        let Some(position) = position else {
            return Err(Malformed { line, reason: "more than 2^32 - 1 events".into() });
        };
        self.history.lines.set(self.events, line);
        self.history.times.push(time);
        self.events += 1;
        Ok(position)
    }

    fn begin(&mut self, event: &ClientEvent, position: u32) -> Result<(), String> {
        let process = event.process;
        match self.open.get(process) {
            Slot::Idle => {}
            Slot::Busy(_) => {
                return Err(format!("process {process} begins an operation while another is open"));
            }
            Slot::Retired => {
                return Err(format!(
                    "process {process} is used again after an operation that ended info"
                ));
            }
        }
        self.open.set(process, Slot::Busy(self.history.operations.len() as u32));
        self.history.operations.push(Operation {
            invoked: position,
            completed: NEVER,
            process,
            key: event.key,
            value: event.value,
            function: event.function,
            outcome: Outcome::Open,
            node: event.node,
            error: NONE,
        });
        Ok(())
    }

    fn complete(&mut self, event: &ClientEvent, position: u32) -> Result<(), String> {
        let process = event.process;
        let Slot::Busy(place) = self.open.get(process) else {
            return Err(format!("process {process} completes an operation that it never began"));
        };
        let operation = &mut self.history.operations[place as usize];
        if (operation.function, operation.key) != (event.function, event.key) {
            return Err(format!("process {process} completes another operation than it began"));
        }
        operation.error = event.error;
        if event.value != ValueId::NIL && event.event_type == EventType::Ok {
            operation.value = event.value;
        }
        operation.outcome = match event.event_type {
            EventType::Ok => Outcome::Ok,
            EventType::Fail => Outcome::Fail,
            EventType::Info | EventType::Invoke => Outcome::Info,
        };
        if operation.outcome == Outcome::Info {
            self.history.infos.push((place, position));
            self.open.set(process, Slot::Retired);
        } else {
            operation.completed = position;
            self.open.set(process, Slot::Idle);
        }
        Ok(())
    }
}

/// What a process is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Idle,
    /// At this operation.
    Busy(u32),
    /// It ended *info* and may not be used again.
    Retired,
}

/// What every process is at. Numbers of processes are usually small.
#[derive(Debug, Default)]
struct Open {
    small: Vec<Slot>,
    large: HashMap<u32, Slot, FxBuildHasher>,
}

/// Processes below this have a place of their own.
const SMALL: u32 = 1 << 22;

impl Open {
    fn get(&self, process: u32) -> Slot {
        let slot = match process < SMALL {
            true => self.small.get(process as usize),
            false => self.large.get(&process),
        };
        slot.copied().unwrap_or(Slot::Idle)
    }

    fn set(&mut self, process: u32, slot: Slot) {
        if process >= SMALL {
            self.large.insert(process, slot);
            return;
        }
        if self.small.len() <= process as usize {
            self.small.resize((process as usize + 1).next_power_of_two(), Slot::Idle);
        }
        self.small[process as usize] = slot;
    }
}

impl History {
    /// Pairs invocations with completions, and checks that the history is well-formed.
    pub fn pair(events: Vec<Event>) -> Result<Self, Malformed> {
        let mut growing = Growing::default();
        events.into_iter().try_for_each(|event| growing.push(event))?;
        Ok(growing.pairing.history)
    }
}

/// A history that grows by events; each stands on a line of its own.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    pairing: Pairing,
    lines: usize,
    last_index: Option<u64>,
}

impl Growing {
    /// Takes the next event, if it can follow those before.
    pub(crate) fn push(&mut self, event: Event) -> Result<(), Malformed> {
        self.lines += 1;
        self.pairing.take_event(event, self.lines, &mut self.last_index)
    }

    /// The history so far: what is open has no completion.
    pub(crate) fn history(&self) -> &History {
        &self.pairing.history
    }
}

impl Pairing {
    /// Takes any event, with its names still texts.
    pub(super) fn take_event(
        &mut self,
        event: Event,
        line: usize,
        last_index: &mut Option<u64>,
    ) -> Result<(), Malformed> {
        if let Some(last) = last_index.replace(event.index).filter(|last| event.index <= *last) {
            let reason = format!("index {} follows index {last}", event.index);
            return Err(Malformed { line, reason });
        }
        match event.process {
            Process::Nemesis => self.take_nemesis(event, line),
            Process::Client(_) => {
                let history = &mut self.history;
                let numbered = history.numbered(&event);
                let event = numbered.map_err(|reason| Malformed { line, reason })?;
                self.take(&event, line)
            }
        }
    }
}

impl History {
    /// The numbers of an event's names and values.
    fn numbered(&mut self, event: &Event) -> Result<ClientEvent, String> {
        numbered(
            event,
            &mut Tables {
                values: &mut self.values,
                functions: &mut self.functions,
                nodes: &mut self.nodes,
                errors: &mut self.errors,
            },
        )
    }
}

/// Where names and values get their numbers.
pub(super) struct Tables<'a> {
    pub(super) values: &'a mut super::Values,
    pub(super) functions: &'a mut super::names::Names,
    pub(super) nodes: &'a mut super::names::Names,
    pub(super) errors: &'a mut super::names::Names,
}

/// Processes are numbered with 32 bits.
pub(super) fn process_number(process: u64) -> Result<u32, String> {
    u32::try_from(process).map_err(|_| format!("process {process} is above 2^32 - 1"))
}

/// The numbers of a client event's names and values.
pub(super) fn numbered(event: &Event, tables: &mut Tables<'_>) -> Result<ClientEvent, String> {
    let Process::Client(process) = event.process else {
        return Err("an event of the nemesis is not one of a client".into());
    };
    let node = event.node.as_deref().map(|node| tables.nodes.id(node));
    let error = event.error.as_deref().map(|error| tables.errors.id_or_rest(error));
    Ok(ClientEvent {
        time: event.time,
        process: process_number(process)?,
        key: key(event, tables)?,
        value: tables.values.of(&event.value),
        event_type: event.event_type,
        function: tables.functions.id(&event.f).ok_or("more than 255 different operations")?,
        node: node.map_or(Some(NONE), |node| node).ok_or("more than 255 different nodes")?,
        error: error.unwrap_or(NONE),
    })
}

fn key(event: &Event, tables: &mut Tables<'_>) -> Result<ValueId, String> {
    match &event.key {
        None => Ok(ValueId::NIL),
        Some(key @ (Value::Null | Value::String(_) | Value::Number(_))) => {
            Ok(tables.values.of(key))
        }
        Some(other) => Err(format!("a key is a text or a number, not {other}")),
    }
}

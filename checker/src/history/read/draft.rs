//! Events of foreign forms, before they become a history.
//!
//! Jepsen's histories leave out what ours must have. What is missing is filled in only where Jepsen's own tools agree on what it means:
//!
//! * no index or time: the order of the lines is the order of the events. Where times are given they are for show: Jepsen stamps an event
//!   before it puts it in order, so a time that lies before that of the event above it is raised to it;
//! * no process in the whole file: all is done by one process;
//! * no `:f`: a transaction (Elle looks at the value only);
//! * `[key value]` tuples of independent keys: see [`Tuples`].

use std::path::Path;

use serde_json::Value;

use super::super::pairing::Pairing;
use super::super::{Event, EventType, History, Process, Stage};
use super::edn::words;
use super::{Error, Malformed};

/// What a value that is a list of two means in a history of Jepsen's, which writes `[key value]` where a test has independent keys, like any
/// other list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tuples {
    /// Those that are tagged `#jepsen.independent/tuple` are keys with values. Where none is tagged all are, if the history cannot be read
    /// otherwise: there is a `read` that begins with `[key nil]`, and every value of a client is a list of two with a text or a number in front.
    #[default]
    Detect,
    /// They are keys with values.
    Keys,
    /// They are values.
    Values,
}

/// Where an event begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: usize,
    /// Bytes, from 1.
    pub(super) column: usize,
}

/// An event that may lack what ours have.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) place: Place,
    /// The value was tagged as a key with a value.
    pub(super) is_tuple: bool,
    index: Option<u64>,
    time: Option<u64>,
    process: Option<Process>,
    event_type: Option<EventType>,
    f: Option<String>,
    key: Option<Value>,
    value: Value,
    node: Option<String>,
    error: Option<String>,
    fault: Option<String>,
    stage: Option<Stage>,
}

impl Draft {
    pub(super) fn new(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    /// Takes a field. Those that say nothing to a checker are passed over.
    pub(super) fn set(&mut self, name: &str, value: Value) -> Result<(), String> {
        match name {
            "index" => self.index = whole(name, &value)?,
            "time" => self.time = whole(name, &value)?,
            "process" => self.process = process(&value)?,
            "type" => self.event_type = Some(event_type(&value)?),
            "f" => self.f = text(value),
            "key" => self.key = Some(value).filter(|key| !key.is_null()),
            "value" => self.value = value,
            "node" => self.node = text(value),
            "error" => self.error = text(value),
            "fault" => self.fault = text(value),
            "stage" => self.stage = serde_json::from_value(value).ok(),
            _ => {}
        }
        Ok(())
    }

    fn is_client(&self) -> bool {
        self.process != Some(Process::Nemesis)
    }

    /// The key and the value of a tuple.
    fn tuple(&self) -> Option<(&Value, &Value)> {
        match self.value.as_array()?.as_slice() {
            [key @ (Value::String(_) | Value::Number(_)), value] => Some((key, value)),
            _ => None,
        }
    }

    /// Splits the tuple; nothing changes if it is none.
    fn split(&mut self) {
        let parts = self.tuple().map(|(key, value)| (key.clone(), value.clone()));
        if let Some((key, value)) = parts {
            (self.key, self.value) = (Some(key), value);
        }
    }

    /// Where the reason stands in the place of the value, as old versions of Jepsen have it.
    fn reason(&mut self) {
        let ended = matches!(self.event_type, Some(EventType::Fail | EventType::Info));
        if ended && self.error.is_none() && self.is_client() && self.value == "timed-out" {
            self.error = Some("timed-out".into());
            self.value = Value::Null;
        }
    }

    fn event(mut self, next_index: u64, not_before: u64) -> Result<Event, String> {
        self.reason();
        let f = match self.f {
            Some(f) => f,
            None if self.process == Some(Process::Nemesis) => "nil".into(),
            None if self.value.is_array() => "txn".into(),
            None => return Err("missing field `f`".into()),
        };
        // Fields of our own, which our writer gives to lines of the nemesis alone.
        let is_nemesis = self.process == Some(Process::Nemesis);
        Ok(Event {
            index: self.index.unwrap_or(next_index),
            time: self.time.unwrap_or(not_before).max(not_before),
            process: self.process.unwrap_or(Process::Client(0)),
            event_type: self.event_type.ok_or("missing field `type`")?,
            f,
            key: self.key,
            value: self.value,
            node: self.node,
            error: self.error,
            fault: self.fault.filter(|_| is_nemesis),
            stage: self.stage.filter(|_| is_nemesis),
        })
    }
}

fn whole(name: &str, value: &Value) -> Result<Option<u64>, String> {
    match (value, value.as_u64()) {
        (Value::Null, _) => Ok(None),
        (_, Some(number)) => Ok(Some(number)),
        (other, None) => Err(format!("`{name}` is a whole number, not {other}")),
    }
}

fn process(value: &Value) -> Result<Option<Process>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) if name == "nemesis" => Ok(Some(Process::Nemesis)),
        _ => match value.as_u64() {
            Some(number) => Ok(Some(Process::Client(number))),
            None => Err(format!("`process` is a number or the nemesis, not {value}")),
        },
    }
}

fn event_type(value: &Value) -> Result<EventType, String> {
    match value.as_str() {
        Some("invoke") => Ok(EventType::Invoke),
        Some("ok") => Ok(EventType::Ok),
        Some("fail") => Ok(EventType::Fail),
        Some("info") => Ok(EventType::Info),
        _ => Err(format!("`type` is invoke, ok, fail or info, not {value}")),
    }
}

fn text(value: Value) -> Option<String> {
    (!value.is_null()).then(|| words(value))
}

/// Makes a history of events in their order.
pub(super) fn history(
    mut drafts: Vec<Draft>,
    tuples: Tuples,
    path: &Path,
) -> Result<History, Error> {
    one_process_or_all(&drafts, path)?;
    split_tuples(&mut drafts, tuples);
    let mut pairing = Pairing::default();
    let (mut last_index, mut time) = (None, 0);
    for draft in drafts {
        let place = draft.place;
        let event = draft.event(last_index.map_or(0, |last: u64| last.saturating_add(1)), time);
        let event = event.map_err(|reason| no_event(path, place, &reason))?;
        time = event.time;
        let taken = pairing.take_event(event, place.line, &mut last_index);
        taken.map_err(|Malformed { line, reason }| {
            let reason = format!("{reason} (column {})", place.column);
            Error::Malformed { path: path.to_path_buf(), malformed: Malformed { line, reason } }
        })?;
    }
    Ok(pairing.history)
}

/// An event that is none, with its place.
pub(super) fn no_event(path: &Path, place: Place, reason: &str) -> Error {
    let reason = format!("{reason} (column {})", place.column);
    Error::Line { path: path.to_path_buf(), line: place.line, reason }
}

/// Either every event has a process or none has.
fn one_process_or_all(drafts: &[Draft], path: &Path) -> Result<(), Error> {
    let without = drafts.iter().find(|draft| draft.process.is_none());
    let with = drafts.iter().any(|draft| matches!(draft.process, Some(Process::Client(_))));
    match without {
        Some(draft) if with => Err(no_event(path, draft.place, "missing field `process`")),
        _ => Ok(()),
    }
}

fn split_tuples(drafts: &mut [Draft], tuples: Tuples) {
    if tuples == Tuples::Values {
        return;
    }
    let some_are_tagged = drafts.iter().any(|draft| draft.is_tuple);
    let all = tuples == Tuples::Keys || (!some_are_tagged && are_tuples(drafts));
    for draft in drafts.iter_mut().filter(|draft| draft.is_client()) {
        if draft.is_tuple || all {
            draft.split();
        }
    }
}

/// Whether the values can only be keys with values: a read that begins has no value yet, so `[key nil]` is a tuple.
fn are_tuples(drafts: &[Draft]) -> bool {
    let mut clients = drafts.iter().filter(|draft| draft.is_client());
    let read = |draft: &Draft| {
        draft.f.as_deref() == Some("read")
            && draft.event_type == Some(EventType::Invoke)
            && draft.tuple().is_some_and(|(_, value)| value.is_null())
    };
    clients.clone().any(read) && clients.all(|draft| draft.key.is_none() && draft.tuple().is_some())
}

//! Events in Clojure's notation, as Jepsen stores them.

use std::io::{self, Write};

use serde_json::Value;

use super::super::{Event, EventType, History, Process, Stage};
use super::events::is_step;

/// Why an event was not written.
pub(super) enum Unwritten {
    Io(io::Error),
    Unfit(String),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// How keys are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `[key value]`, as Jepsen does. Our reader finds out what that means.
    Plain,
    /// `#jepsen.independent/tuple [key value]`: else nobody could tell a key from a part of the value.
    Tagged,
}

impl Form {
    /// Plain keys are recognised by their reads.
    pub(super) fn of(history: &History) -> Self {
        let mut operations = history.views();
        let all_have_keys = operations.clone().all(|operation| operation.key().is_some());
        let has_read = operations.any(|operation| {
            operation.f() == "read"
                && (operation.outcome().name() == "ok" || operation.value().is_null())
        });
        if all_have_keys && has_read { Self::Plain } else { Self::Tagged }
    }
}

/// Writes an event as a map in a line.
pub(super) fn event(event: &Event, form: Form, out: &mut dyn Write) -> Result<(), Unwritten> {
    let value = value_text(&event.value);
    let value = match (&event.key, form) {
        (None, _) => value,
        (Some(key), Form::Plain) => format!("[{} {value}]", value_text(key)),
        (Some(key), Form::Tagged) => {
            format!("#jepsen.independent/tuple [{} {value}]", value_text(key))
        }
    };
    write!(
        out,
        "{{:index {}, :time {}, :type {}, :process {}, :f {}, :value {value}",
        event.index,
        event.time,
        event_type(event.event_type),
        process(event.process),
        name(&event.f),
    )?;
    if let Some(node) = &event.node {
        write!(out, ", :node {}", quoted(node))?;
    }
    if let Some(error) = &event.error {
        write!(out, ", :error {}", name(error))?;
    }
    if let Some(fault) = &event.fault {
        write!(out, ", :fault {}", quoted(fault))?;
    }
    if let Some(stage) = event.stage {
        write!(out, ", :stage {}", stage_name(stage))?;
    }
    out.write_all(b"}\n")?;
    Ok(())
}

pub(super) fn event_type(event_type: EventType) -> &'static str {
    match event_type {
        EventType::Invoke => ":invoke",
        EventType::Ok => ":ok",
        EventType::Fail => ":fail",
        EventType::Info => ":info",
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Plan => ":plan",
        Stage::Done => ":done",
        Stage::End => ":end",
    }
}

pub(super) fn process(process: Process) -> String {
    match process {
        Process::Client(number) => number.to_string(),
        Process::Nemesis => ":nemesis".into(),
    }
}

/// A keyword where the text can be one, else a text in quotes.
pub(super) fn name(text: &str) -> String {
    if is_keyword(text) { format!(":{text}") } else { quoted(text) }
}

fn is_keyword(text: &str) -> bool {
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'?' | b'!');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(known)
}

pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A value. Steps of transactions and keys of maps have the types that Jepsen's checkers look for: keywords, and integers for accounts.
pub(super) fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "nil".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(elements) if is_step(value) => {
            let step = elements[0].as_str().unwrap_or_default();
            format!("[{} {} {}]", name(step), value_text(&elements[1]), value_text(&elements[2]))
        }
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(value_text).collect();
            format!("[{}]", elements.join(" "))
        }
        Value::Object(entries) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{} {}", map_key(key), value_text(value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn map_key(key: &str) -> String {
    let number = key.parse::<i64>().ok().filter(|number| number.to_string() == key);
    number.map_or_else(|| name(key), |number| number.to_string())
}

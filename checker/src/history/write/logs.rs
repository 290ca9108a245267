//! Events in the two forms of log that other checkers read.

use std::io::Write;

use serde_json::Value;

use super::super::{Event, EventType, Process};
use super::edn::{Unwritten, event_type, name, process, quoted, value_text};

/// A line as Jepsen logs it: `INFO  jepsen.util - 3 :invoke :cas [0 1]`, with tabs.
pub(super) fn jepsen(event: &Event, out: &mut dyn Write) -> Result<(), Unwritten> {
    if let Some(key) = &event.key {
        return Err(Unwritten::Unfit(format!("an operation on the key {key}")));
    }
    let error = event.error.as_deref();
    // That is where Jepsen put this reason then.
    let in_place = (error == Some("timed-out")).then(|| ":timed-out".to_string());
    let in_place = in_place.filter(|_| event.process != Process::Nemesis);
    let rest = error.filter(|_| in_place.is_none());
    let rest = rest.map_or_else(String::new, |error| format!("\t{}", name(error)));
    writeln!(
        out,
        "INFO  jepsen.util - {}\t{}\t{}\t{}{rest}",
        process(event.process),
        event_type(event.event_type),
        name(&event.f),
        in_place.unwrap_or_else(|| value_text(&event.value)),
    )?;
    Ok(())
}

/// A line of Porcupine's log of a key-value store.
pub(super) fn porcupine(event: &Event, out: &mut dyn Write) -> Result<(), Unwritten> {
    let Process::Client(process) = event.process else { return Ok(()) };
    if !matches!(event.event_type, EventType::Invoke | EventType::Ok) {
        let ended = event_type(event.event_type);
        return Err(Unwritten::Unfit(format!("an operation that ended {ended}")));
    }
    let begins = event.event_type == EventType::Invoke;
    let key = match &event.key {
        Some(Value::String(key)) => quoted(key),
        _ => return Err(Unwritten::Unfit("an operation without a key that is a text".into())),
    };
    let value = match (event.f.as_str(), &event.value) {
        ("get" | "put" | "append", Value::String(text)) => quoted(text),
        ("get", Value::Null) if begins => "nil".into(),
        ("get", Value::Null) => "\"\"".into(),
        (f, value) => return Err(Unwritten::Unfit(format!("the operation {f} {value}"))),
    };
    writeln!(
        out,
        "{{:process {process}, :type {}, :f :{}, :key {key}, :value {value}}}",
        event_type(event.event_type),
        event.f,
    )?;
    Ok(())
}

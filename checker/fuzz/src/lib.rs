//! What must hold for any bytes that are read as a history: nothing panics, what is read can be written and read again, and the fast reader of JSON
//! lines agrees with the strict one.

use std::path::Path;

use checker::history::{Event, Format, History, Tuples};

/// Bytes whose form is told from their content.
pub fn any_form(bytes: &[u8]) {
    for tuples in [Tuples::Detect, Tuples::Keys, Tuples::Values] {
        if let Ok(history) = History::from_bytes(bytes, tuples, Path::new("fuzz")) {
            reads_as_it_was_written(&history, Format::Json);
            reads_as_it_was_written(&history, Format::Edn);
        }
    }
}

/// Bytes within the list of a JSON array.
pub fn json_array(bytes: &[u8]) {
    any_form(&[b"[{\"".as_slice(), bytes].concat());
}

/// Bytes within a map in Clojure's notation.
pub fn edn(bytes: &[u8]) {
    any_form(&[b"{:".as_slice(), bytes].concat());
}

/// Bytes behind the beginning of a line that Jepsen logged.
pub fn jepsen_log(bytes: &[u8]) {
    any_form(&[b"INFO  jepsen.util - ".as_slice(), bytes].concat());
}

/// Bytes within a packed file.
pub fn packed(bytes: &[u8]) {
    any_form(&[&[0x1f, 0x8b, 8], bytes].concat());
    any_form(&[&[0x28, 0xb5, 0x2f, 0xfd], bytes].concat());
}

/// Lines of JSON, read by the fast reader and one by one by serde.
pub fn json_lines(bytes: &[u8]) {
    let bytes = &[b"{\"".as_slice(), bytes].concat();
    let fast = History::from_bytes(bytes, Tuples::Detect, Path::new("fuzz"));
    match (fast, strict(bytes)) {
        (Ok(fast), Some(strict)) => assert_eq!(operations(&fast, true), operations(&strict, true)),
        (Ok(_), None) => panic!("only the fast reader takes it"),
        (Err(error), Some(_)) => panic!("only the strict reader takes it: {error}"),
        (Err(_), None) => {}
    }
}

/// The history of the lines, unless one of them is wrong. An unfinished last one is left out.
fn strict(bytes: &[u8]) -> Option<History> {
    let mut events: Vec<Event> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(event) => events.push(event),
            Err(_) if line.trim_ascii().is_empty() || !line.ends_with(b"\n") => {}
            Err(_) => return None,
        }
    }
    History::pair(events).ok()
}

fn reads_as_it_was_written(history: &History, format: Format) {
    let mut out = Vec::new();
    history.write(format, &mut out).expect("both forms hold every history");
    let has_keys = history.views().any(|operation| operation.key().is_some());
    let tuples = if has_keys { Tuples::Detect } else { Tuples::Values };
    let again = History::from_bytes(&out, tuples, Path::new("written"));
    let again = again.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&out)));
    // serde_json reads a float that it wrote with an error of one in the last place.
    assert_eq!(
        operations(&again, false),
        operations(history, false),
        "{}",
        String::from_utf8_lossy(&out)
    );
    assert_eq!(again.ends(), history.ends());
    assert_eq!(again.nemesis().len(), history.nemesis().len());
}

/// Operations in words.
fn operations(history: &History, with_floats: bool) -> Vec<String> {
    let words = |value: String| {
        if with_floats || !value.contains('.') && !value.contains('e') {
            value
        } else {
            String::new()
        }
    };
    let of = |operation: checker::history::View<'_>| {
        format!(
            "{} {} {:?} {} {:?} {:?} {:?} {} {:?}",
            operation.process(),
            operation.f(),
            operation.key().map(|key| words(key.to_string())),
            words(operation.value().to_string()),
            operation.outcome(),
            operation.node(),
            operation.error(),
            operation.invoked_time(),
            operation.completed_time(),
        )
    };
    history.views().map(of).collect()
}

//! Jepsen's histories: in Clojure's notation, as a JSON array, and as the text that it logs.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::History;
use super::draft::{self, Draft, Place, Tuples, no_event};
use super::edn::{Cursor, Wrong, duplicate};
use super::form::BYTE_ORDER_MARK;
use super::{Error, reason};

/// Reads events in Clojure's notation: one after another, or in one vector or list.
pub(super) fn read_edn(bytes: &[u8], tuples: Tuples, path: &Path) -> Result<History, Error> {
    let mut places = Places::new(bytes);
    let mut cursor = Cursor::new(bytes);
    cursor.at = mark(bytes);
    let drafts = edn_events(&mut cursor, &mut places);
    let drafts =
        drafts.map_err(|wrong| no_event(path, Places::new(bytes).of(wrong.at), &wrong.reason))?;
    draft::history(drafts, tuples, path)
}

fn edn_events(cursor: &mut Cursor<'_>, places: &mut Places<'_>) -> Result<Vec<Draft>, Wrong> {
    let mut drafts = Vec::new();
    cursor.skip_blanks()?;
    let close = match cursor.peek() {
        Some(b'[') => Some(b']'),
        Some(b'(') => Some(b')'),
        _ => None,
    };
    if close.is_some() {
        cursor.at += 1;
    }
    loop {
        cursor.skip_blanks()?;
        let at = cursor.at;
        if close.is_some() && cursor.peek() == close {
            cursor.at += 1;
            cursor.skip_blanks()?;
            return if cursor.peek().is_none() {
                Ok(drafts)
            } else {
                cursor.wrong("nothing may follow the list of events")
            };
        }
        if cursor.peek().is_none() {
            return if close.is_none() {
                Ok(drafts)
            } else {
                cursor.wrong("the text ends within the list of events")
            };
        }
        match edn_event(cursor, places.of(at)) {
            Ok(draft) => drafts.push(draft),
            Err(_) if close.is_none() && is_torn(&cursor.bytes[at..]) => {
                return Ok(drafts);
            }
            Err(wrong) => return Err(wrong),
        }
    }
}

/// Whether this is a line that the writer did not finish: the last one, without its newline and without the end of its map.
fn is_torn(rest: &[u8]) -> bool {
    !rest.contains(&b'\n') && Cursor::new(rest).value(0).is_err_and(|wrong| wrong.is_end)
}

/// One event: a map, with or without the tag of a record.
fn edn_event(cursor: &mut Cursor<'_>, place: Place) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(place);
    if cursor.peek() == Some(b'#') {
        cursor.tag()?;
        cursor.skip_blanks()?;
    }
    if cursor.peek().is_none() {
        return Err(Wrong {
            at: cursor.at,
            reason: "the text ends within a tag".into(),
            is_end: true,
        });
    }
    if !cursor.take(b'{')? {
        return cursor.wrong("an event is a map");
    }
    let mut names = Map::new();
    loop {
        cursor.skip_blanks()?;
        let at = cursor.at;
        if cursor.take(b'}')? {
            return Ok(draft);
        }
        let name = match cursor.value(0)? {
            Value::String(name) => name,
            other => {
                return Err(Wrong {
                    at,
                    reason: format!("a field has a name, not {other}"),
                    is_end: false,
                });
            }
        };
        cursor.skip_blanks()?;
        draft.is_tuple |= name == "value" && is_tagged_tuple(cursor)?;
        let value = cursor.value(0)?;
        let wrong = |reason| Wrong { at, reason, is_end: false };
        if let Some(twice) = duplicate(&mut names, name.clone(), Value::Null) {
            return Err(wrong(twice));
        }
        draft.set(&name, value).map_err(wrong)?;
    }
}

/// Whether the value that follows is tagged as a key with a value. Nothing is read.
fn is_tagged_tuple(cursor: &Cursor<'_>) -> Result<bool, Wrong> {
    let mut ahead = Cursor { bytes: cursor.bytes, at: cursor.at };
    let is_tag = ahead.peek() == Some(b'#')
        && ahead.bytes.get(ahead.at + 1).is_some_and(u8::is_ascii_alphabetic);
    Ok(is_tag && ahead.tag()?.starts_with("jepsen.independent"))
}

/// Reads one JSON array of events.
pub(super) fn read_json(bytes: &[u8], tuples: Tuples, path: &Path) -> Result<History, Error> {
    let mut places = Places::new(bytes);
    let wrong = |at, reason: &str| no_event(path, Places::new(bytes).of(at), reason);
    let mut at = blanks(bytes, mark(bytes)) + 1;
    let mut drafts = Vec::new();
    loop {
        at = blanks(bytes, at);
        match bytes.get(at) {
            Some(b']') if drafts.is_empty() => break,
            None => return Err(wrong(at, "the text ends within the list of events")),
            Some(_) => {}
        }
        let (draft, end) = json_event(&bytes[at..], places.of(at))
            .map_err(|(within, reason)| wrong(at + within, &reason))?;
        drafts.push(draft);
        at = blanks(bytes, at + end);
        match bytes.get(at) {
            Some(b',') => at += 1,
            Some(b']') => break,
            Some(_) => return Err(wrong(at, "expected `,` or `]`")),
            None => return Err(wrong(at, "the text ends within the list of events")),
        }
    }
    let end = blanks(bytes, at + 1);
    if end < bytes.len() {
        return Err(wrong(end, "nothing may follow the list of events"));
    }
    draft::history(drafts, tuples, path)
}

/// One event and its length; else how far the reading came, and why not further.
fn json_event(bytes: &[u8], place: Place) -> Result<(Draft, usize), (usize, String)> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Map<String, Value>>();
    let fields = match values.next() {
        Some(Ok(fields)) => fields,
        Some(Err(error)) => return Err((offset(bytes, &error), without_place(&error))),
        None => return Err((0, "the text ends within the list of events".into())),
    };
    let mut draft = Draft::new(place);
    for (name, value) in fields {
        draft.set(&name, value).map_err(|reason| (0, reason))?;
    }
    Ok((draft, values.byte_offset()))
}

/// Where in the text serde_json found an error.
fn offset(bytes: &[u8], error: &serde_json::Error) -> usize {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + error.column().saturating_sub(1)).min(bytes.len())
}

/// serde_json's message without its own place, which counts from the event.
fn without_place(error: &serde_json::Error) -> String {
    let reason = reason(error);
    reason.split(" (column ").next().unwrap_or_default().to_string()
}

fn blanks(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The length of a byte order mark.
fn mark(bytes: &[u8]) -> usize {
    if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// Reads the text that Jepsen logs: `INFO  jepsen.util - 3 :invoke :cas [0 1]`, in later versions with a time and a thread in front. Lines of
/// other loggers are passed over. A last line without its newline is left out even if it can be read: `12` may have been going to be `123`.
pub(super) fn read_log(bytes: &[u8], tuples: Tuples, path: &Path) -> Result<History, Error> {
    let mut drafts = Vec::new();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    for (number, line) in lines.filter(|(_, line)| line.ends_with(b"\n")) {
        let place = |at| Place { line: number + 1, column: at + 1 };
        let draft = log_event(line.trim_ascii_end(), place(0));
        drafts.extend(draft.map_err(|wrong| no_event(path, place(wrong.at), &wrong.reason))?);
    }
    draft::history(drafts, tuples, path)
}

/// The event of a line; nothing if the line is blank or another logger's.
fn log_event(line: &[u8], place: Place) -> Result<Option<Draft>, Wrong> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let Some(begin) = operation_in(line) else {
        let is_other = memchr::memmem::find(line, b" - ").is_some()
            && memchr::memmem::find(line, b"jepsen.").is_some();
        let reason = "neither an operation nor another line of Jepsen's log";
        return if is_other {
            Ok(None)
        } else {
            Err(Wrong { at: 0, reason: reason.into(), is_end: false })
        };
    };
    let mut draft = Draft::new(place);
    let mut cursor = Cursor { bytes: line, at: begin };
    for name in ["process", "type", "f", "value"] {
        cursor.skip_blanks()?;
        let at = cursor.at;
        let value = cursor.value(0)?;
        draft.set(name, value).map_err(|reason| Wrong { at, reason, is_end: false })?;
    }
    let error = line[cursor.at..].trim_ascii();
    if !error.is_empty() {
        let at = cursor.at;
        draft.set("error", log_error(error)).map_err(|reason| Wrong {
            at,
            reason,
            is_end: false,
        })?;
    }
    Ok(Some(draft))
}

/// The last column is the reason: a value in Clojure's notation, or else any words.
fn log_error(text: &[u8]) -> Value {
    let mut cursor = Cursor::new(text);
    match cursor.value(0) {
        Ok(value) if cursor.at == text.len() => value,
        _ => String::from_utf8_lossy(text).into(),
    }
}

/// Where the operation begins in a line of the logger `jepsen.util`.
fn operation_in(line: &[u8]) -> Option<usize> {
    let logger = b"jepsen.util";
    let after = memchr::memmem::find(line, logger)? + logger.len();
    [b" - ".as_slice(), b": "]
        .iter()
        .find(|dash| line[after..].starts_with(dash))
        .map(|dash| after + dash.len())
}

/// Lines and columns of a text, asked for in order.
struct Places<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Places<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, line: 1, line_start: 0 }
    }

    fn of(&mut self, at: usize) -> Place {
        let at = at.min(self.bytes.len());
        for newline in memchr::memchr_iter(b'\n', &self.bytes[self.at..at]) {
            self.line += 1;
            self.line_start = self.at + newline + 1;
        }
        self.at = at;
        Place { line: self.line, column: at - self.line_start + 1 }
    }
}

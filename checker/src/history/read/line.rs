//! One line of JSON to an event, without an allocation.
//!
//! Reading is what judging a long history takes most time for, so the lines that our recorder writes, and most others, are taken apart here:
//! any order of the known fields, values of integers, texts, `null`, truth values and lists of these. Whatever else a line may hold
//! (escapes, floats, maps, a fault's fields) is left to serde: `None` means *not here*, never *wrong*, and what is accepted here
//! serde accepts with the same result (tested).

use super::super::names::{NONE, Names};
use super::super::pairing::ClientEvent;
use super::super::{EventType, ValueId, Values};

/// Names and values of a piece of a file.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) values: Values,
    pub(super) functions: Names,
    pub(super) nodes: Names,
    pub(super) errors: Names,
    /// Elements of lists that are being read.
    stack: Vec<ValueId>,
}

/// An event and its index; nothing if the line is better read by serde.
#[inline]
pub(super) fn event(line: &[u8], piece: &mut Piece) -> Option<(u64, ClientEvent)> {
    let mut cursor = Cursor { rest: line };
    cursor.expect(b'{')?;
    let mut fields = Fields::default();
    loop {
        let name = cursor.text()?;
        cursor.expect(b':')?;
        fields.read(name, &mut cursor, piece)?;
        match cursor.next()? {
            b',' => cursor.skip_blanks(),
            b'}' => break,
            _ => return None,
        }
    }
    (cursor.rest.iter().all(u8::is_ascii_whitespace)).then_some(())?;
    Some((
        fields.index?,
        ClientEvent {
            time: fields.time?,
            process: fields.process?,
            key: fields.key.unwrap_or(ValueId::NIL),
            value: fields.value.unwrap_or(ValueId::NIL),
            event_type: fields.event_type?,
            function: fields.function?,
            node: fields.node.unwrap_or(NONE),
            error: fields.error.unwrap_or(NONE),
        },
    ))
}

#[derive(Default)]
struct Fields {
    index: Option<u64>,
    time: Option<u64>,
    process: Option<u32>,
    event_type: Option<EventType>,
    function: Option<u8>,
    key: Option<ValueId>,
    value: Option<ValueId>,
    node: Option<u8>,
    error: Option<u8>,
}

impl Fields {
    #[inline]
    fn read(&mut self, name: &[u8], cursor: &mut Cursor<'_>, piece: &mut Piece) -> Option<()> {
        match name {
            b"index" => once(&mut self.index, cursor.integer()?),
            b"time" => once(&mut self.time, cursor.integer()?),
            b"process" => once(&mut self.process, u32::try_from(cursor.integer()?).ok()?),
            b"type" => once(&mut self.event_type, event_type(cursor.text()?)?),
            b"f" => once(&mut self.function, named(&mut piece.functions, cursor.text()?)?),
            b"key" => {
                let key = cursor.value(piece, 0)?;
                (!key.is_structure() && key != ValueId::TRUE && key != ValueId::FALSE)
                    .then_some(())?;
                once(&mut self.key, key)
            }
            b"value" => once(&mut self.value, cursor.value(piece, DEPTH_MAX)?),
            b"node" => once(&mut self.node, named(&mut piece.nodes, cursor.text()?)?),
            b"error" => {
                let text = std::str::from_utf8(cursor.text()?).ok()?;
                once(&mut self.error, piece.errors.id_or_rest(text))
            }
            _ => None,
        }
    }
}

/// A field may stand only once.
#[inline]
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.is_none().then(|| *field = Some(value))
}

fn event_type(name: &[u8]) -> Option<EventType> {
    match name {
        b"invoke" => Some(EventType::Invoke),
        b"ok" => Some(EventType::Ok),
        b"fail" => Some(EventType::Fail),
        b"info" => Some(EventType::Info),
        _ => None,
    }
}

fn named(names: &mut Names, name: &[u8]) -> Option<u8> {
    match names.known(name) {
        Some(id) => Some(id),
        None => names.id(std::str::from_utf8(name).ok()?),
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// The byte, and blanks after it.
    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.skip_blanks())
    }

    /// A text without escapes, and blanks after it.
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        (self.next()? == b'"').then_some(())?;
        let special = |byte: &u8| matches!(byte, b'"' | b'\\') || *byte < b' ';
        let end = self.rest.iter().position(special)?;
        (self.rest[end] == b'"').then_some(())?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        self.skip_blanks();
        Some(text)
    }

    /// A non-negative integer, and blanks after it.
    #[inline]
    fn integer(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        let mut length = 0;
        while let Some(byte) = self.rest.get(length) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            length += 1;
        }
        // 19 digits always fit. A leading zero is no number of JSON; a point or an exponent makes another one of it.
        let plain = length == 1 || (2..=19).contains(&length) && self.rest[0] != b'0';
        let next = self.rest.get(length);
        (plain && !matches!(next, Some(b'.' | b'e' | b'E'))).then_some(())?;
        self.rest = &self.rest[length..];
        self.skip_blanks();
        Some(number)
    }

    fn literal(&mut self, text: &[u8], value: ValueId) -> Option<ValueId> {
        self.rest = self.rest.strip_prefix(text)?;
        self.skip_blanks();
        Some(value)
    }

    fn value(&mut self, piece: &mut Piece, depth: u32) -> Option<ValueId> {
        match *self.rest.first()? {
            b'0'..=b'9' => ValueId::integer(self.integer()?),
            b'n' => self.literal(b"null", ValueId::NIL),
            b't' => self.literal(b"true", ValueId::TRUE),
            b'f' => self.literal(b"false", ValueId::FALSE),
            b'"' => {
                let text = self.text()?;
                let known = piece.values.known_text(text);
                known.or_else(|| Some(piece.values.text(std::str::from_utf8(text).ok()?)))
            }
            b'[' => self.list(piece, depth.checked_sub(1)?),
            _ => None,
        }
    }

    fn list(&mut self, piece: &mut Piece, depth: u32) -> Option<ValueId> {
        self.expect(b'[')?;
        let base = piece.stack.len();
        let list =
            self.elements(piece, depth).map(|()| piece.values.push_list(&piece.stack[base..]));
        piece.stack.truncate(base);
        self.skip_blanks();
        list
    }

    /// Elements up to the closing bracket, onto the stack.
    fn elements(&mut self, piece: &mut Piece, depth: u32) -> Option<()> {
        if let [b']', rest @ ..] = self.rest {
            self.rest = rest;
            return Some(());
        }
        loop {
            let value = self.value(piece, depth)?;
            piece.stack.push(value);
            match self.next()? {
                b',' => self.skip_blanks(),
                b']' => return Some(()),
                _ => return None,
            }
        }
    }
}

/// Lists within lists are followed this deep; more is left to serde, which has its own bound.
const DEPTH_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::super::pairing::{Tables, numbered};
    use super::super::super::{Event, Process};
    use super::*;

    const GOOD: &str = r#"{"index":7,"time":12,"process":3,"type":"ok","f":"cas","key":"k1","value":[1,[null,"x",true]],"node":"n2","error":"mismatch"}"#;

    /// What this reader and serde make of a line, each as an event with names and values written out.
    fn both(line: &[u8]) -> (Option<Event>, Option<Event>) {
        let mut piece = Piece::default();
        let quick =
            event(line, &mut piece).map(|(index, event)| written_out(index, &event, &piece));
        (quick, serde_json::from_slice::<Event>(line).ok().and_then(|event| normal(&event)))
    }

    fn written_out(index: u64, event: &ClientEvent, piece: &Piece) -> Event {
        Event {
            index,
            time: event.time,
            process: Process::Client(event.process.into()),
            event_type: event.event_type,
            f: piece.functions.name(event.function).unwrap().into(),
            key: (event.key != ValueId::NIL).then(|| piece.values.json(event.key)),
            value: piece.values.json(event.value),
            node: piece.nodes.name(event.node).map(str::to_string),
            error: piece.errors.name(event.error).map(str::to_string),
            fault: None,
            stage: None,
        }
    }

    fn normal(event: &Event) -> Option<Event> {
        let mut piece = Piece::default();
        let numbered = numbered(
            event,
            &mut Tables {
                values: &mut piece.values,
                functions: &mut piece.functions,
                nodes: &mut piece.nodes,
                errors: &mut piece.errors,
            },
        );
        numbered.ok().map(|client| written_out(event.index, &client, &piece))
    }

    #[test]
    fn lines_of_our_own_are_read_here() {
        let spaced = GOOD.replace(':', ": ").replace(',', ", ");
        let swapped = r#"{"value":null,"f":"read","type":"invoke","process":0,"time":1,"index":0}"#;
        for line in [GOOD, &spaced, swapped] {
            let (quick, strict) = both(line.as_bytes());
            assert!(quick.is_some() && quick == strict, "{line}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_read_here() {
        let wrong = |from: &str, to: &str| GOOD.replace(from, to);
        let lines = [
            wrong("12", "012"),
            wrong("12", "1.5"),
            wrong("12", ""),
            wrong("\"k1\"", "[1]"),
            wrong("\"k1\"", "true"),
            wrong("\"n2\"", "\"n\u{1}2\""),
            wrong("\"ok\"", "\"okay\""),
            wrong("\"time\":12", "\"time\":12,\"time\":13"),
            wrong("true]", "true,]"),
            wrong("}", ""),
            wrong("}", "}}"),
            "[".repeat(100_000),
            format!(r#"{{"value":{}"#, "[".repeat(100_000)),
        ];
        for line in lines {
            assert_eq!(both(line.as_bytes()).0, None, "{line}");
        }
        let latin =
            [b"{\"index\":1,\"time\":1,\"process\":1,\"type\":\"ok\",\"f\":\"\xe9\",\"value\":1}"];
        assert_eq!(both(latin[0]).0, None);
    }

    proptest! {
        /// Whatever is read here, serde reads with the same result: on lines with a few bytes changed.
        #[test]
        fn serde_agrees_on_every_accepted_line(
            changes in prop::collection::vec((0..GOOD.len(), prop::sample::select(b"0123456789\"\\[]{},:. -eEntfulx\n\xe9".to_vec())), 0..4),
            value in any::<i64>(),
        ) {
            let mut line: Value = serde_json::from_str(GOOD).unwrap();
            line["value"] = json!([value, "v"]);
            let mut line = if changes.len() % 2 == 0 { GOOD.to_string() } else { line.to_string() }.into_bytes();
            for (place, byte) in changes {
                let place = place % line.len();
                line[place] = byte;
            }
            let (quick, strict) = both(&line);
            if quick.is_some() {
                prop_assert_eq!(quick, strict, "{}", String::from_utf8_lossy(&line));
            }
        }
    }
}

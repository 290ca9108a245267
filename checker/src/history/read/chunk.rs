//! A file in pieces, so that several processors take it apart.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use super::super::operation::Malformed;
use super::super::pairing::{ClientEvent, Pairing, Tables, numbered};
use super::super::{Event, Process};
use super::input::Input;
use super::line::{self, Piece};
use super::reason;

/// How much of a file is taken apart at once.
pub(super) const CHUNK_BYTES: u64 = 1 << 20;
/// A line is looked for so much further at a time.
const STRIDE: usize = 64 << 10;

/// Where the lines come from.
pub(super) struct Source {
    input: Input,
    /// The next chunk of a plain file.
    next: u64,
    /// The beginning of a line whose end was not read yet. Streams only.
    rest: Vec<u8>,
}

impl Source {
    pub(super) fn new(input: Input) -> Self {
        Self { input, next: 0, rest: Vec::new() }
    }

    /// Takes the next chunks apart; none at the end of the file.
    pub(super) fn chunks(&mut self, count: usize) -> Vec<io::Result<Chunk>> {
        match &mut self.input {
            Input::File(file, length) => {
                let numbers =
                    self.next..(self.next + count as u64).min(length.div_ceil(CHUNK_BYTES));
                self.next = numbers.end;
                numbers.into_par_iter().map(|number| file_chunk(file, *length, number)).collect()
            }
            Input::Stream(stream) => {
                let next = |_| next_lines(stream, &mut self.rest).transpose();
                let texts: Vec<_> = (0..count).map_while(next).collect();
                let parse = |(text, is_last): (Vec<u8>, bool)| Chunk::parse(&text, is_last);
                texts.into_par_iter().map(|text| text.map(parse)).collect()
            }
        }
    }
}

/// The lines that begin in one chunk.
fn file_chunk(file: &File, length: u64, number: u64) -> io::Result<Chunk> {
    let (start, end) = (number * CHUNK_BYTES, (number + 1) * CHUNK_BYTES);
    let bytes = read_lines(file, start.saturating_sub(1)..end.min(length), length)?;
    // The byte before the chunk tells whether its first byte begins a line.
    let skipped = if start == 0 { Some(0) } else { memchr::memchr(b'\n', &bytes).map(|at| at + 1) };
    let within = (end - start.saturating_sub(1)) as usize;
    let lines = match skipped {
        Some(first) if first < within => {
            &bytes[first..first + whole_lines(&bytes[first..], within - first)]
        }
        _ => &[],
    };
    Ok(Chunk::parse(lines, end >= length))
}

/// The next lines of a stream, and whether they are its last; nothing at its end. What follows the last newline is left for the next call.
fn next_lines(stream: &mut dyn Read, rest: &mut Vec<u8>) -> io::Result<Option<(Vec<u8>, bool)>> {
    let mut text = std::mem::take(rest);
    loop {
        let length = stream.take(CHUNK_BYTES).read_to_end(&mut text)?;
        if (length as u64) < CHUNK_BYTES {
            return Ok((!text.is_empty()).then_some((text, true)));
        }
        if let Some(newline) = memchr::memrchr(b'\n', &text) {
            *rest = text.split_off(newline + 1);
            return Ok(Some((text, false)));
        }
    }
}

/// The length of the lines that begin in the first `within` bytes.
fn whole_lines(bytes: &[u8], within: usize) -> usize {
    let from = within.min(bytes.len()).saturating_sub(1);
    memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |at| from + at + 1)
}

/// A part of a file, and what follows up to the end of its last line.
fn read_lines(file: &File, range: Range<u64>, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact_at(&mut bytes, range.start)?;
    let mut end = range.end;
    let mut ends = bytes.last() == Some(&b'\n');
    while !ends && end < length {
        let from = bytes.len();
        let stride = STRIDE.min((length - end) as usize);
        bytes.resize(from + stride, 0);
        file.read_exact_at(&mut bytes[from..], end)?;
        end += stride as u64;
        ends = memchr::memchr(b'\n', &bytes[from..]).is_some();
    }
    Ok(bytes)
}

/// The events of a chunk.
#[derive(Default)]
pub(super) struct Chunk {
    /// Events of clients, in order.
    events: Vec<ClientEvent>,
    /// Events of the nemesis, each with the number of client events before it.
    nemesis: Vec<(usize, Event)>,
    /// Blank lines, each with the number of events before it.
    blanks: Vec<usize>,
    piece: Piece,
    /// How many lines there are.
    pub(super) lines: usize,
    /// The line of the first event, from 1.
    pub(super) first_line: usize,
    /// The first and the last index.
    pub(super) indexes: Option<(u64, u64)>,
    /// The line that ends the reading, from 1, and why.
    wrong: Option<(usize, Wrong)>,
}

enum Wrong {
    NoEvent(String),
    Malformed(String),
}

impl Chunk {
    fn parse(bytes: &[u8], is_last: bool) -> Self {
        let mut chunk = Self::default();
        chunk.events.reserve(bytes.len() / 80);
        let mut rest = bytes;
        while !rest.is_empty() && chunk.wrong.is_none() {
            let end = memchr::memchr(b'\n', rest);
            let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after.get(1..).unwrap_or_default();
            chunk.lines += 1;
            let torn = end.is_none() && is_last;
            chunk.line(line, torn);
        }
        chunk
    }

    fn line(&mut self, line: &[u8], may_be_torn: bool) {
        if let Some((index, event)) = line::event(line, &mut self.piece) {
            if self.in_order(index) {
                self.events.push(event);
            }
        } else if line.trim_ascii().is_empty() {
            self.blanks.push(self.events.len() + self.nemesis.len());
        } else {
            match serde_json::from_slice::<Event>(line) {
                Ok(event) => self.event(event),
                Err(_) if may_be_torn => self.lines -= 1,
                Err(error) => self.wrong = Some((self.lines, Wrong::NoEvent(reason(&error)))),
            }
        }
    }

    fn event(&mut self, event: Event) {
        if !self.in_order(event.index) {
            return;
        }
        if event.process == Process::Nemesis {
            self.nemesis.push((self.events.len(), event));
            return;
        }
        let Piece { values, functions, nodes, errors, .. } = &mut self.piece;
        match numbered(&event, &mut Tables { values, functions, nodes, errors }) {
            Ok(event) => self.events.push(event),
            Err(reason) => self.wrong = Some((self.lines, Wrong::NoEvent(reason))),
        }
    }

    fn in_order(&mut self, index: u64) -> bool {
        if self.indexes.is_none() {
            self.first_line = self.lines;
        }
        let (first, last) = self.indexes.map_or((index, None), |(first, last)| (first, Some(last)));
        if let Some(last) = last.filter(|last| index <= *last) {
            let reason = format!("index {index} follows index {last}");
            self.wrong = Some((self.lines, Wrong::Malformed(reason)));
            return false;
        }
        self.indexes = Some((first, index));
        true
    }

    /// Hands the events over; `lines` is how many lines stand before. The line that is no event comes back, from 1, with the reason.
    pub(super) fn pair(
        self,
        pairing: &mut Pairing,
        lines: usize,
    ) -> Result<Option<(usize, String)>, Malformed> {
        let rename = Renames::new(&self.piece, &mut pairing.history)
            .map_err(|reason| Malformed { line: lines + 1, reason })?;
        let mut nemesis = self.nemesis.into_iter().peekable();
        let mut blanks = self.blanks.into_iter().peekable();
        let (mut line, mut taken) = (lines, 0);
        let mut next_line = || {
            while blanks.next_if(|before| *before <= taken).is_some() {
                line += 1;
            }
            taken += 1;
            line += 1;
            line
        };
        let count = self.events.len();
        for (place, event) in self.events.into_iter().enumerate() {
            while let Some((_, event)) = nemesis.next_if(|(before, _)| *before <= place) {
                pairing.take_nemesis(event, next_line())?;
            }
            pairing.take(&rename.apply(event), next_line())?;
        }
        for (before, event) in nemesis {
            debug_assert!(before <= count);
            pairing.take_nemesis(event, next_line())?;
        }
        match self.wrong {
            Some((line, Wrong::Malformed(reason))) => Err(Malformed { line: lines + line, reason }),
            Some((line, Wrong::NoEvent(reason))) => Ok(Some((line, reason))),
            None => Ok(None),
        }
    }
}

/// From the numbers of a piece to those of the history.
struct Renames {
    values: super::super::value::Moved,
    functions: Vec<u8>,
    nodes: Vec<u8>,
    errors: Vec<u8>,
}

impl Renames {
    fn new(piece: &Piece, history: &mut super::super::History) -> Result<Self, String> {
        let full = |what: &str| format!("more than 255 different {what}");
        let functions = piece.functions.all().map(|name| history.functions.id(name));
        let functions: Option<Vec<_>> = std::iter::once(Some(0)).chain(functions).collect();
        let nodes = piece.nodes.all().map(|name| history.nodes.id(name));
        let nodes: Option<Vec<_>> = std::iter::once(Some(0)).chain(nodes).collect();
        let errors = piece.errors.all().map(|name| history.errors.id_or_rest(name));
        let values = history.values.absorb(&piece.values);
        Ok(Self {
            values: values.ok_or("texts and lists of a history must fit into 2 GiB")?,
            functions: functions.ok_or_else(|| full("operations"))?,
            nodes: nodes.ok_or_else(|| full("nodes"))?,
            errors: std::iter::once(0).chain(errors).collect(),
        })
    }

    #[inline]
    fn apply(&self, event: ClientEvent) -> ClientEvent {
        ClientEvent {
            key: self.values.id(event.key),
            value: self.values.id(event.value),
            function: self.functions[event.function as usize],
            node: self.nodes[event.node as usize],
            error: self.errors[event.error as usize],
            ..event
        }
    }
}

//! Reading a history from disk, whatever its form.

mod chunk;
mod draft;
mod edn;
mod form;
mod input;
mod jepsen;
mod line;

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use self::chunk::{Chunk, Source};
pub use self::draft::Tuples;
use self::form::Form;
use self::input::Input;
use super::History;
use super::operation::Malformed;
use super::pairing::Pairing;

/// Why a file is not a history.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line is not an event.
    #[error("{}: line {line}: not a history event: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The events do not make a history.
    #[error("{}: line {}: {}", path.display(), malformed.line, malformed.reason)]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        malformed: Malformed,
    },
}

impl History {
    /// Reads a history and pairs its events. What the file holds is told from its content: JSON lines of our own, a JSON array of Jepsen's events,
    /// Jepsen's EDN, Porcupine's log of a key-value store or the text that Jepsen logs; each of them plain, or packed with gzip or zstd.
    ///
    /// The writer may have been killed in the middle of a line: an incomplete last line, one without its newline, is left out. Any other
    /// line that is not an event is an error: nothing is guessed.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::read_with(path, Tuples::Detect)
    }

    /// Like [`History::read`], for one who knows what `[key value]` means in this history. Our own JSON lines have keys of their own.
    pub fn read_with(path: &Path, tuples: Tuples) -> Result<Self, Error> {
        let opened = input::open(path).map_err(|source| Error::Io { path: path.into(), source })?;
        read_form(opened, tuples, path)
    }

    /// Like [`History::read_with`], from bytes in memory. The name stands in the messages of errors.
    pub fn from_bytes(bytes: &[u8], tuples: Tuples, name: &Path) -> Result<Self, Error> {
        let opened =
            input::of_bytes(bytes).map_err(|source| Error::Io { path: name.into(), source })?;
        read_form(opened, tuples, name)
    }
}

fn read_form((form, input): (Form, Input), tuples: Tuples, path: &Path) -> Result<History, Error> {
    if form == Form::JsonLines {
        return read_json_lines(input, path);
    }
    let bytes = whole(input).map_err(|source| Error::Io { path: path.into(), source })?;
    match form {
        Form::JsonArray => jepsen::read_json(&bytes, tuples, path),
        Form::Edn | Form::JsonLines => jepsen::read_edn(&bytes, tuples, path),
        Form::JepsenLog => jepsen::read_log(&bytes, tuples, path),
    }
}

fn whole(input: Input) -> std::io::Result<Vec<u8>> {
    match input {
        Input::File(file, length) => {
            let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(bytes)
        }
        Input::Stream(mut stream) => {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    }
}

fn read_json_lines(input: Input, path: &Path) -> Result<History, Error> {
    let mut source = Source::new(input);
    let mut reader = Reader { path, pairing: Pairing::default(), lines: 0, last_index: None };
    let width = 4 * rayon::current_num_threads();
    let mut ahead = source.chunks(width);
    while !ahead.is_empty() {
        let batch = std::mem::take(&mut ahead);
        // The next chunks are taken apart while these are paired.
        let (paired, read) = rayon::join(|| reader.take_all(batch), || source.chunks(width));
        paired?;
        ahead = read;
    }
    Ok(reader.pairing.history)
}

/// Puts chunks together in order.
struct Reader<'a> {
    path: &'a Path,
    pairing: Pairing,
    /// Lines before the next chunk.
    lines: usize,
    last_index: Option<u64>,
}

impl Reader<'_> {
    fn take_all(&mut self, chunks: Vec<std::io::Result<Chunk>>) -> Result<(), Error> {
        chunks.into_iter().try_for_each(|chunk| {
            let io = |source| Error::Io { path: self.path.to_path_buf(), source };
            let chunk = chunk.map_err(io)?;
            self.take(chunk)
        })
    }

    fn take(&mut self, chunk: Chunk) -> Result<(), Error> {
        let path = self.path.to_path_buf();
        self.in_order(&chunk)?;
        let lines = self.lines;
        self.lines += chunk.lines;
        let wrong = chunk.pair(&mut self.pairing, lines);
        wrong
            .map_err(|malformed| Error::Malformed { path: path.clone(), malformed })?
            .map_or(Ok(()), |(line, reason)| Err(Error::Line { path, line: lines + line, reason }))
    }

    /// Indexes grow from chunk to chunk, as they do within each.
    fn in_order(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let Some((first, last)) = chunk.indexes else { return Ok(()) };
        if let Some(before) = self.last_index.replace(last).filter(|before| first <= *before) {
            let reason = format!("index {first} follows index {before}");
            let malformed = Malformed { line: self.lines + chunk.first_line, reason };
            return Err(Error::Malformed { path: self.path.to_path_buf(), malformed });
        }
        Ok(())
    }
}

/// The lines of a file with their numbers, and whether each ends with a newline. Blank lines are left out.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8], bool)> {
    let numbered = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    numbered.filter_map(|(number, line)| {
        let (text, complete) = match line.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (line, false),
        };
        (!text.trim_ascii().is_empty()).then_some((number + 1, text, complete))
    })
}

/// serde_json's message without its own line number, which is always 1 here.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.split_once(" at line ") {
        Some((message, _)) => format!("{message} (column {})", error.column()),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVOKE: &str =
        r#"{"index":0,"time":5,"process":0,"type":"invoke","f":"read","value":null}"#;
    const OK: &str = r#"{"index":1,"time":9,"process":0,"type":"ok","f":"read","value":3}"#;

    fn read(text: &str) -> Result<History, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        History::read(file.path())
    }

    fn check(text: &str, expected: &str) {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_any_other_is_an_error() {
        let torn = format!("{INVOKE}\n{}", &OK[..30]);
        assert_eq!(read(&torn).unwrap().operations().len(), 1);
        check(&format!("{INVOKE}\n{}\n", &OK[..30]), "line 2: not a history event");
        check(&format!("{}\n{OK}\n", &INVOKE[..30]), "line 1: not a history event");
        // Complete although its newline is missing: it happened.
        let whole = read(&format!("{INVOKE}\n{OK}")).unwrap();
        assert_eq!(whole.view(0).completed_time(), Some(9));
    }

    #[test]
    fn errors_name_the_field_the_column_and_the_line_behind_blank_ones() {
        check(
            &format!("{}\n", INVOKE.replace("\"invoke\"", "\"begin\"")),
            "unknown variant `begin`",
        );
        check(&format!("{}\n", INVOKE.replace("\"process\":0", "\"process\":\"me\"")), "nemesis");
        check(&format!("\n{INVOKE}\n\n{INVOKE}\n"), "line 4: index 0 follows index 0");
        let again = INVOKE.replace("\"index\":0", "\"index\":1");
        check(&format!("\n{INVOKE}\n\n{again}\n"), "line 4: process 0 begins an operation");
        check(&format!("{OK}\n"), "line 1: process 0 completes an operation that it never began");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = History::read(Path::new("no/such.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read no/such.jsonl"), "{error}");
    }

    #[test]
    fn a_file_of_many_chunks_reads_like_its_lines_one_by_one() {
        let mut text = String::new();
        let mut events = Vec::new();
        let padding = "x".repeat(3_000);
        for number in 0..6_000_u64 {
            let (process, begins) = (number / 2 % 7, number % 2 == 0);
            let event = serde_json::json!({
                "index": number, "time": number * 10, "process": process,
                "type": if begins { "invoke" } else { "ok" }, "f": "write",
                "key": format!("k{}", number / 2 % 5), "value": [format!("{padding}{}", number / 2), -3],
            });
            text += &format!("{event}\n");
            if number % 100 == 0 {
                text += "  \n";
            }
            events.push(serde_json::from_value(event).unwrap());
        }
        assert!(text.len() > 3 * chunk::CHUNK_BYTES as usize);
        let (whole, single) = (read(&text).unwrap(), History::pair(events).unwrap());
        assert_eq!(whole.operations().len(), 3_000);
        for (a, b) in whole.views().zip(single.views()) {
            assert_eq!((a.key(), a.value(), a.f()), (b.key(), b.value(), b.f()));
            assert_eq!(
                (a.invoked_time(), a.completed_time()),
                (b.invoked_time(), b.completed_time())
            );
        }
        assert_eq!(whole.line(5_999), 6_060);
        // An index that goes back just where a chunk begins.
        let boundary = chunk::CHUNK_BYTES as usize;
        let start = boundary + text[boundary - 1..].find('\n').unwrap();
        let (before, after) = text.split_at(start);
        let (_, number) = after.split_once("\"index\":").unwrap();
        let number: u64 = number.split_once(',').unwrap().0.parse().unwrap();
        let index = |number: u64| format!("\"index\":{number},");
        let back = after.replacen(&index(number), &index(number - 1), 1);
        let expected = format!("index {0} follows index {0}", number - 1);
        check(&format!("{before}{back}"), &expected);
    }
}

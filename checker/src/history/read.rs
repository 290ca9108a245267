//! Reading a history from disk.

use std::path::{Path, PathBuf};

use super::operation::Malformed;
use super::{Event, History};

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

/// Reads the events of a history of JSON lines.
///
/// The writer may have been killed in the middle of a line: an incomplete last line, one without its newline, is left out. Any other
/// line that is not an event is an error: nothing is guessed.
pub fn read_events(path: &Path) -> Result<Vec<Event>, Error> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
    let mut events = Vec::new();
    for (number, line, complete) in lines(&bytes) {
        match serde_json::from_slice(line) {
            Ok(event) => events.push(event),
            Err(_) if !complete => {}
            Err(error) => {
                let reason = reason(&error);
                return Err(Error::Line { path: path.to_path_buf(), line: number, reason });
            }
        }
    }
    Ok(events)
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

impl History {
    /// Reads a history and pairs its events.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let events = read_events(path)?;
        Self::pair(events)
            .map_err(|malformed| Error::Malformed { path: path.to_path_buf(), malformed })
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
        assert_eq!(read(&torn).unwrap().operations.len(), 1);
        check(&format!("{INVOKE}\n{}\n", &OK[..30]), "line 2: not a history event");
        check(&format!("{}\n{OK}\n", &INVOKE[..30]), "line 1: not a history event");
        // Complete although its newline is missing: it happened.
        assert_eq!(read(&format!("{INVOKE}\n{OK}")).unwrap().events, 2);
    }

    #[test]
    fn errors_name_the_field_and_the_column() {
        check(
            &format!("{}\n", INVOKE.replace("\"invoke\"", "\"begin\"")),
            "unknown variant `begin`",
        );
        check(&format!("{}\n", INVOKE.replace("\"process\":0", "\"process\":\"me\"")), "nemesis");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = History::read(Path::new("no/such.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read no/such.jsonl"), "{error}");
    }
}

//! Writing a history, in our own form and in others'.

mod compress;
mod edn;
mod events;
mod logs;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

pub use self::compress::{Compression, Compressor};
use self::events::events;
use super::History;

/// The forms in which a history can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON lines of our own. Nothing is lost.
    Json,
    /// Jepsen's EDN, one map a line. Nothing is lost.
    Edn,
    /// The text that Jepsen logs, for one object. Times and nodes are not part of it.
    JepsenLog,
    /// Porcupine's log of a key-value store: `get`, `put` and `append` of texts that all succeeded. Times, nodes and faults are not part of it, and
    /// a key that was missing reads as the empty text, which is Porcupine's initial value.
    Porcupine,
}

/// Every form with its name.
const FORMATS: [(Format, &str); 4] = [
    (Format::Json, "json"),
    (Format::Edn, "edn"),
    (Format::JepsenLog, "jepsen-log"),
    (Format::Porcupine, "porcupine"),
];

impl Format {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|(format, _)| *format == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let format = FORMATS.iter().find(|(_, known)| *known == name);
        format.map(|(format, _)| *format).ok_or_else(|| {
            let known: Vec<_> = FORMATS.iter().map(|(_, name)| *name).collect();
            format!("unknown form `{name}`; known are {}", known.join(", "))
        })
    }
}

/// Why a history was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output takes no more.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
    /// The form has no way to say this.
    #[error("line {line}: {reason}; the form `{format}` has no room for it")]
    Unfit {
        /// The line of the history that was read, from 1.
        line: usize,
        /// What does not fit.
        reason: String,
        /// The form.
        format: Format,
    },
}

impl History {
    /// Writes all events in order. Reading them again gives the same operations.
    ///
    /// What an operation was invoked with is not kept where its completion says more: a read begins with `null`.
    pub fn write(&self, format: Format, out: &mut dyn Write) -> Result<(), WriteError> {
        let form = edn::Form::of(self);
        for (position, event) in events(self) {
            let written = match format {
                Format::Json => json(&event, out).map_err(edn::Unwritten::Io),
                Format::Edn => edn::event(&event, form, out),
                Format::JepsenLog => logs::jepsen(&event, out),
                Format::Porcupine => logs::porcupine(&event, out),
            };
            written.map_err(|error| match error {
                edn::Unwritten::Io(error) => WriteError::Io(error),
                edn::Unwritten::Unfit(reason) => {
                    WriteError::Unfit { line: self.line(position), reason, format }
                }
            })?;
        }
        Ok(())
    }
}

fn json(event: &super::Event, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    out.write_all(b"\n")
}

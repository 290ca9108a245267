//! The history: what clients saw and what was done to the system, one JSON line an event (`docs/formats.md`).

mod event;
mod operation;
mod read;

pub use event::{Event, EventType, Process, Stage};
pub use operation::{History, Malformed, Operation, Outcome};
pub use read::{Error, read_events};
pub(crate) use read::{lines, reason};

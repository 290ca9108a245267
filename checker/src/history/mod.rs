//! The history: what clients saw and what was done to the system, one JSON line an event (`docs/formats.md`).

mod event;

pub use event::{Event, EventType, Process, Stage};

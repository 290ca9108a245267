//! Recording a history in memory, for tests of anybody's own.

use serde_json::Value;

use super::{Event, EventType, History, Process};

/// Records what clients see, one event after another: the order of the calls is the order of the events.
///
/// A process has at most one operation open at a time, and is not used again after one that ended *info*.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    events: Vec<Event>,
}

/// An operation that has begun and not ended yet.
#[derive(Debug)]
#[must_use = "an operation that never ends counts as info"]
pub struct Begun {
    process: u64,
    f: String,
    key: Option<Value>,
    value: Value,
}

impl Recorder {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An operation on the only object begins.
    pub fn invoke(&mut self, process: u64, f: &str, value: Value) -> Begun {
        self.begin(Begun { process, f: f.to_string(), key: None, value })
    }

    /// An operation on the object of a key, a text or a number, begins.
    pub fn invoke_on(&mut self, process: u64, f: &str, key: Value, value: Value) -> Begun {
        self.begin(Begun { process, f: f.to_string(), key: Some(key), value })
    }

    fn begin(&mut self, begun: Begun) -> Begun {
        self.push(&begun, EventType::Invoke, begun.value.clone());
        begun
    }

    /// It took effect, with this result.
    pub fn ok(&mut self, begun: Begun, value: Value) {
        self.push(&begun, EventType::Ok, value);
    }

    /// It certainly did not take effect.
    pub fn fail(&mut self, begun: Begun) {
        self.push(&begun, EventType::Fail, begun.value.clone());
    }

    /// Nobody knows whether it took effect, or will.
    pub fn info(&mut self, begun: Begun) {
        self.push(&begun, EventType::Info, begun.value.clone());
    }

    fn push(&mut self, begun: &Begun, event_type: EventType, value: Value) {
        let index = self.events.len() as u64;
        self.events.push(Event {
            index,
            time: index,
            process: Process::Client(begun.process),
            event_type,
            f: begun.f.clone(),
            key: begun.key.clone(),
            value,
            node: None,
            error: None,
            fault: None,
            stage: None,
        });
    }

    /// The history so far.
    ///
    /// # Panics
    ///
    /// If a process began an operation while another was open, or was used again after *info*: that is a mistake in the test.
    pub fn history(self) -> History {
        History::pair(self.events).unwrap_or_else(|malformed| {
            panic!("event {} does not fit: {}", malformed.line, malformed.reason)
        })
    }
}

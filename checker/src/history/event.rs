//! One line of a history.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One event: an invocation, its completion, or something that was done to the system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the file, from 0. The order of lines is the order of events.
    pub index: u64,
    /// Nanoseconds of the one recorder's monotonic clock since the run began.
    pub time: u64,
    /// Who did it.
    pub process: Process,
    /// Invocation, or how the operation ended.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// What was done: `read`, `write`, `cas`, or the name of a fault's step.
    pub f: String,
    /// The object it was done to, a text or a number. A history without keys is one object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// Argument or result: `null` for a read's invocation and for a missing key, `[old, new]` for a cas.
    #[serde(default)]
    pub value: Value,
    /// The node that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why an operation did not end *ok*. `mismatch` on a failed cas means that the old value was seen to differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The id that ties the lines of one fault together (`f1`, `f2`, …). Nemesis lines only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Which of a fault's three lines this is. Nemesis lines only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
}

/// Who caused an event: a client process, or the fault injector.
///
/// A client process has at most one operation open, and is never used again after one that ended *info*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// A client, by number.
    Client(u64),
    /// The fault injector, written `"nemesis"` as in Jepsen.
    Nemesis,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(number) => write!(f, "{number}"),
            Self::Nemesis => f.write_str("nemesis"),
        }
    }
}

impl Serialize for Process {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Client(number) => serializer.serialize_u64(*number),
            Self::Nemesis => serializer.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Process;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a process number or \"nemesis\"")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Process, E> {
                Ok(Process::Client(number))
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Process, E> {
                match name {
                    "nemesis" => Ok(Process::Nemesis),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(name), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Invocation or completion, with Jepsen's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventType {
    /// The operation begins.
    Invoke,
    /// It took effect and the result is known.
    Ok,
    /// It certainly did not take effect.
    Fail,
    /// Nobody knows whether it took effect, or will.
    Info,
}

impl EventType {
    /// Whether an operation ends with it.
    pub fn is_completion(self) -> bool {
        self != Self::Invoke
    }
}

/// The three lines of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// What is about to be done, as planned.
    Plan,
    /// What was done, with every choice resolved (which node, which pid, which links).
    Done,
    /// It is over: what it did to the system, and whether that is anything at all.
    End,
}

//! Operations: invocations paired with their completions, and what makes a history well-formed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Event, EventType, Process};
use crate::verdict::OutcomeCounts;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Ok,
    /// It certainly did not.
    Fail,
    /// Nobody knows.
    Info,
    /// The history ends before it does; as good as [`Outcome::Info`].
    Open,
}

impl Outcome {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
            Self::Open => "open",
        }
    }
}

/// An operation of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Who did it.
    pub process: u64,
    /// The node that was asked.
    pub node: Option<String>,
    /// `read`, `write`, `cas`, …
    pub f: String,
    /// The object.
    pub key: Option<String>,
    /// The argument.
    pub argument: Value,
    /// The result, where it ended *ok*.
    pub result: Value,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not end *ok*.
    pub error: Option<String>,
    /// The event that began it, as a position in the history.
    pub invoked: usize,
    /// The event that ended it with a known outcome; nothing for *info* and open ones, which may take effect at any later time.
    pub completed: Option<usize>,
    /// When it was invoked, in nanoseconds.
    pub invoked_time: u64,
    /// When it completed, in nanoseconds; nothing for *info* and open ones.
    pub completed_time: Option<u64>,
}

/// A history: operations of clients, and what was done to the system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Operations in the order of their invocations.
    pub operations: Vec<Operation>,
    /// The nemesis's events, in order.
    pub nemesis: Vec<Event>,
    /// How many events there are in all.
    pub events: usize,
}

/// Why events do not make a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// What does not fit.
    pub reason: String,
}

impl History {
    /// Pairs invocations with completions, and checks that the history is well-formed.
    pub fn pair(events: Vec<Event>) -> Result<Self, Malformed> {
        let mut pairing = Pairing::default();
        for (position, event) in events.into_iter().enumerate() {
            let line = position + 1;
            pairing.take(position, event).map_err(|reason| Malformed { line, reason })?;
        }
        Ok(pairing.history)
    }

    /// How many operations of each kind ended how.
    pub fn counts(&self) -> BTreeMap<String, OutcomeCounts> {
        let mut counts: BTreeMap<String, OutcomeCounts> = BTreeMap::new();
        for operation in &self.operations {
            let count = counts.entry(operation.f.clone()).or_default();
            match operation.outcome {
                Outcome::Ok => count.ok += 1,
                Outcome::Fail => count.fail += 1,
                Outcome::Info | Outcome::Open => count.info += 1,
            }
        }
        counts
    }

    /// The beginning of a phase, in nanoseconds, with its event.
    pub fn phase(&self, name: &str) -> Option<&Event> {
        self.nemesis.iter().find(|event| event.f == "phase" && event.value["phase"] == name)
    }
}

#[derive(Default)]
struct Pairing {
    history: History,
    /// The operation that each process is at.
    open: BTreeMap<u64, usize>,
    /// Processes that ended *info* and may not be used again.
    retired: BTreeSet<u64>,
    last: Option<(u64, u64)>,
}

impl Pairing {
    fn take(&mut self, position: usize, event: Event) -> Result<(), String> {
        self.in_order(&event)?;
        self.history.events += 1;
        match (event.process, event.event_type) {
            (Process::Nemesis, _) => {
                self.history.nemesis.push(event);
                Ok(())
            }
            (Process::Client(process), EventType::Invoke) => self.invoke(process, position, event),
            (Process::Client(process), _) => self.complete(process, position, &event),
        }
    }

    /// Positions and times never run backwards.
    fn in_order(&mut self, event: &Event) -> Result<(), String> {
        if let Some((index, time)) = self.last {
            if event.index <= index {
                return Err(format!("index {} follows index {index}", event.index));
            }
            if event.time < time {
                return Err(format!("time runs backwards, from {time} to {}", event.time));
            }
        }
        self.last = Some((event.index, event.time));
        Ok(())
    }

    fn invoke(&mut self, process: u64, position: usize, event: Event) -> Result<(), String> {
        if self.open.contains_key(&process) {
            return Err(format!("process {process} begins an operation while another is open"));
        }
        if self.retired.contains(&process) {
            return Err(format!(
                "process {process} is used again after an operation that ended info"
            ));
        }
        self.open.insert(process, self.history.operations.len());
        self.history.operations.push(Operation {
            process,
            node: event.node,
            f: event.f,
            key: event.key,
            argument: event.value,
            result: Value::Null,
            outcome: Outcome::Open,
            error: None,
            invoked: position,
            completed: None,
            invoked_time: event.time,
            completed_time: None,
        });
        Ok(())
    }

    fn complete(&mut self, process: u64, position: usize, event: &Event) -> Result<(), String> {
        let Some(place) = self.open.remove(&process) else {
            return Err(format!("process {process} completes an operation that it never began"));
        };
        let operation = &mut self.history.operations[place];
        if (&operation.f, &operation.key) != (&event.f, &event.key) {
            return Err(format!("process {process} completes another operation than it began"));
        }
        operation.error = event.error.clone();
        operation.outcome = match event.event_type {
            EventType::Ok => Outcome::Ok,
            EventType::Fail => Outcome::Fail,
            EventType::Info | EventType::Invoke => Outcome::Info,
        };
        if operation.outcome == Outcome::Info {
            self.retired.insert(process);
            return Ok(());
        }
        operation.completed = Some(position);
        operation.completed_time = Some(event.time);
        if operation.outcome == Outcome::Ok {
            operation.result = event.value.clone();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `0 invoke write 3`: process, type, f, value; one event a line. Times are ten times the index.
    fn events(text: &str) -> Vec<Event> {
        let event = |(index, line): (usize, &str)| {
            let words: Vec<_> = line.split_whitespace().collect();
            let json = serde_json::json!({
                "index": index, "time": index * 10, "process": words[0].parse::<u64>().unwrap(),
                "type": words[1], "f": words[2], "value": words.get(3).and_then(|v| v.parse::<i64>().ok()),
            });
            serde_json::from_value(json).unwrap()
        };
        text.lines().enumerate().map(event).collect()
    }

    fn check(text: &str, line: usize, reason: &str) {
        let malformed = History::pair(events(text)).unwrap_err();
        assert_eq!(malformed.line, line, "{malformed:?}");
        assert!(malformed.reason.contains(reason), "{malformed:?}");
    }

    #[test]
    fn operations_are_paired_and_counted() {
        let text = "0 invoke write 3\n1 invoke read\n1 ok read 3\n0 info write 3\n2 invoke read";
        let history = History::pair(events(text)).unwrap();
        let outcomes: Vec<_> = history.operations.iter().map(|o| (o.process, o.outcome)).collect();
        assert_eq!(outcomes, [(0, Outcome::Info), (1, Outcome::Ok), (2, Outcome::Open)]);
        let read = &history.operations[1];
        assert_eq!((read.invoked, read.completed, read.completed_time), (1, Some(2), Some(20)));
        assert_eq!(history.counts()["read"], OutcomeCounts { ok: 1, fail: 0, info: 1 });
    }

    #[test]
    fn what_is_not_well_formed_is_refused_with_its_line() {
        check("0 invoke read\n0 invoke read", 2, "while another is open");
        check("0 ok read 3", 1, "never began");
        check("0 invoke read\n0 ok write 3", 2, "another operation");
        check("0 invoke write 1\n0 info write 1\n0 invoke read", 3, "used again");
        let mut backwards = events("0 invoke read\n0 ok read 3");
        backwards[0].time = 11;
        assert!(History::pair(backwards.clone()).unwrap_err().reason.contains("runs backwards"));
        backwards[0].time = 0;
        backwards[1].index = 0;
        assert!(History::pair(backwards).unwrap_err().reason.contains("index 0 follows"));
    }
}

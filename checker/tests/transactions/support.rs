//! Histories of transactions from JSON.

use checker::history::History;
use checker::judge::Limits;
use checker::models::Model;
use checker::transactions::{Assumptions, Consistency, Findings, check_assuming};
use serde_json::{Value, json};

/// A history of lines `process type value`, each a nanosecond after the last.
pub(super) fn history(lines: &[&str]) -> History {
    let events = lines.iter().map(|line| {
        let mut words = line.splitn(3, ' ');
        let process: u64 = words.next().unwrap().parse().unwrap();
        let event_type = words.next().unwrap().to_string();
        (process, event_type, serde_json::from_str(words.next().unwrap()).unwrap())
    });
    of_events(events.collect())
}

/// A history of events: process, type, value.
pub(super) fn of_events(events: Vec<(u64, String, Value)>) -> History {
    let event = |(index, (process, event_type, value)): (usize, (u64, String, Value))| {
        let json = json!({
            "index": index, "time": index, "process": process, "type": event_type, "f": "txn", "value": value,
        });
        serde_json::from_value(json).unwrap()
    };
    History::pair(events.into_iter().enumerate().map(event).collect()).unwrap()
}

/// Everything found in a history.
pub(super) fn findings(history: &History, model: Model, consistency: Consistency) -> Findings {
    findings_assuming(history, model, consistency, Assumptions::default())
}

pub(super) fn findings_assuming(
    history: &History,
    model: Model,
    consistency: Consistency,
    assumptions: Assumptions,
) -> Findings {
    check_assuming(history, model, consistency, assumptions, &Limits::default()).unwrap()
}

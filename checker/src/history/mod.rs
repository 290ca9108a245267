//! The history: what clients saw and what was done to the system, one JSON line an event (`docs/formats.md`).

mod event;
mod names;
mod operation;
mod pairing;
mod read;
mod recorder;
mod times;
mod value;
mod write;

pub use event::{Event, EventType, Process, Stage};
pub use operation::{History, Malformed, NEVER, Operation, Outcome, View};
pub(crate) use pairing::Growing;
pub use read::{Error, Tuples};
pub(crate) use read::{lines, reason};
pub use recorder::{Begun, Recorder};
pub use value::{Shape, ValueId, Values};
pub use write::{Compression, Compressor, Format, WriteError};

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A history from events with their times: `process type f value`, the value as JSON without blanks.
    pub(crate) fn history(events: &[(u64, &str)]) -> History {
        try_history(events).unwrap()
    }

    /// A history of nothing but the nemesis.
    pub(crate) fn of_nemesis(nemesis: Vec<Event>) -> History {
        History { nemesis, ..History::default() }
    }

    pub(crate) fn try_history(events: &[(u64, &str)]) -> Result<History, Malformed> {
        let event = |(index, (time, line)): (usize, &(u64, &str))| {
            let words: Vec<_> = line.split_whitespace().collect();
            let process = match words[0].parse::<u64>() {
                Ok(number) => number.into(),
                Err(_) => serde_json::Value::from(words[0]),
            };
            let value = words.get(3).map_or("null", |value| *value);
            let value: serde_json::Value = serde_json::from_str(value).unwrap();
            let json = serde_json::json!({
                "index": index, "time": time, "process": process, "type": words[1], "f": words[2], "value": value,
            });
            serde_json::from_value(json).unwrap()
        };
        History::pair(events.iter().enumerate().map(event).collect())
    }

    fn check(text: &str, line: usize, reason: &str) {
        let events: Vec<_> = text.lines().enumerate().map(|(n, line)| (n as u64, line)).collect();
        let malformed = try_history(&events).unwrap_err();
        assert_eq!(malformed.line, line, "{malformed:?}");
        assert!(malformed.reason.contains(reason), "{malformed:?}");
    }

    #[test]
    fn only_success_tells_a_value() {
        let events = [
            (0, "0 invoke write 3"),
            (1, "1 invoke write 4"),
            (2, "0 info write 7"),
            (3, "1 fail write 8"),
        ];
        let values: Vec<_> = history(&events).views().map(|view| view.value()).collect();
        assert_eq!(values, [3, 4]);
    }

    #[test]
    fn operations_are_paired_and_counted() {
        let history = history(&[
            (0, "0 invoke write 3"),
            (10, "1 invoke read"),
            (20, "1 ok read 3"),
            (30, "0 info write 3"),
            (40, "2 invoke read"),
        ]);
        let outcomes: Vec<_> = history.views().map(|o| (o.process(), o.outcome())).collect();
        assert_eq!(outcomes, [(0, Outcome::Info), (1, Outcome::Ok), (2, Outcome::Open)]);
        let read = history.view(1);
        assert_eq!(
            (read.invoked(), read.completed(), read.completed_time()),
            (1, Some(2), Some(20))
        );
        let counts = crate::verdict::OutcomeCounts { ok: 1, fail: 0, info: 1 };
        assert_eq!(history.counts()["read"], counts);
    }

    #[test]
    fn what_is_not_well_formed_is_refused_with_its_line() {
        check("0 invoke read\n0 invoke read", 2, "while another is open");
        check("0 ok read 3", 1, "never began");
        check("0 invoke read\n0 ok write 3", 2, "another operation");
        check("0 invoke write 1\n0 info write 1\n0 invoke read", 3, "used again");
        let backwards = try_history(&[(11, "0 invoke read"), (10, "0 ok read 3")]).unwrap_err();
        assert!(backwards.reason.contains("runs backwards"), "{backwards:?}");
    }
}

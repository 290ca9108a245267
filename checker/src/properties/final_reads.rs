//! After the heal, clients read every key back: an acknowledged write that is gone for good shows there at the latest.

use crate::history::{History, Outcome};
use crate::verdict::{CheckReport, Verdict};

/// Name of the check.
pub const NAME: &str = "final-reads";

/// Whether each of `keys` was read after the heal.
pub fn check(history: &History, keys: &[String]) -> CheckReport {
    let Some(phase) = history.phase("final-reads") else {
        return CheckReport::new(NAME, Verdict::Unknown, "the run ended before its final reads");
    };
    let read_back = |key: &&String| {
        history.views().any(|operation| {
            operation.f() == "read"
                && operation.outcome() == Outcome::Ok
                && operation.key().is_some_and(|name| name == key.as_str())
                && operation.invoked_time() >= phase.time
        })
    };
    let missing: Vec<_> = keys.iter().filter(|key| !read_back(key)).map(String::as_str).collect();
    if missing.is_empty() {
        CheckReport::new(
            NAME,
            Verdict::Valid,
            format!("all {} keys were read back after the heal", keys.len()),
        )
    } else {
        let detail = format!("not read back after the heal: {}", missing.join(", "));
        CheckReport::new(NAME, Verdict::Unknown, detail)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether a read of `k`, which begins at some time and ends so, counts after final reads from 5 on.
    fn judge(begin: u64, key: &str, outcome: &str) -> Verdict {
        let event = |index: u64,
                     time: u64,
                     process: serde_json::Value,
                     event_type: &str,
                     f: &str| {
            json!({ "index": index, "time": time, "process": process, "type": event_type, "f": f, "value": null })
        };
        let mut phase = event(1, 5, "nemesis".into(), "info", "phase");
        phase["value"] = json!({ "phase": "final-reads" });
        let mut events = vec![event(2 * begin / 5, begin, 0.into(), "invoke", "read"), phase];
        events.push(event(3, 10, 0.into(), outcome, "read"));
        for place in [0, 2] {
            events[place]["key"] = key.into();
        }
        events.sort_by_key(|event| event["index"].as_u64());
        let events = events.into_iter().map(|event| serde_json::from_value(event).unwrap());
        let history = History::pair(events.collect()).unwrap();
        check(&history, &["k".to_string()]).verdict
    }

    #[test]
    fn every_key_is_read_back_with_success_and_after_the_heal() {
        assert_eq!(judge(5, "k", "ok"), Verdict::Valid);
        assert_eq!(judge(0, "k", "ok"), Verdict::Unknown);
        assert_eq!(judge(5, "k", "fail"), Verdict::Unknown);
        assert_eq!(judge(5, "other", "ok"), Verdict::Unknown);
        assert_eq!(check(&History::default(), &[]).verdict, Verdict::Unknown);
    }
}

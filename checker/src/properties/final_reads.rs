//! After the heal, clients look at every object again: an acknowledged change that is gone for good shows there at the latest.

use serde_json::Value;

use crate::history::{History, Outcome, View};
use crate::verdict::{CheckReport, Verdict};

/// Name of the check.
pub const NAME: &str = "final-reads";

/// Whether each of `keys` was read after the heal.
pub fn check(history: &History, keys: &[String]) -> CheckReport {
    let Some(phase) = history.phase("final-reads") else {
        return CheckReport::new(NAME, Verdict::Unknown, "the run ended before its final reads");
    };
    let looks: Vec<_> = history
        .views()
        .filter(|view| view.outcome() == Outcome::Ok && view.invoked_time() >= phase.time)
        .collect();
    let read_back = |key: &&String| looks.iter().any(|view| looks_at(*view, key));
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

/// Whether an operation shows what became of an object. A queue shows it when it was found empty, a lock when it was taken.
fn looks_at(view: View<'_>, key: &str) -> bool {
    match view.f() {
        "txn" => view.value().as_array().is_some_and(|steps| {
            steps
                .iter()
                .any(|step| matches!(step[0].as_str(), Some("r" | "read")) && step[1] == *key)
        }),
        f => {
            view.key().is_some_and(|name| name == key)
                && match f {
                    "read" | "contains" | "acquire" | "generate" => true,
                    "dequeue" => view.value() == Value::Null,
                    _ => false,
                }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether an operation, which begins at some time and ends so, counts as a look at `k` after final reads from 5 on.
    fn judge(begin: u64, key: Option<&str>, f: &str, outcome: &str, result: Value) -> Verdict {
        let event = |index: u64, time: u64, process: Value, event_type: &str, f: &str| json!({ "index": index, "time": time, "process": process, "type": event_type, "f": f, "value": null });
        let mut phase = event(1, 5, "nemesis".into(), "info", "phase");
        phase["value"] = json!({ "phase": "final-reads" });
        let mut events = vec![event(2 * begin / 5, begin, 0.into(), "invoke", f), phase];
        events.push(event(3, 10, 0.into(), outcome, f));
        events[2]["value"] = result;
        for place in [0, 2] {
            if let Some(key) = key {
                events[place]["key"] = key.into();
            }
        }
        events.sort_by_key(|event| event["index"].as_u64());
        let events = events.into_iter().map(|event| serde_json::from_value(event).unwrap());
        let history = History::pair(events.collect()).unwrap();
        check(&history, &["k".to_string()]).verdict
    }

    #[test]
    fn every_key_is_read_back_with_success_and_after_the_heal() {
        let judge = |begin, key, outcome| judge(begin, Some(key), "read", outcome, json!(1));
        assert_eq!(judge(5, "k", "ok"), Verdict::Valid);
        assert_eq!(judge(0, "k", "ok"), Verdict::Unknown);
        assert_eq!(judge(5, "k", "fail"), Verdict::Unknown);
        assert_eq!(judge(5, "other", "ok"), Verdict::Unknown);
        assert_eq!(check(&History::default(), &[]).verdict, Verdict::Unknown);
    }

    #[test]
    fn each_kind_of_object_is_looked_at_in_its_own_way() {
        let judge = |key, f, result| judge(5, key, f, "ok", result);
        let k = Some("k");
        assert_eq!(judge(k, "contains", json!([1, true])), Verdict::Valid);
        assert_eq!(judge(k, "acquire", json!(7)), Verdict::Valid);
        assert_eq!(judge(k, "write", json!(7)), Verdict::Unknown);
        assert_eq!(judge(k, "dequeue", json!(7)), Verdict::Unknown, "there may be more");
        assert_eq!(judge(k, "dequeue", Value::Null), Verdict::Valid);
        assert_eq!(judge(None, "txn", json!([["r", "k", [1]]])), Verdict::Valid);
        assert_eq!(judge(None, "txn", json!([["append", "k", 1]])), Verdict::Unknown);
        assert_eq!(judge(None, "txn", json!([["r", "j", [1]]])), Verdict::Unknown);
    }
}

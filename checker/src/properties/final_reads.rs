//! After the heal, clients read every key back: an acknowledged write that is gone for good shows there at the latest.

use super::report;
use crate::history::{History, Outcome};
use crate::verdict::{CheckReport, Verdict};

/// Name of the check.
pub const NAME: &str = "final-reads";

/// Whether each of `keys` was read after the heal.
pub fn check(history: &History, keys: &[String]) -> CheckReport {
    let Some(phase) = history.phase("final-reads") else {
        return report(NAME, Verdict::Unknown, "the run ended before its final reads");
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
        report(
            NAME,
            Verdict::Valid,
            format!("all {} keys were read back after the heal", keys.len()),
        )
    } else {
        let detail = format!("not read back after the heal: {}", missing.join(", "));
        report(NAME, Verdict::Unknown, detail)
    }
}

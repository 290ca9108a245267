//! Enough operations succeeded for the run to prove anything.

use std::collections::BTreeMap;

use crate::history::History;
use crate::verdict::{CheckReport, Verdict};

/// Name of the check.
pub const NAME: &str = "operations";

/// Whether each kind of operation succeeded at least as often as expected.
pub fn check(history: &History, expected: &BTreeMap<String, u64>) -> CheckReport {
    let counts = history.counts();
    let ok = |f: &str| counts.get(f).map_or(0, |count| count.ok);
    let missed: Vec<_> = expected
        .iter()
        .filter(|(f, least)| ok(f) < **least)
        .map(|(f, least)| format!("{f}: {} ok, {least} expected", ok(f)))
        .collect();
    let all: u64 = counts.values().map(|count| count.ok).sum();
    if !missed.is_empty() {
        CheckReport::new(
            NAME,
            Verdict::Unknown,
            format!("too few succeeded to prove anything: {}", missed.join("; ")),
        )
    } else if all == 0 {
        CheckReport::new(NAME, Verdict::Unknown, "no operation succeeded: nothing was proved")
    } else {
        let each: Vec<_> = counts.iter().map(|(f, count)| format!("{f} {}", count.ok)).collect();
        CheckReport::new(NAME, Verdict::Valid, format!("{all} succeeded: {}", each.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::history as recorded;

    fn history(ok: u64) -> History {
        let each = |n: u64| [(2 * n, "0 invoke read null"), (2 * n + 1, "0 ok read 1")];
        recorded(&(0..ok).flat_map(each).collect::<Vec<_>>())
    }

    #[test]
    fn fewer_than_expected_proves_nothing() {
        let expected = BTreeMap::from([("read".to_string(), 3)]);
        assert_eq!(check(&history(3), &expected).verdict, Verdict::Valid);
        let report = check(&history(2), &expected);
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(report.detail.contains("read: 2 ok, 3 expected"), "{}", report.detail);
        assert_eq!(check(&history(0), &BTreeMap::new()).verdict, Verdict::Unknown);
    }
}

//! Which levels of isolation a cycle or an anomaly refutes: Adya 1999 and Cerone, Bernardi, Gotsman 2015, with the names that Elle gives to the levels.

/// The order in time that a level promises beside isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimeOrder {
    /// None.
    None,
    /// Transactions of one process keep their order.
    Process,
    /// Transactions that do not overlap keep their order.
    RealTime,
}

/// The level without its promise about time, and that promise. What is not known is taken for the strongest.
pub(super) fn parts(consistency: &str) -> (&str, TimeOrder) {
    match consistency {
        "strict-serializable" | "linearizable" => ("serializable", TimeOrder::RealTime),
        _ => match consistency.strip_prefix("strong-") {
            Some(rest) => match rest.strip_prefix("session-") {
                Some(level) => (level, TimeOrder::Process),
                None => (rest, TimeOrder::RealTime),
            },
            None => (consistency, TimeOrder::None),
        },
    }
}

/// The levels that are known here, each with those that it directly implies, which stand before it.
const LEVELS: [(&str, &[&str]); 17] = [
    ("read-uncommitted", &[]),
    ("read-committed", &["read-uncommitted"]),
    ("monotonic-view", &["read-committed"]),
    ("monotonic-snapshot-read", &["read-committed"]),
    ("cursor-stability", &["read-committed"]),
    ("consistent-view", &["cursor-stability", "monotonic-view"]),
    ("forward-consistent-view", &["consistent-view"]),
    ("monotonic-atomic-view", &["read-committed"]),
    ("read-atomic", &["monotonic-atomic-view"]),
    ("update-atomic", &["read-atomic"]),
    ("causal-cerone", &["read-atomic"]),
    ("prefix", &["causal-cerone"]),
    ("parallel-snapshot-isolation", &["causal-cerone", "update-atomic"]),
    ("repeatable-read", &["cursor-stability", "monotonic-atomic-view"]),
    (
        "snapshot-isolation",
        &[
            "forward-consistent-view",
            "monotonic-snapshot-read",
            "parallel-snapshot-isolation",
            "prefix",
        ],
    ),
    ("update-serializable", &["forward-consistent-view"]),
    ("serializable", &["repeatable-read", "snapshot-isolation", "update-serializable"]),
];

/// Whether a level is known.
pub(super) fn is_known(level: &str) -> bool {
    LEVELS.iter().any(|(known, _)| *known == level)
}

/// Whether a level promises all that another does.
fn implies(level: &str, weaker: &str) -> bool {
    let known = LEVELS.iter().find(|(known, _)| *known == level);
    level == weaker || known.is_some_and(|(_, direct)| direct.iter().any(|l| implies(l, weaker)))
}

/// Whether a level rules out a cycle: of writes only, or with so many anti-dependencies, two of them next to each other or not.
pub(super) fn forbids_cycle(
    level: &str,
    writes_only: bool,
    anti_dependencies: usize,
    adjacent: bool,
) -> bool {
    let weakest: &[&str] = match (anti_dependencies, adjacent) {
        (0, _) if writes_only => &["read-uncommitted"],
        (0, _) => &["read-committed"],
        (1, _) => &["consistent-view", "repeatable-read"],
        (_, false) => &["repeatable-read", "snapshot-isolation"],
        (_, true) => &["repeatable-read"],
    };
    weakest.iter().any(|weakest| implies(level, weakest))
}

/// Whether a level rules out an anomaly that is no cycle.
pub(super) fn forbids_anomaly(level: &str, name: &str) -> bool {
    let weakest: &[&str] = match name {
        "duplicate-elements" | "thin-air" => &["read-uncommitted"],
        "internal" => &["read-atomic"],
        "lost-update" => &["cursor-stability", "update-atomic"],
        _ => &["read-committed"],
    };
    weakest.iter().any(|weakest| implies(level, weakest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_taken_apart() {
        assert_eq!(parts("strict-serializable"), ("serializable", TimeOrder::RealTime));
        assert_eq!(
            parts("strong-session-snapshot-isolation"),
            ("snapshot-isolation", TimeOrder::Process)
        );
        assert_eq!(parts("strong-snapshot-isolation"), ("snapshot-isolation", TimeOrder::RealTime));
        assert_eq!(parts("read-committed"), ("read-committed", TimeOrder::None));
    }

    #[test]
    fn weaker_levels_allow_more() {
        assert!(!forbids_cycle("snapshot-isolation", false, 2, true));
        assert!(forbids_cycle("snapshot-isolation", false, 2, false));
        assert!(forbids_cycle("serializable", false, 2, true));
        assert!(!forbids_cycle("read-uncommitted", false, 0, false));
        assert!(forbids_cycle("read-uncommitted", true, 0, false));
        assert!(!is_known("no-such-level"));
        assert!(!forbids_anomaly("read-committed", "internal"));
        assert!(forbids_anomaly("snapshot-isolation", "lost-update"));
        assert!(!forbids_anomaly("read-uncommitted", "G1a"));
    }
}

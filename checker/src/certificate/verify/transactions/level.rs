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

/// The levels that are known here, from weak to strong.
const LEVELS: [&str; 10] = [
    "read-uncommitted",
    "read-committed",
    "monotonic-atomic-view",
    "read-atomic",
    "update-atomic",
    "cursor-stability",
    "consistent-view",
    "repeatable-read",
    "snapshot-isolation",
    "serializable",
];

/// Whether a level is known.
pub(super) fn is_known(level: &str) -> bool {
    LEVELS.contains(&level)
}

/// Whether a known level rules out a cycle: of writes only, or with so many anti-dependencies, two of them next to each other or not.
pub(super) fn forbids_cycle(
    level: &str,
    writes_only: bool,
    anti_dependencies: usize,
    adjacent: bool,
) -> bool {
    match (anti_dependencies, adjacent) {
        (0, _) => writes_only || level != "read-uncommitted",
        (1, _) => matches!(
            level,
            "consistent-view" | "repeatable-read" | "snapshot-isolation" | "serializable"
        ),
        (_, false) => matches!(level, "repeatable-read" | "snapshot-isolation" | "serializable"),
        (_, true) => matches!(level, "repeatable-read" | "serializable"),
    }
}

/// Whether a known level rules out an anomaly that is no cycle.
pub(super) fn forbids_anomaly(level: &str, name: &str) -> bool {
    let atomic = ["read-atomic", "update-atomic", "snapshot-isolation", "serializable"];
    match name {
        "duplicate-elements" => true,
        "internal" => atomic.contains(&level),
        "lost-update" => {
            !["read-uncommitted", "read-committed", "monotonic-atomic-view", "read-atomic"]
                .contains(&level)
        }
        _ => level != "read-uncommitted",
    }
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

//! Reads at followers. Not a promise; a workload may expect to have seen some, or it would not have tested them.

use super::counted;
use crate::history::History;
use crate::verdict::{CheckReport, Verdict};

/// Name of the check.
pub const NAME: &str = "follower-reads";

/// Whether the nodes said at the end (nemesis lines `reads-served`) that they had answered at least `expected` reads as followers.
pub fn check(history: &History, expected: u64) -> CheckReport {
    let told = history.nemesis().iter().filter(|event| event.f == "reads-served");
    let served: Vec<_> = told.filter_map(|event| event.value["followed"].as_u64()).collect();
    let (sum, nodes) = (served.iter().sum::<u64>(), served.iter().filter(|n| **n > 0).count());
    let detail = format!(
        "{sum} reads answered by {} as followers, {expected} expected",
        counted(nodes, "node")
    );
    let verdict = if sum >= expected { Verdict::Valid } else { Verdict::Unknown };
    CheckReport::new(NAME, verdict, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::history;

    #[test]
    fn what_nodes_say_at_the_end_is_added_up() {
        let lines = [
            (1, r#"nemesis info reads-served {"leased":9,"followed":0}"#),
            (1, r#"nemesis info reads-served {"leased":0,"followed":3}"#),
            (1, r#"nemesis info reads-served {"leased":0,"followed":4}"#),
        ];
        let report = check(&history(&lines), 7);
        assert_eq!(report.verdict, Verdict::Valid);
        assert!(report.detail.starts_with("7 reads answered by 2 nodes"), "{}", report.detail);
        assert_eq!(check(&history(&lines), 8).verdict, Verdict::Unknown);
        assert_eq!(check(&History::default(), 1).verdict, Verdict::Unknown);
    }
}

//! Split votes: terms that had several candidates and no leader. Not a promise; a workload may expect to have seen some.

use std::collections::{BTreeMap, BTreeSet};

use super::counted;
use crate::trace::{Event, Trace};
use crate::verdict::{CheckReport, Verdict};

/// Name of the check.
pub const NAME: &str = "split-votes";

/// Whether at least `expected` terms were ties.
pub fn check(traces: &[Trace], expected: u64) -> CheckReport {
    let seen = ties(traces);
    let detail = format!(
        "{} with several candidates and no leader, {expected} expected",
        counted(seen, "term")
    );
    let verdict = if seen as u64 >= expected { Verdict::Valid } else { Verdict::Unknown };
    CheckReport::new(NAME, verdict, detail)
}

fn ties<'a>(traces: &'a [Trace]) -> usize {
    let mut candidates: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    let mut led = BTreeSet::new();
    let lines = |trace: &'a Trace| std::iter::repeat(trace).zip(&trace.lines);
    for (trace, line) in traces.iter().flat_map(lines) {
        match line.event {
            Event::BecameCandidate => {
                candidates.entry(line.term).or_default().insert(&trace.node);
            }
            Event::BecameLeader { .. } => {
                led.insert(line.term);
            }
            _ => {}
        }
    }
    candidates.iter().filter(|(term, nodes)| nodes.len() > 1 && !led.contains(term)).count()
}

#[cfg(test)]
mod tests {
    use super::super::raft::tests::traces;
    use super::*;

    #[test]
    fn a_tie_is_two_candidates_and_no_leader() {
        let tie = traces("n1.1 1 candidate\nn2.1 1 candidate\nn1.1 2 candidate\nn1.1 2 leader");
        assert_eq!(check(&tie, 1).verdict, Verdict::Valid);
        assert_eq!(check(&tie, 2).verdict, Verdict::Unknown);
        let contested = traces("n1.1 1 candidate\nn2.1 1 candidate\nn1.1 1 leader");
        assert_eq!(check(&contested, 1).verdict, Verdict::Unknown);
        let alone = traces("n1.1 1 candidate\nn1.2 1 candidate");
        assert_eq!(check(&alone, 1).verdict, Verdict::Unknown);
    }
}

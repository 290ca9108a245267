//! Election safety: at most one leader in a term (Raft, figure 3). Over all nodes, and over all incarnations of a node: one that was leader,
//! was started again and is leader of the same term has forgotten what it promised.

use std::collections::BTreeMap;

use super::{counted, invalid, report};
use crate::trace::{Event, Line, Trace};
use crate::verdict::{CheckReport, Verdict, Violation};

/// Name of the check.
pub const NAME: &str = "election-safety";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let mut leaders: BTreeMap<u64, Vec<&Line>> = BTreeMap::new();
    for line in traces.iter().flat_map(|trace| &trace.lines) {
        if matches!(line.event, Event::BecameLeader { .. }) {
            leaders.entry(line.term).or_default().push(line);
        }
    }
    let terms = counted(leaders.len(), "term");
    let violations: Vec<_> =
        leaders.iter().filter_map(|(term, lines)| violation(*term, lines)).collect();
    if leaders.is_empty() {
        report(NAME, Verdict::Unknown, "no node ever became leader: nothing was proved")
    } else if violations.is_empty() {
        report(NAME, Verdict::Valid, format!("one leader in each of {terms} that had one"))
    } else {
        let bad = counted(violations.len(), "term");
        invalid(NAME, format!("{bad} of {terms} had more than one leader"), violations)
    }
}

fn violation(term: u64, leaders: &[&Line]) -> Option<Violation> {
    let [first, second, ..] = leaders else { return None };
    let name = |line: &Line| format!("{} (incarnation {})", line.node, line.incarnation);
    let names: Vec<_> = leaders.iter().map(|line| name(line)).collect();
    let explanation = leaders
        .iter()
        .map(|line| {
            format!("{}.{} became leader of term {term}: line {} of its trace.", line.node, line.incarnation, line.seq + 1)
        })
        .chain(["A majority votes once in a term, and two majorities share a node: that node voted twice, or no majority was asked.".into()])
        .collect();
    Some(Violation {
        summary: format!("term {term} had {} leaders: {}", leaders.len(), names.join(" and ")),
        time: Some(first.time.max(second.time)),
        key: None,
        explanation,
        operations: vec![],
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Traces from `n1.1 3 leader`: node and incarnation, term, event; lines of one file in order.
    pub(crate) fn traces(text: &str) -> Vec<Trace> {
        let mut traces: BTreeMap<(String, u64), Trace> = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let (node, incarnation) = words[0].split_once('.').unwrap();
            let (node, incarnation) = (node.to_string(), incarnation.parse().unwrap());
            let event = match words[2] {
                "leader" => Event::BecameLeader { last_index: 0, last_term: 0 },
                "candidate" => Event::BecameCandidate,
                "follower" => Event::BecameFollower { leader: None },
                other => panic!("{other}"),
            };
            let trace = traces.entry((node.clone(), incarnation)).or_insert_with(|| Trace {
                node: node.clone(),
                incarnation,
                lines: vec![],
            });
            let (seq, term) = (trace.lines.len() as u64, words[1].parse().unwrap());
            trace.lines.push(Line { node, incarnation, seq, time: seq, term, event });
        }
        traces.into_values().collect()
    }

    #[test]
    fn one_leader_a_term_is_valid() {
        let report = check(&traces("n1.1 1 leader\nn2.1 2 leader\nn1.2 3 leader"));
        assert_eq!(
            (report.verdict, report.detail.as_str()),
            (Verdict::Valid, "one leader in each of 3 terms that had one")
        );
    }

    #[test]
    fn two_leaders_of_a_term_are_named() {
        let report = check(&traces("n1.1 1 leader\nn2.1 4 leader\nn3.2 4 leader"));
        assert_eq!(report.verdict, Verdict::Invalid);
        let summary = &report.violations[0].summary;
        assert_eq!(summary, "term 4 had 2 leaders: n2 (incarnation 1) and n3 (incarnation 2)");
    }

    #[test]
    fn a_node_that_leads_a_term_again_after_a_restart_is_a_violation() {
        let report = check(&traces("n1.1 4 leader\nn1.2 4 leader"));
        assert_eq!(report.verdict, Verdict::Invalid);
    }

    #[test]
    fn without_a_leader_nothing_is_proved() {
        assert_eq!(check(&traces("n1.1 1 candidate")).verdict, Verdict::Unknown);
        assert_eq!(check(&[]).verdict, Verdict::Unknown);
    }
}

//! Election safety as seen on the wire: who sent as leader of which term, told by whoever passed the messages on.
//!
//! It rests on nothing that a node says of itself: a node that tells its trace one thing and its peers another is found out here. What was seen
//! on the wire must also stand in the traces, which are written before a message leaves.

use std::collections::{BTreeMap, BTreeSet};

use super::counted;
use crate::history::{Event, History};
use crate::trace::{self, Trace};
use crate::verdict::{CheckReport, Verdict, Violation};

/// Name of the check.
pub const NAME: &str = "wire-leaders";

/// Judges a history, if somebody looked at the messages of the run.
pub fn check(history: &History, traces: &[Trace]) -> Option<CheckReport> {
    let mut terms: BTreeMap<u64, Vec<&Event>> = BTreeMap::new();
    for event in history.nemesis().iter().filter(|event| event.f == "wire-leader") {
        terms.entry(event.value["term"].as_u64()?).or_default().push(event);
    }
    if terms.is_empty() {
        return None;
    }
    let told = told(traces);
    let several = terms.iter().filter_map(|(term, leaders)| several(*term, leaders));
    let secret = terms.iter().flat_map(|(term, leaders)| {
        leaders.iter().filter_map(|leader| secret(*term, leader, &told))
    });
    let violations: Vec<_> = several.chain(secret.filter(|_| !traces.is_empty())).collect();
    Some(match violations.first() {
        None => {
            let detail = format!(
                "one node sent as leader in each of {} that were seen",
                counted(terms.len(), "term")
            );
            CheckReport::new(NAME, Verdict::Valid, detail)
        }
        Some(first) => {
            let detail = first.summary.clone();
            CheckReport::invalid(NAME, detail, violations)
        }
    })
}

/// Who told its trace that it leads, in which term.
fn told(traces: &[Trace]) -> BTreeSet<(&str, u64)> {
    let lines =
        traces.iter().flat_map(|trace| trace.lines.iter().map(|line| (trace.node.as_str(), line)));
    lines
        .filter(|(_, line)| matches!(line.event, trace::Event::BecameLeader { .. }))
        .map(|(node, line)| (node, line.term))
        .collect()
}

fn several(term: u64, leaders: &[&Event]) -> Option<Violation> {
    let nodes: BTreeSet<_> = leaders.iter().filter_map(|leader| leader.node.as_deref()).collect();
    if nodes.len() < 2 {
        return None;
    }
    let names = nodes.into_iter().collect::<Vec<_>>().join(" and ");
    let time = leaders.iter().map(|leader| leader.time).max();
    Some(Violation {
        summary: format!("{names} sent as leaders of term {term}"),
        time,
        key: None,
        explanation: leaders
            .iter()
            .map(|leader| {
                format!("{} did so first: line {} of the history.", name(leader), leader.index + 1)
            })
            .collect(),
        operations: vec![],
    })
}

fn secret(term: u64, leader: &Event, told: &BTreeSet<(&str, u64)>) -> Option<Violation> {
    let node = leader.node.as_deref()?;
    if told.contains(&(node, term)) {
        return None;
    }
    Some(Violation {
        summary: format!(
            "{node} sent as leader of term {term}, and its trace does not say that it led"
        ),
        time: Some(leader.time),
        key: None,
        explanation: vec![format!(
            "It was seen on the wire: line {} of the history.",
            leader.index + 1
        )],
        operations: vec![],
    })
}

fn name(event: &Event) -> &str {
    event.node.as_deref().unwrap_or("a node")
}

#[cfg(test)]
mod tests {
    use super::super::faults_effective::tests::nemesis;
    use super::super::raft::tests::traces;
    use super::*;
    use crate::history::tests::of_nemesis;

    fn seen(node: &str, term: u64) -> Event {
        let event = nemesis("wire-leader", &format!(r#"{{"term":{term}}}"#));
        Event { node: Some(node.into()), ..event }
    }

    #[test]
    fn one_sender_a_term_is_valid_and_nobody_looking_is_no_check() {
        let history = of_nemesis(vec![seen("n1", 1), seen("n2", 2)]);
        let report = check(&history, &traces("n1.1 1 leader\nn2.1 2 leader")).unwrap();
        assert_eq!(report.verdict, Verdict::Valid);
        assert_eq!(check(&History::default(), &[]), None);
    }

    #[test]
    fn two_senders_of_a_term_are_named() {
        let history = of_nemesis(vec![seen("n1", 4), seen("n3", 4)]);
        let report = check(&history, &[]).unwrap();
        assert_eq!(report.verdict, Verdict::Invalid);
        assert_eq!(report.violations[0].summary, "n1 and n3 sent as leaders of term 4");
    }

    #[test]
    fn who_sends_as_leader_and_does_not_say_so_is_named() {
        let history = of_nemesis(vec![seen("n1", 1), seen("n2", 2)]);
        let report = check(&history, &traces("n1.1 1 leader\nn2.1 2 candidate")).unwrap();
        assert_eq!(report.verdict, Verdict::Invalid);
        assert!(report.detail.contains("n2 sent as leader of term 2, and its trace"));
    }
}

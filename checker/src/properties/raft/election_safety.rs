//! Election safety: at most one leader in a term (Raft, figure 3). Over all nodes, and over all incarnations of a node: one that was leader,
//! was started again and is leader of the same term has forgotten what it promised.

use std::collections::BTreeMap;

use super::{Place, conclude, counted, places, violation};
use crate::trace::{Event, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "election-safety";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let mut leaders: BTreeMap<u64, Vec<Place<'_>>> = BTreeMap::new();
    for place in traces.iter().flat_map(places) {
        if matches!(place.line().event, Event::BecameLeader { .. }) {
            leaders.entry(place.line().term).or_default().push(place);
        }
    }
    let good = format!("one leader in each of {} that had one", counted(leaders.len(), "term"));
    let violations = leaders.iter().filter_map(|(term, leaders)| several(*term, leaders)).collect();
    conclude(NAME, leaders.len(), "no node ever became leader", good, violations)
}

fn several(term: u64, leaders: &[Place<'_>]) -> Option<Violation> {
    let [_, second, ..] = leaders else { return None };
    let name = |leader: &Place<'_>| {
        format!("{} (incarnation {})", leader.trace.node, leader.trace.incarnation)
    };
    let names: Vec<_> = leaders.iter().map(name).collect();
    let explanation = leaders
        .iter()
        .map(|leader| leader.cite(format_args!("became leader of term {term}")))
        .chain(["A majority votes once in a term, and two majorities share a node: that node voted twice, or no majority was asked.".into()])
        .collect();
    let time = leaders[0].line().time.max(second.line().time);
    let names = names.join(" and ");
    Some(violation(
        format!("term {term} had {} leaders: {names}", leaders.len()),
        time,
        explanation,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    #[test]
    fn one_leader_a_term_is_valid() {
        let traces = "n1.1 1 leader\nn2.1 2 leader\nn1.2 3 leader";
        valid(check, traces, "one leader in each of 3 terms that had one");
    }

    #[test]
    fn two_leaders_of_a_term_are_named() {
        refuted(
            check,
            "n1.1 1 leader\nn2.1 4 leader\nn3.2 4 candidate\nn3.2 4 leader",
            "term 4 had 2 leaders: n2 (incarnation 1) and n3 (incarnation 2)",
            &["n2.1 became leader of term 4: line 1", "n3.2 became leader of term 4: line 2"],
        );
    }

    #[test]
    fn a_node_that_leads_a_term_again_after_a_restart_is_a_violation() {
        refuted(
            check,
            "n1.1 4 leader\nn1.2 4 leader",
            "term 4 had 2 leaders: n1 (incarnation 1) and n1 (incarnation 2)",
            &[],
        );
    }

    #[test]
    fn without_a_leader_nothing_is_proved() {
        unknown(check, "n1.1 1 candidate");
    }
}

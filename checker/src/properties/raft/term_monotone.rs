//! Terms: a node's term never goes back (Raft, 5.1), restarts included: it is durable before anybody hears of it (figure 2, persistent state).

use super::{Place, by_node, conclude, counted, places, violation};
use crate::trace::Trace;
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "term-monotone";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let (mut steps, mut violations) = (0, Vec::new());
    for incarnations in by_node(traces) {
        let lines: Vec<_> = incarnations.into_iter().flat_map(places).collect();
        for pair in lines.windows(2) {
            let (before, after) = (pair[0].line().term, pair[1].line().term);
            steps += usize::from(after > before);
            violations.extend((after < before).then(|| back(pair[0], pair[1])));
        }
    }
    let good = format!("no node went back in {}", counted(steps, "change"));
    conclude(NAME, steps, "the term of no node ever changed", good, violations)
}

fn back(before: Place<'_>, after: Place<'_>) -> Violation {
    let (from, to) = (before.line().term, after.line().term);
    let restarted = after.trace.incarnation != before.trace.incarnation;
    let when = if restarted { " when it was restarted" } else { "" };
    violation(
        format!("{} went back from term {from} to term {to}{when}", after.trace.node),
        after.line().time,
        vec![
            before.cite(format_args!("was in term {from}")),
            after.cite(format_args!("was in term {to}")),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    #[test]
    fn terms_grow_over_restarts() {
        let traces =
            "n1.1 0 start\nn1.1 1 candidate\nn1.2 4 restart 0@0\nn1.2 5 follower\nn2.1 1 follower";
        valid(check, traces, "no node went back in 3 changes");
    }

    #[test]
    fn a_term_that_goes_back_is_named() {
        refuted(
            check,
            "n1.1 1 follower\nn1.1 3 follower\nn1.1 2 follower",
            "n1 went back from term 3 to term 2",
            &["n1.1 was in term 3: line 2", "n1.1 was in term 2: line 3"],
        );
        refuted(
            check,
            "n1.2 3 restart 0@0\nn1.10 2 restart 0@0",
            "n1 went back from term 3 to term 2 when it was restarted",
            &["n1.2 was in term 3: line 1", "n1.10 was in term 2: line 1"],
        );
    }

    #[test]
    fn without_a_change_nothing_is_proved() {
        unknown(check, "n1.1 3 restart 0@0\nn1.1 3 follower");
    }
}

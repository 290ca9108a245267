//! Log matching: two logs with an entry of the same index and term are the same up to there (Raft, figure 3). Logs of all nodes at all
//! times: one that lost the entry later had it all the same.

use super::agreement::Agreement;
use super::{Place, conclude, counted, places, violation};
use crate::trace::{Event, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "log-matching";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let mut logs = Agreement::new();
    for place in traces.iter().flat_map(places) {
        if let Some(at) = place.line().event.position() {
            logs.see((at.index, at.entry_term), at.hash, place);
        }
    }
    let compared = logs.compared();
    let good = format!("{} compared between logs", counted(compared, "place"));
    let violations = logs.contradictions().map(|(at, places)| differ(at, places)).collect();
    conclude(NAME, compared, "no entry was seen in two logs", good, violations)
}

fn differ((index, term): (u64, u64), places: [Place<'_>; 2]) -> Violation {
    let [first, second] = places.map(Place::who);
    let time = places.map(|place| place.line().time);
    let cites = places.map(|place| {
        let hash = place.line().event.position().map(|at| at.hash.to_string()).unwrap_or_default();
        place.cite(format_args!("{} {index} of term {term}, log {hash}", did(place)))
    });
    let mut explanation = cites.to_vec();
    explanation.push("A leader has one entry at an index, and a follower takes it only where its log before it is the leader's.".into());
    violation(
        format!("{first} and {second} have different logs up to index {index} of term {term}"),
        time[0].max(time[1]),
        explanation,
    )
}

/// What the node did with an entry, as in `appended entry 7`.
fn did(place: Place<'_>) -> &'static str {
    match place.line().event {
        Event::Appended { .. } => "appended entry",
        Event::Committed { .. } => "committed up to entry",
        Event::Applied { .. } => "applied entry",
        Event::Installed { .. } => "took over a snapshot up to entry",
        _ => "started with a log that ended with entry",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    #[test]
    fn logs_may_differ_where_their_terms_differ() {
        let traces =
            "n1.1 1 append 1@1 a\nn1.1 1 append 2@1 b\nn2.1 2 append 1@1 a\nn2.1 2 append 2@2 c";
        valid(check, traces, "1 place compared between logs");
        valid(check, "n1.1 1 append 1@1 a\nn1.2 1 restart 1@1 a", "1 place compared between logs");
    }

    #[test]
    fn logs_that_differ_at_an_index_and_term_are_named() {
        refuted(
            check,
            "n1.1 2 append 1@1 a\nn1.1 2 append 2@2 b\nn2.1 2 append 2@2 c\nn3.1 3 append 3@2 d",
            "n1.1 and n2.1 have different logs up to index 2 of term 2",
            &[
                "n1.1 appended entry 2 of term 2, log 000000000000000b: line 2",
                "n2.1 appended entry 2 of term 2, log 000000000000000c: line 1",
            ],
        );
        refuted(
            check,
            "n1.1 1 append 1@1 a\nn1.2 1 restart 1@1 f",
            "n1.1 and n1.2 have different logs up to index 1 of term 1",
            &["n1.2 started with a log that ended with entry 1 of term 1"],
        );
    }

    #[test]
    fn without_two_logs_nothing_is_proved() {
        unknown(check, "n1.1 1 append 1@1 a\nn1.1 1 commit 1@1 a\nn2.1 1 append 2@1 b");
    }
}

//! State machine safety: no two nodes apply different entries at an index (Raft, figure 3); each applies every entry once and in order, from
//! the first, or the first after its snapshot, after each start; and where nodes take a digest of their state, the same entries lead to the same state.

use super::agreement::Agreement;
use super::{Place, conclude, counted, entries, places, violation};
use crate::trace::{Event, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "state-machine-safety";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let (mut logs, mut states, mut violations) = (Agreement::new(), Agreement::new(), Vec::new());
    for trace in traces {
        let mut applied = 0;
        for place in places(trace) {
            let (at, state) = match &place.line().event {
                Event::Applied { at, state } => (at, state),
                Event::Installed { at, .. } | Event::Restarted { snapshot: Some(at), .. } => {
                    // Its state is what the entries up to there lead to.
                    applied = at.index;
                    logs.see(at.index, at.hash, place);
                    continue;
                }
                _ => continue,
            };
            violations.extend((at.index != applied + 1).then(|| skipped(applied, at.index, place)));
            applied = at.index;
            logs.see(at.index, at.hash, place);
            if let Some(state) = *state {
                states.see((at.index, at.hash), state, place);
            }
        }
    }
    let compared = logs.compared();
    let good = match states.compared() {
        0 => format!("{} applied alike", entries(compared)),
        states => {
            format!("{} applied alike, {} equal", entries(compared), counted(states, "state"))
        }
    };
    violations.extend(logs.contradictions().map(|(index, places)| {
        differ(index, places, "applied different entries or a different order of them")
    }));
    violations.extend(states.contradictions().map(|((index, _), places)| {
        differ(index, places, "applied the same entries and are in different states")
    }));
    conclude(NAME, compared, "no entry was applied twice", good, violations)
}

fn skipped(before: u64, index: u64, place: Place<'_>) -> Violation {
    let after = match before {
        0 => "right after its start".to_string(),
        _ => format!("after index {before}"),
    };
    violation(
        format!("{} applied index {index} {after}", place.who()),
        place.line().time,
        vec![
            place.cite(format_args!("applied index {index} {after}")),
            format!("Index {} was due.", before + 1),
        ],
    )
}

fn differ(index: u64, places: [Place<'_>; 2], what: &str) -> Violation {
    let [first, second] = places.map(Place::who);
    let time = places.map(|place| place.line().time);
    let cites = places.map(|place| match &place.line().event {
        Event::Applied { at, state } => {
            let state = state.map(|state| format!(", state {state}")).unwrap_or_default();
            let (term, hash) = (at.entry_term, at.hash);
            place.cite(format_args!("applied index {index} of term {term}, log {hash}{state}"))
        }
        Event::Installed { at, .. } | Event::Restarted { snapshot: Some(at), .. } => {
            let (index, term, hash) = (at.index, at.entry_term, at.hash);
            place
                .cite(format_args!("had a snapshot up to index {index} of term {term}, log {hash}"))
        }
        _ => place.who(),
    });
    let summary = format!("{first} and {second} {what}, up to index {index}");
    violation(summary, time[0].max(time[1]), cites.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    #[test]
    fn nodes_and_incarnations_apply_the_same() {
        let traces =
            "n1.1 1 apply 1@1 a\nn1.1 1 apply 2@1 b\nn1.2 2 apply 1@1 a\nn2.1 1 apply 1@1 a";
        valid(check, traces, "1 entry applied alike");
        let digests = "n1.1 1 apply 1@1 a 77\nn2.1 1 apply 1@1 a 77";
        valid(check, digests, "1 entry applied alike, 1 state equal");
    }

    #[test]
    fn who_applied_something_else_is_named() {
        refuted(
            check,
            "n1.1 1 apply 1@1 a\nn1.1 1 apply 2@1 b\nn2.1 1 apply 1@1 a\nn2.1 2 apply 2@2 c",
            "n1.1 and n2.1 applied different entries or a different order of them, up to index 2",
            &[
                "n1.1 applied index 2 of term 1, log 000000000000000b: line 2",
                "n2.1 applied index 2 of term 2, log 000000000000000c: line 2",
            ],
        );
    }

    #[test]
    fn who_came_to_another_state_is_named() {
        refuted(
            check,
            "n1.1 1 apply 1@1 a 77\nn2.1 1 apply 1@1 a 78",
            "n1.1 and n2.1 applied the same entries and are in different states, up to index 1",
            &["log 000000000000000a, state 0000000000000077: line 1", "state 0000000000000078"],
        );
    }

    #[test]
    fn who_skipped_or_repeated_an_entry_is_named() {
        let cited = ["Index 2 was due"];
        let skipped = "n1.1 1 apply 1@1 a\nn1.1 1 apply 3@1 c";
        refuted(check, skipped, "n1.1 applied index 3 after index 1", &cited);
        let repeated = "n1.1 1 apply 1@1 a\nn1.1 1 apply 1@1 a";
        refuted(check, repeated, "n1.1 applied index 1 after index 1", &cited);
        let late = "n1.2 1 apply 2@1 b";
        refuted(check, late, "n1.2 applied index 2 right after its start", &["Index 1 was due"]);
    }

    #[test]
    fn without_two_that_applied_nothing_is_proved() {
        unknown(check, "n1.1 1 apply 1@1 a\nn1.1 1 apply 2@1 b\nn2.1 1 commit 1@1 a");
    }

    #[test]
    fn a_snapshot_stands_for_the_entries_that_it_covers() {
        let one = "n1.1 1 apply 1@1 a\nn1.1 1 apply 2@1 b\nn1.1 1 apply 3@1 c\n";
        valid(
            check,
            &(one.to_string() + "n2.1 1 install 2@1 b 2\nn2.1 1 apply 3@1 c"),
            "2 entries applied alike",
        );
        valid(
            check,
            &(one.to_string() + "n1.2 1 restart 2@1 b - 2@1 b\nn1.2 1 apply 3@1 c"),
            "2 entries applied alike",
        );
        refuted(
            check,
            &(one.to_string() + "n2.1 1 install 2@1 e 2"),
            "n1.1 and n2.1 applied different entries or a different order of them, up to index 2",
            &["n2.1 had a snapshot up to index 2 of term 1, log 000000000000000e: line 1"],
        );
        refuted(
            check,
            &(one.to_string() + "n2.1 1 install 2@1 b 2\nn2.1 1 apply 4@1 d"),
            "n2.1 applied index 4 after index 2",
            &[],
        );
    }
}

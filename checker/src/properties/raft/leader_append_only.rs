//! Leader append-only: a leader never removes or replaces entries of its log, it only appends its own (Raft, figure 3).

use super::{Place, conclude, entries, places, violation};
use crate::trace::{Event, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "leader-append-only";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let (mut appended, mut violations) = (0, Vec::new());
    for trace in traces {
        let mut leadership = None;
        for place in places(trace) {
            appended += usize::from(
                leadership.is_some() && matches!(place.line().event, Event::Appended { .. }),
            );
            violations.extend(follow(&mut leadership, place));
        }
    }
    let good = format!("{} appended by leaders, none removed", entries(appended));
    conclude(NAME, appended, "no leader appended anything", good, violations)
}

/// A leader and the end of its log.
#[derive(Clone, Copy)]
struct Leadership<'a> {
    elected: Place<'a>,
    last_index: u64,
}

fn follow<'a>(leadership: &mut Option<Leadership<'a>>, place: Place<'a>) -> Option<Violation> {
    match &place.line().event {
        Event::BecameLeader { last_index, .. } => {
            *leadership = Some(Leadership { elected: place, last_index: *last_index });
            None
        }
        Event::BecameFollower { .. } | Event::BecameCandidate => {
            *leadership = None;
            None
        }
        Event::Truncated { from } => {
            let leader = leadership.take()?; // What it appends next would be wrong again, of no interest.
            Some(broken(leader, place, format!("removed its log from index {from} on")))
        }
        Event::Installed { at, .. } => {
            let leader = leadership.take()?;
            let did = format!("put a snapshot up to index {} in the place of its log", at.index);
            Some(broken(leader, place, did))
        }
        Event::Appended { at } => {
            let leader = leadership.as_mut()?;
            let wrong = if at.index <= leader.last_index {
                Some(format!("replaced entry {}", at.index))
            } else if at.entry_term != leader.elected.line().term {
                Some(format!("appended entry {} of term {}", at.index, at.entry_term))
            } else {
                None
            };
            let before = *leader;
            leader.last_index = at.index;
            wrong.map(|wrong| broken(before, place, wrong))
        }
        _ => None,
    }
}

fn broken(leader: Leadership<'_>, place: Place<'_>, did: String) -> Violation {
    let Leadership { elected, last_index } = leader;
    let term = elected.line().term;
    violation(
        format!("{} {did} while it was leader of term {term}", place.trace.node),
        place.line().time,
        vec![
            elected.cite(format_args!("became leader of term {term}")),
            place.cite(format_args!("{did}; its log went up to index {last_index}")),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    #[test]
    fn leaders_append_and_followers_may_remove() {
        valid(
            check,
            "n1.1 2 leader 1@1\nn1.1 2 append 2@2 b\nn1.1 2 append 3@2 c\nn1.1 3 follower n2\nn1.1 3 truncate 2\nn1.1 3 append 2@3 d",
            "2 entries appended by leaders, none removed",
        );
    }

    #[test]
    fn a_leader_that_removes_replaces_or_takes_entries_of_others_is_named() {
        let cited = "n1.1 became leader of term 2: line 1";
        refuted(
            check,
            "n1.1 2 leader 1@1\nn1.1 2 truncate 1",
            "n1 removed its log from index 1 on while it was leader of term 2",
            &[cited, "its log went up to index 1: line 2"],
        );
        refuted(
            check,
            "n1.1 2 leader 4@1\nn1.1 2 append 4@2 b",
            "n1 replaced entry 4 while it was leader of term 2",
            &[cited, "its log went up to index 4: line 2"],
        );
        refuted(
            check,
            "n1.1 2 leader 4@1\nn1.1 2 append 5@1 b",
            "n1 appended entry 5 of term 1 while it was leader of term 2",
            &[cited],
        );
    }

    #[test]
    fn without_a_leaders_entry_nothing_is_proved() {
        unknown(check, "n1.1 2 leader 4@1\nn2.1 2 append 1@1 a");
    }

    #[test]
    fn a_leader_takes_over_no_snapshot() {
        let summary =
            "n1 put a snapshot up to index 4 in the place of its log while it was leader of term 2";
        refuted(check, "n1.1 2 leader 1@1\nn1.1 2 install 4@2 d 4", summary, &[]);
    }
}

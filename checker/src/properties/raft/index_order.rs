//! Order of indexes: at every moment, applied <= committed <= last index of the log (Raft, figure 2). And the log has no gaps, and a node
//! acknowledges and names as its own only what is in it.

use super::{Place, conclude, places, violation};
use crate::trace::{Event, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "index-order";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let (mut judged, mut violations) = (0, Vec::new());
    for trace in traces {
        let mut indexes = Indexes::default();
        for place in places(trace) {
            let is_index =
                matches!(place.line().event, Event::Committed { .. } | Event::Applied { .. });
            judged += usize::from(is_index);
            if let Err(wrong) = indexes.follow(&place.line().event) {
                violations.push(out_of_order(wrong, &indexes, place));
                break; // What follows rests on it.
            }
        }
    }
    let good = format!("{judged} commits and applications in order");
    conclude(NAME, judged, "nothing was ever committed", good, violations)
}

/// Where a node stands.
#[derive(Default)]
struct Indexes {
    /// The end of its log; nothing before the trace tells.
    last: Option<u64>,
    committed: u64,
    applied: u64,
}

impl Indexes {
    /// Takes the next event, or says in which way it is out of order.
    fn follow(&mut self, event: &Event) -> Result<(), String> {
        let last = self.last.unwrap_or(u64::MAX);
        match event {
            Event::Started { .. } => *self = Self { last: Some(0), ..Self::default() },
            Event::Restarted { last_index, snapshot, .. } => {
                let covered = snapshot.map_or(0, |at| at.index);
                ensure(covered <= *last_index, || {
                    format!("started on a snapshot up to index {covered}")
                })?;
                *self = Self { last: Some(*last_index), committed: covered, applied: covered };
            }
            Event::Installed { at, log_ends } => {
                let newer = at.index > self.committed && at.index <= *log_ends;
                ensure(newer, || format!("took over a snapshot up to index {}", at.index))?;
                *self = Self { last: Some(*log_ends), committed: at.index, applied: at.index };
            }
            Event::BecameLeader { last_index, .. } => {
                let same = self.last.is_none_or(|last| last == *last_index);
                ensure(same, || format!("became leader with a log up to index {last_index}"))?;
            }
            Event::Appended { at } => {
                let next = self.last.is_none_or(|last| last.checked_add(1) == Some(at.index));
                ensure(next, || format!("appended entry {}", at.index))?;
                self.last = Some(at.index);
            }
            Event::Truncated { from } => {
                let gone = *from > self.committed && *from <= last;
                ensure(gone, || format!("removed entry {from}"))?;
                self.last = Some(from - 1);
            }
            Event::Acked { match_index, .. } => {
                ensure(*match_index <= last, || format!("acknowledged index {match_index}"))?;
            }
            Event::Committed { at } => {
                let held = self.applied <= at.index && at.index <= last;
                ensure(held, || format!("committed index {}", at.index))?;
                self.committed = at.index;
            }
            Event::Applied { at, .. } => {
                ensure(at.index <= self.committed, || format!("applied index {}", at.index))?;
                self.applied = at.index;
            }
            Event::BecameFollower { .. }
            | Event::BecamePreCandidate
            | Event::BecameCandidate
            | Event::Configured { .. }
            | Event::ConnectionRefused { .. }
            | Event::StateDigest { .. }
            | Event::VoteGranted { .. } => {}
        }
        Ok(())
    }
}

fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}

fn out_of_order(wrong: String, before: &Indexes, place: Place<'_>) -> Violation {
    let last = before.last.map_or_else(|| "unknown".into(), |last| last.to_string());
    let Indexes { committed, applied, .. } = before;
    violation(
        format!(
            "{} {wrong}: its log went up to {last}, it had committed {committed} and applied {applied}",
            place.who()
        ),
        place.line().time,
        vec![place.cite(wrong)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    const TWO: &str = "n1.1 0 start\nn1.1 1 append 1@1 a\nn1.1 1 append 2@1 b\nn1.1 1 ack n2 2\n";

    #[test]
    fn applied_committed_and_last_stand_in_this_order() {
        let traces = TWO.to_string()
            + "n1.1 1 commit 1@1 a\nn1.1 1 apply 1@1 a\nn1.1 2 truncate 2\nn1.1 2 append 2@2 c
               n1.2 2 restart 2@2 c\nn1.2 3 leader 2@2\nn1.2 3 append 3@3 d";
        valid(check, &traces, "2 commits and applications in order");
    }

    #[test]
    fn what_is_out_of_order_is_named() {
        for (line, wrong) in [
            ("n1.1 1 commit 3@1 c", "committed index 3"),
            ("n1.1 1 apply 1@1 a", "applied index 1"),
            ("n1.1 1 append 4@1 d", "appended entry 4"),
            ("n1.1 1 append 2@1 d", "appended entry 2"),
            ("n1.1 1 truncate 3", "removed entry 3"),
            ("n1.1 1 truncate 0", "removed entry 0"),
            ("n1.1 1 ack n2 3", "acknowledged index 3"),
            ("n1.1 1 leader 1@1", "became leader with a log up to index 1"),
        ] {
            refuted(
                check,
                &(TWO.to_string() + line),
                &format!("n1.1 {wrong}: its log went up to 2, it had committed 0 and applied 0"),
                &[&format!("n1.1 {wrong}: line 5 of its trace.")],
            );
        }
        let applied = "n1.1 1 commit 2@1 b\nn1.1 1 apply 1@1 a\nn1.1 1 apply 2@1 b\n";
        for (line, wrong) in
            [("n1.1 2 truncate 2", "removed entry 2"), ("n1.1 1 commit 1@1 a", "committed index 1")]
        {
            refuted(
                check,
                &(TWO.to_string() + applied + line),
                &format!("n1.1 {wrong}: its log went up to 2, it had committed 2 and applied 2"),
                &["line 8"],
            );
        }
    }

    #[test]
    fn without_a_commit_nothing_is_proved() {
        unknown(check, TWO);
    }

    #[test]
    fn a_snapshot_moves_all_indexes_on_and_never_back() {
        let two = "n1.1 0 start\nn1.1 1 append 1@1 a\nn1.1 1 append 2@1 b\nn1.1 1 commit 2@1 b\n";
        valid(
            check,
            &(two.to_string()
                + "n1.1 1 install 5@1 e 5\nn1.1 1 append 6@1 f\nn1.1 1 commit 6@1 f\nn1.1 1 apply 6@1 f"),
            "3 commits and applications in order",
        );
        valid(
            check,
            &(two.to_string() + "n1.2 1 restart 3@1 c - 2@1 b\nn1.2 1 commit 3@1 c"),
            "2 commits and applications in order",
        );
        refuted(
            check,
            &(two.to_string() + "n1.1 1 install 2@1 b 2"),
            "n1.1 took over a snapshot up to index 2: its log went up to 2, it had committed 2 and applied 0",
            &[],
        );
        refuted(
            check,
            &(two.to_string() + "n1.2 1 restart 1@1 a - 2@1 b"),
            "n1.2 started on a snapshot up to index 2: its log went up to unknown, it had committed 0 and applied 0",
            &[],
        );
    }
}

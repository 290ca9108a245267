//! Commit stability: what is committed stays. No two nodes commit different entries at an index, the commit index of a node grows, and no node
//! loses or removes what it has committed, restarts included (Raft, 5.3 and 5.4; figure 2, volatile state). What a node applies it
//! holds to be committed.

use super::agreement::Agreement;
use super::{Place, by_node, conclude, counted, places, violation};
use crate::trace::{Event, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "commit-stability";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let (mut commits, mut judged, mut violations) = (Agreement::new(), 0, Vec::new());
    for incarnations in by_node(traces) {
        let mut node = Commits::default();
        for place in incarnations.into_iter().flat_map(places) {
            if let Event::Committed { at }
            | Event::Applied { at, .. }
            | Event::Installed { at, .. } = &place.line().event
            {
                commits.see(at.index, at.hash, place);
            }
            judged += usize::from(matches!(place.line().event, Event::Committed { .. }));
            violations.extend(node.follow(place));
        }
    }
    let good = format!("{}, none changed or taken back", counted(judged, "commit"));
    violations.extend(commits.contradictions().map(|(index, places)| changed(index, places)));
    conclude(NAME, judged, "nothing was ever committed", good, violations)
}

/// How far one node has committed.
#[derive(Default)]
struct Commits<'a> {
    /// In any incarnation.
    highest: Option<(u64, Place<'a>)>,
    /// In the current incarnation: each learns the commit index anew.
    latest: Option<(u64, Place<'a>)>,
}

impl<'a> Commits<'a> {
    fn follow(&mut self, place: Place<'a>) -> Option<Violation> {
        match &place.line().event {
            Event::Started { .. } => {
                self.latest = None;
                self.lost(place, 0, "started with an empty log")
            }
            Event::Restarted { last_index, .. } => {
                self.latest = None;
                self.lost(
                    place,
                    *last_index,
                    &format!("started with a log up to index {last_index}"),
                )
            }
            Event::Truncated { from } => {
                let kept = from.saturating_sub(1);
                self.lost(place, kept, &format!("removed its log from index {from} on"))
            }
            Event::Committed { at } | Event::Installed { at, .. } => {
                let before = self.latest.replace((at.index, place));
                if self.highest.is_none_or(|(highest, _)| highest < at.index) {
                    self.highest = self.latest;
                }
                let (index, earlier) = before?;
                (index >= at.index).then(|| regressed(index, earlier, at.index, place))
            }
            _ => None,
        }
    }

    /// A violation if the log now ends before the commit index.
    fn lost(&mut self, place: Place<'a>, kept: u64, did: &str) -> Option<Violation> {
        let (index, committed) = self.highest.filter(|(highest, _)| *highest > kept)?;
        self.highest = None; // Told once.
        Some(violation(
            format!("{} lost entry {index}, which it had committed", place.trace.node),
            place.line().time,
            vec![committed.cite(format_args!("committed up to index {index}")), place.cite(did)],
        ))
    }
}

fn regressed(from: u64, earlier: Place<'_>, to: u64, place: Place<'_>) -> Violation {
    violation(
        format!("the commit index of {} did not grow from {from} to {to}", place.who()),
        place.line().time,
        vec![
            earlier.cite(format_args!("committed up to index {from}")),
            place.cite(format_args!("committed up to index {to}")),
        ],
    )
}

fn changed(index: u64, places: [Place<'_>; 2]) -> Violation {
    let [first, second] = places.map(Place::who);
    let time = places.map(|place| place.line().time);
    let cites = places.map(|place| {
        let did = match place.line().event {
            Event::Applied { .. } => "applied",
            Event::Installed { .. } => "took over a snapshot up to",
            _ => "committed",
        };
        match place.line().event.position() {
            Some(at) => place.cite(format_args!(
                "{did} index {index} of term {} in term {}, log {}",
                at.entry_term,
                place.line().term,
                at.hash
            )),
            None => place.who(),
        }
    });
    let summary = format!("{first} and {second} committed different logs up to index {index}");
    violation(summary, time[0].max(time[1]), cites.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    #[test]
    fn commits_grow_and_each_incarnation_learns_them_anew() {
        let traces = "
            n1.1 1 commit 1@1 a\nn1.1 1 commit 3@1 c\nn1.2 2 restart 3@1 c\nn1.2 2 commit 2@1 b
            n2.1 1 commit 3@1 c\nn2.1 2 truncate 4";
        valid(check, traces, "4 commits, none changed or taken back");
    }

    #[test]
    fn a_commit_that_changed_is_named() {
        refuted(
            check,
            "n1.1 1 commit 1@1 a\nn2.1 1 commit 2@1 b\nn3.1 3 apply 1@1 a\nn3.1 3 apply 2@3 c",
            "n2.1 and n3.1 committed different logs up to index 2",
            &[
                "n2.1 committed index 2 of term 1 in term 1, log 000000000000000b: line 1",
                "n3.1 applied index 2 of term 3 in term 3, log 000000000000000c: line 2",
            ],
        );
    }

    #[test]
    fn a_commit_index_that_does_not_grow_is_named() {
        refuted(
            check,
            "n1.1 1 commit 3@1 c\nn1.1 1 commit 2@1 b",
            "the commit index of n1.1 did not grow from 3 to 2",
            &["n1.1 committed up to index 3: line 1", "n1.1 committed up to index 2: line 2"],
        );
    }

    #[test]
    fn a_commit_that_is_lost_is_named() {
        let summary = "n1 lost entry 3, which it had committed";
        let committed = "n1.1 committed up to index 3: line 1";
        for (then, cited) in [
            ("n1.1 2 truncate 3", "n1.1 removed its log from index 3 on: line 2"),
            ("n1.2 2 truncate 2", "n1.2 removed its log from index 2 on: line 1"),
            ("n1.2 2 restart 2@1 b", "n1.2 started with a log up to index 2: line 1"),
            ("n1.2 0 start", "n1.2 started with an empty log: line 1"),
        ] {
            refuted(check, &format!("n1.1 1 commit 3@1 c\n{then}"), summary, &[committed, cited]);
        }
    }

    #[test]
    fn without_a_commit_nothing_is_proved() {
        unknown(check, "n1.1 1 append 1@1 a\nn1.1 2 truncate 1");
    }

    #[test]
    fn a_snapshot_is_a_commit() {
        let install = "n1.1 1 commit 2@1 b\nn1.1 1 install 4@1 d 4\n";
        valid(check, install.to_string().as_str(), "1 commit, none changed or taken back");
        let back = install.to_string() + "n1.1 1 commit 3@1 c";
        refuted(check, &back, "the commit index of n1.1 did not grow from 4 to 3", &[]);
        let lost = install.to_string() + "n1.2 1 restart 3@1 c";
        refuted(check, &lost, "n1 lost entry 4, which it had committed", &[]);
        let other = install.to_string() + "n2.1 1 commit 4@1 e";
        refuted(
            check,
            &other,
            "n1.1 and n2.1 committed different logs up to index 4",
            &["n1.1 took over a snapshot up to"],
        );
    }
}

//! Leader completeness: what was committed in a term is in the log of the leader of every later term (Raft, figure 3).
//!
//! A node in term t learns of commits from the leader of t, or made them itself: what it commits or applies in t was committed in t or earlier.
//! The chained hash of the furthest commit of a term stands for all of them, so a leader's log is compared at one index for each
//! earlier term.

use std::collections::BTreeMap;

use super::node_log::{Ancestry, NodeLog};
use super::{Place, by_node, conclude, counted, places, violation};
use crate::trace::{Event, Hash, Position, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "leader-completeness";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let (commits, ancestry) = (furthest_commits(traces), Ancestry::collect(traces));
    let (mut judged, mut unclear, mut violations) = (0, 0, Vec::new());
    for incarnations in by_node(traces) {
        let mut log = NodeLog::default();
        for place in incarnations.into_iter().flat_map(places) {
            if let Event::BecameLeader { last_index, .. } = place.line().event {
                let leader = Leader { place, last_index, log: &log, ancestry: &ancestry };
                match leader.judge(&commits) {
                    Judged::Nothing => {}
                    Judged::Complete => judged += 1,
                    Judged::Unclear => unclear += 1,
                    Judged::Incomplete(violation) => violations.push(violation),
                }
            }
            log.follow(place.trace, place.seq);
        }
    }
    let good = format!("{} had everything that was committed before", counted(judged, "leader"));
    let nothing = match unclear {
        0 => "no leader followed a commit of an earlier term".into(),
        _ => format!("what {} had in the log is not known", counted(unclear, "leader")),
    };
    let judged = if unclear > 0 { 0 } else { judged };
    conclude(NAME, judged, &nothing, good, violations)
}

/// By term: the furthest commit that any node reported in it, and where.
type Commits<'a> = BTreeMap<u64, (Position, Place<'a>)>;

fn furthest_commits(traces: &[Trace]) -> Commits<'_> {
    let mut furthest: Commits<'_> = BTreeMap::new();
    for place in traces.iter().flat_map(places) {
        let (Event::Committed { at } | Event::Applied { at, .. } | Event::Installed { at, .. }) =
            place.line().event
        else {
            continue;
        };
        let known = furthest.entry(place.line().term).or_insert((at, place));
        if known.0.index < at.index {
            *known = (at, place);
        }
    }
    furthest
}

/// A leader at its election.
struct Leader<'a, 'b> {
    place: Place<'a>,
    last_index: u64,
    log: &'b NodeLog,
    ancestry: &'b Ancestry,
}

/// What is found about a leader.
enum Judged {
    /// Nothing had been committed in an earlier term.
    Nothing,
    /// It had everything.
    Complete,
    /// It is not known what it had.
    Unclear,
    /// It lacked something.
    Incomplete(Violation),
}

impl<'a> Leader<'a, '_> {
    fn judge(&self, commits: &Commits<'a>) -> Judged {
        let mut judged = Judged::Nothing;
        for (at, committed) in commits.range(..self.place.line().term).map(|(_, commit)| commit) {
            let held = self.log.hash(at.index, self.ancestry);
            if at.index > self.last_index {
                return Judged::Incomplete(self.lacks(*at, *committed, None));
            } else if held.is_some_and(|hash| hash != at.hash) {
                return Judged::Incomplete(self.lacks(*at, *committed, held));
            } else if held.is_none() {
                judged = Judged::Unclear;
            } else if matches!(judged, Judged::Nothing) {
                judged = Judged::Complete;
            }
        }
        judged
    }

    fn lacks(&self, at: Position, committed: Place<'a>, held: Option<Hash>) -> Violation {
        let (node, term) = (&self.place.trace.node, self.place.line().term);
        let Position { index, entry_term, hash } = at;
        let log = match held {
            Some(held) => format!("its log up to index {index} was {held}"),
            None => format!("its log went up to index {}", self.last_index),
        };
        violation(
            format!("{node} became leader of term {term} without entry {index}, which was committed in term {} or earlier", committed.line().term),
            self.place.line().time,
            vec![
                committed.cite(format_args!(
                    "had committed index {index} of term {entry_term} in term {}, log {hash}",
                    committed.line().term
                )),
                self.place.cite(format_args!("became leader of term {term}; {log}")),
                "Who has the entry does not vote for who lacks it, and a majority has it: it was not committed by \
                 a majority, a vote was wrong, or the entry was lost."
                    .into(),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    const COMMITTED: &str =
        "n1.1 1 append 1@1 a\nn1.1 1 append 2@1 b\nn1.1 1 commit 2@1 b\nn1.1 1 append 3@1 c\n";

    #[test]
    fn a_leader_has_what_was_committed_in_earlier_terms() {
        let log = "n2.1 1 append 1@1 a\nn2.1 1 append 2@1 b\n";
        let detail = "1 leader had everything that was committed before";
        valid(check, &(COMMITTED.to_string() + log + "n2.1 2 leader 2@1"), detail);
        // Cut and appended again, and over a restart.
        let cut = "n2.1 1 append 1@1 f\nn2.1 2 truncate 1\nn2.1 2 append 1@1 a\nn2.1 2 append 2@1 b\nn2.2 2 restart 2@1 b\n";
        valid(check, &(COMMITTED.to_string() + cut + "n2.2 3 leader 2@1"), detail);
        // Its log was written behind the trace's back; what it applies of it later tells what it was.
        let learned =
            "n2.1 1 restart 3@2 d\nn2.1 2 leader 3@2\nn2.1 2 apply 1@1 a\nn2.1 2 apply 2@1 b";
        valid(check, &(COMMITTED.to_string() + learned), detail);
    }

    #[test]
    fn a_leader_without_a_committed_entry_is_named() {
        let summary =
            "n2 became leader of term 2 without entry 2, which was committed in term 1 or earlier";
        let committed =
            "n1.1 had committed index 2 of term 1 in term 1, log 000000000000000b: line 3";
        refuted(
            check,
            &(COMMITTED.to_string() + "n2.1 1 append 1@1 a\nn2.1 2 leader 1@1"),
            summary,
            &[committed, "n2.1 became leader of term 2; its log went up to index 1: line 2"],
        );
        refuted(
            check,
            &(COMMITTED.to_string()
                + "n2.1 1 append 1@1 a\nn2.1 1 append 2@1 e\nn2.1 2 leader 2@1"),
            summary,
            &[committed, "its log up to index 2 was 000000000000000e: line 3"],
        );
        // Not committed first and reported later, but reported in an earlier term by another node.
        refuted(
            check,
            "n1.1 5 apply 1@1 a\nn2.1 6 leader 0@0",
            "n2 became leader of term 6 without entry 1, which was committed in term 5 or earlier",
            &[],
        );
    }

    #[test]
    fn what_is_committed_in_its_own_or_a_later_term_a_leader_need_not_have() {
        unknown(check, &(COMMITTED.to_string() + "n2.1 1 leader 0@0"));
        unknown(check, "n1.1 5 commit 1@1 a\nn2.1 4 leader 0@0");
    }

    #[test]
    fn a_leader_with_a_snapshot_is_judged_by_what_others_tell_of_it() {
        let detail = "1 leader had everything that was committed before";
        let installed = |hash| format!("{COMMITTED}n2.1 2 install 3@1 {hash} 3\nn2.1 3 leader 3@1");
        valid(check, &installed("c"), detail);
        unknown(check, &installed("e"));
        // And whoever took over a snapshot knew that it was committed.
        refuted(
            check,
            "n1.1 5 install 4@1 d 4\nn2.1 6 leader 0@0",
            "n2 became leader of term 6 without entry 4, which was committed in term 5 or earlier",
            &[],
        );
    }

    #[test]
    fn a_leader_whose_log_is_not_known_is_not_judged() {
        let report = check(&super::super::tests::traces(
            &(COMMITTED.to_string() + "n2.1 1 restart 3@1 f\nn2.1 2 leader 3@1"),
        ));
        assert_eq!(
            (report.verdict, report.detail.as_str()),
            (
                crate::verdict::Verdict::Unknown,
                "what 1 leader had in the log is not known: nothing was proved"
            )
        );
        // Nor does another one that had everything speak for it.
        let both = "n2.1 1 restart 3@1 f\nn2.1 2 leader 3@1\nn3.1 1 append 1@1 a\nn3.1 1 append 2@1 b\nn3.1 3 leader 2@1";
        unknown(check, &(COMMITTED.to_string() + both));
    }
}

//! Commit quorum: a leader commits an entry of its own term once a majority of the voters have it (Raft, 5.3 and 5.4.2).
//!
//! A follower tells its trace of an acknowledgement before it sends it. So whatever the leader counted is in the traces of the others, also
//! of those that were killed since; in which order they spoke need not be known.
//!
//! Who votes is what the leader's own log says at that moment: a configuration counts from the moment when it is in the log (6). While a change is under
//! way, a majority of the old voters and one of the new must have the entry.

use std::collections::HashMap;

use super::{Place, conclude, counted, places, violation};
use crate::trace::{Event, Position, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "commit-quorum";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let acks = Acks::collect(traces);
    let (mut judged, mut voters_unknown, mut violations) = (0, false, Vec::new());
    for trace in traces {
        let mut leadership: Option<Leadership<'_>> = None;
        let mut voters = Voters::default();
        for place in places(trace) {
            voters.follow(&place.line().event);
            match &place.line().event {
                Event::BecameLeader { .. } => {
                    leadership = Some(Leadership { elected: place, broken: false });
                }
                Event::BecameFollower { .. } | Event::BecameCandidate => leadership = None,
                Event::Committed { at } => {
                    let Some(leader) = &mut leadership else { continue };
                    judged += 1;
                    voters_unknown |= voters.voters.is_empty();
                    violations.extend(leader.judge(*at, place, voters, &acks));
                }
                _ => {}
            }
        }
    }
    // An entry of another term is a violation all the same.
    let judged = if voters_unknown { 0 } else { judged };
    let nothing = match voters_unknown {
        true => "the traces do not say who votes",
        false => "no leader ever committed anything",
    };
    let good = format!("{} by leaders, each with a majority", counted(judged, "commit"));
    conclude(NAME, judged, nothing, good, violations)
}

/// How far each follower told each leader of each term that their logs match, and where it did.
struct Acks<'a>(HashMap<(u64, &'a str, &'a str), (u64, Place<'a>)>);

impl<'a> Acks<'a> {
    fn collect(traces: &'a [Trace]) -> Self {
        let mut furthest: HashMap<_, (u64, Place<'a>)> = HashMap::new();
        for place in traces.iter().flat_map(places) {
            let Event::Acked { leader, match_index } = &place.line().event else { continue };
            let key = (place.line().term, leader.as_str(), place.trace.node.as_str());
            let ack = furthest.entry(key).or_insert((*match_index, place));
            if ack.0 < *match_index {
                *ack = (*match_index, place);
            }
        }
        Self(furthest)
    }

    fn of(&self, term: u64, leader: &'a str, follower: &'a str) -> Option<(u64, Place<'a>)> {
        self.0.get(&(term, leader, follower)).copied()
    }
}

/// Whose logs count, as far as a node knows.
#[derive(Clone, Copy, Default)]
struct Voters<'a> {
    /// Nobody, where the trace does not say.
    voters: &'a [String],
    /// The voters before, while a change is under way.
    outgoing: &'a [String],
}

impl<'a> Voters<'a> {
    fn follow(&mut self, event: &'a Event) {
        match event {
            Event::Started { voters } | Event::Restarted { voters, .. } => {
                *self = Self { voters, outgoing: &[] };
            }
            Event::Configured { voters, outgoing, .. } => *self = Self { voters, outgoing },
            _ => {}
        }
    }
}

/// A leader on its way through its trace.
struct Leadership<'a> {
    elected: Place<'a>,
    /// Whether a violation was told: the later ones follow from it.
    broken: bool,
}

impl<'a> Leadership<'a> {
    fn judge(
        &mut self,
        at: Position,
        place: Place<'a>,
        Voters { voters, outgoing }: Voters<'a>,
        acks: &Acks<'a>,
    ) -> Option<Violation> {
        if self.broken {
            return None;
        }
        let found = if at.entry_term != self.elected.line().term {
            Some(self.of_earlier_term(at, place))
        } else {
            let lacking = [voters, outgoing].into_iter().find(|voters| {
                !voters.is_empty() && self.have(at.index, voters, acks) <= voters.len() / 2
            });
            lacking.map(|voters| self.without_majority(at.index, place, voters, acks))
        };
        self.broken = found.is_some();
        found
    }

    fn ack(&self, voter: &'a str, acks: &Acks<'a>) -> Option<(u64, Place<'a>)> {
        acks.of(self.elected.line().term, self.elected.trace.node.as_str(), voter)
    }

    /// How many of these voters have the log up to an index. The leader need not acknowledge its own.
    fn have(&self, index: u64, voters: &'a [String], acks: &Acks<'a>) -> usize {
        let has = |voter: &&'a String| {
            **voter == self.elected.trace.node
                || self.ack(voter, acks).is_some_and(|(upto, _)| upto >= index)
        };
        voters.iter().filter(has).count()
    }

    fn of_earlier_term(&self, at: Position, place: Place<'a>) -> Violation {
        let (node, term) = (&place.trace.node, self.elected.line().term);
        let Position { index, entry_term, .. } = at;
        violation(
            format!("{node}, leader of term {term}, committed up to index {index} of term {entry_term}"),
            place.line().time,
            vec![
                self.elected.cite(format_args!("became leader of term {term}")),
                place.cite(format_args!("committed up to index {index} of term {entry_term}")),
                "What a majority has of an earlier term may still be replaced; only an entry of its own term makes it safe (5.4.2).".into(),
            ],
        )
    }

    fn without_majority(
        &self,
        index: u64,
        place: Place<'a>,
        voters: &'a [String],
        acks: &Acks<'a>,
    ) -> Violation {
        let (node, term) = (&place.trace.node, self.elected.line().term);
        let have = self.have(index, voters, acks);
        let others = voters.iter().filter(|voter| *voter != node);
        let told = others.map(|voter| match self.ack(voter, acks) {
            Some((upto, told)) => told.cite(format_args!(
                "told {node} in term {term} that it has the log up to index {upto}"
            )),
            None => format!("{voter} acknowledged nothing to {node} in term {term}."),
        });
        let committed = place.cite(format_args!("committed up to index {index} in term {term}"));
        violation(
            format!(
                "{node} committed index {index} in term {term}, which only {have} of {} voters have",
                voters.len()
            ),
            place.line().time,
            std::iter::once(committed).chain(told).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    const LEADER: &str = "n1.1 0 start n1 n2 n3 n4 n5\nn1.1 2 leader 0@0\nn1.1 2 append 1@2 a\nn1.1 2 append 2@2 b\n";

    #[test]
    fn a_majority_of_the_voters_is_enough() {
        let traces = LEADER.to_string()
            + "n1.1 2 commit 2@2 b\nn2.1 2 ack n1 1\nn2.1 2 ack n1 2\nn3.1 2 ack n1 2\nn3.2 3 ack n4 9";
        valid(check, &traces, "1 commit by leaders, each with a majority");
        let alone = "n1.1 0 start n1\nn1.1 1 leader 0@0\nn1.1 1 commit 1@1 a";
        valid(check, alone, "1 commit by leaders, each with a majority");
    }

    #[test]
    fn a_commit_without_a_majority_is_named() {
        // n3 acknowledges too little, n4 to another leader, n5 in another term, and n6 is no voter.
        let acks =
            "n2.1 2 ack n1 2\nn3.1 2 ack n1 1\nn4.1 2 ack n5 2\nn5.1 3 ack n1 2\nn6.1 2 ack n1 2";
        refuted(
            check,
            &(LEADER.to_string() + "n1.1 2 commit 2@2 b\n" + acks),
            "n1 committed index 2 in term 2, which only 2 of 5 voters have",
            &[
                "n1.1 committed up to index 2 in term 2: line 5",
                "n2.1 told n1 in term 2 that it has the log up to index 2: line 1",
                "n3.1 told n1 in term 2 that it has the log up to index 1: line 1",
                "n4 acknowledged nothing to n1 in term 2",
            ],
        );
    }

    #[test]
    fn half_of_an_even_number_is_no_majority() {
        let four =
            "n1.1 0 start n1 n2 n3 n4\nn1.1 2 leader 0@0\nn1.1 2 commit 1@2 a\nn2.1 2 ack n1 1\n";
        let summary = "n1 committed index 1 in term 2, which only 2 of 4 voters have";
        refuted(check, four, summary, &[]);
        valid(
            check,
            &(four.to_string() + "n3.1 2 ack n1 1"),
            "1 commit by leaders, each with a majority",
        );
    }

    #[test]
    fn while_a_change_is_under_way_both_majorities_count() {
        let joint = "n1.1 0 start n1 n2 n3\nn1.1 2 leader 0@0\nn1.1 2 members n3,n4,n5 n1,n2,n3\nn1.1 2 commit 1@2 a\n";
        let (old, new) = ("n2.1 2 ack n1 1\n", "n4.1 2 ack n1 1\nn5.1 2 ack n1 1\n");
        let which = |text: &str| {
            format!("n1 committed index 1 in term 2, which only {text} of 3 voters have")
        };
        refuted(check, &(joint.to_string() + old), &which("0"), &["n4 acknowledged nothing"]);
        refuted(check, &(joint.to_string() + new), &which("1"), &["n2 acknowledged nothing"]);
        valid(check, &(joint.to_string() + old + new), "1 commit by leaders, each with a majority");
        // Afterwards the new ones alone, without the leader; and a learner never.
        let after = joint.to_string()
            + old
            + new
            + "n1.1 2 members n3,n4,n5\nn1.1 2 commit 2@2 b\nn2.1 2 ack n1 2\nn4.1 2 ack n1 2\n";
        let summary = "n1 committed index 2 in term 2, which only 1 of 3 voters have";
        refuted(check, &after, summary, &[]);
        valid(check, &(after + "n3.1 2 ack n1 2"), "2 commits by leaders, each with a majority");
    }

    #[test]
    fn a_leader_that_has_no_vote_does_not_count() {
        let outsider =
            "n1.1 0 start n2 n3 n4\nn1.1 2 leader 0@0\nn1.1 2 commit 1@2 a\nn2.1 2 ack n1 1\n";
        let summary = "n1 committed index 1 in term 2, which only 1 of 3 voters have";
        refuted(check, outsider, summary, &[]);
    }

    #[test]
    fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
        let acks = "n2.1 3 ack n1 1\nn3.1 3 ack n1 1";
        refuted(
            check,
            &("n1.1 0 start n1 n2 n3\nn1.1 3 leader 1@2\nn1.1 3 commit 1@2 a\n".to_string() + acks),
            "n1, leader of term 3, committed up to index 1 of term 2",
            &["n1.1 became leader of term 3: line 2", "committed up to index 1 of term 2: line 3"],
        );
    }

    #[test]
    fn without_a_leaders_commit_or_without_voters_nothing_is_proved() {
        unknown(check, "n1.1 0 start n1 n2 n3\nn1.1 2 commit 2@2 b");
        unknown(
            check,
            "n1.1 0 start n1 n2\nn1.1 2 leader 0@0\nn1.1 3 follower\nn1.1 3 commit 1@2 a",
        );
        unknown(check, "n1.1 0 start\nn1.1 2 leader 0@0\nn1.1 2 commit 1@2 a");
        unknown(check, "n1.1 2 leader 0@0\nn1.1 2 commit 1@2 a");
    }
}

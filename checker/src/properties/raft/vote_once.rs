//! Votes: a node gives one vote in a term (Raft, 5.2), and remembers it over restarts (figure 2, persistent state).

use std::collections::HashMap;

use super::{Place, by_node, conclude, counted, places, violation};
use crate::trace::{Event, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "vote-once";

/// Judges the traces of a run.
pub fn check(traces: &[Trace]) -> CheckReport {
    let (mut votes, mut violations) = (0, Vec::new());
    for incarnations in by_node(traces) {
        let mut node = Votes::default();
        let lines = incarnations.into_iter().flat_map(places);
        violations.extend(lines.filter_map(|place| node.follow(place)));
        votes += node.given.len();
    }
    let good = format!("{}, one of each node in each term", counted(votes, "vote"));
    conclude(NAME, votes, "no node ever voted", good, violations)
}

/// The votes of one node.
#[derive(Default)]
struct Votes<'a> {
    /// By term: for whom, and the line that tells it.
    given: HashMap<u64, (&'a str, Place<'a>)>,
}

impl<'a> Votes<'a> {
    fn follow(&mut self, place: Place<'a>) -> Option<Violation> {
        let term = place.line().term;
        match &place.line().event {
            Event::VoteGranted { candidate } => {
                let (earlier, given) = *self.given.entry(term).or_insert((candidate, place));
                (earlier != candidate).then(|| twice(earlier, given, candidate, place))
            }
            // The vote was on disk before the trace told of it.
            Event::Restarted { vote, .. } => match (self.given.get(&term), vote) {
                (Some((earlier, given)), vote) => (vote.as_deref() != Some(*earlier))
                    .then(|| forgotten(earlier, *given, vote.as_deref(), place)),
                (None, vote) => {
                    self.given.extend(vote.as_deref().map(|vote| (term, (vote, place))));
                    None
                }
            },
            _ => None,
        }
    }
}

fn twice(first: &str, given: Place<'_>, second: &str, place: Place<'_>) -> Violation {
    let (node, term) = (&place.trace.node, place.line().term);
    violation(
        format!("{node} voted twice in term {term}: for {first} and for {second}"),
        place.line().time,
        vec![given.cite(says(given, first)), place.cite(says(place, second))],
    )
}

fn forgotten(first: &str, given: Place<'_>, vote: Option<&str>, place: Place<'_>) -> Violation {
    let (node, term) = (&place.trace.node, place.line().term);
    let remembered = vote.map_or_else(|| "none".into(), |vote| format!("one for {vote}"));
    violation(
        format!("{node} forgot its vote of term {term} for {first} when it was restarted"),
        place.line().time,
        vec![
            given.cite(says(given, first)),
            place.cite(format_args!("started again in term {term} and remembered {remembered}")),
            "It told its trace of the vote when the vote was on disk: there it was not.".into(),
        ],
    )
}

fn says(place: Place<'_>, candidate: &str) -> String {
    let term = place.line().term;
    match place.line().event {
        Event::Restarted { .. } => {
            format!("started and remembered a vote for {candidate} in term {term}")
        }
        _ => format!("voted for {candidate} in term {term}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refuted, unknown, valid};
    use super::*;

    #[test]
    fn a_vote_may_be_repeated_remembered_and_followed_by_that_of_another_term() {
        let traces = "n1.1 1 vote n2\nn1.1 1 vote n2\nn1.1 2 vote n3\nn1.2 2 restart 0@0 0 n3\nn1.2 2 vote n3\nn2.1 1 vote n2";
        valid(check, traces, "3 votes, one of each node in each term");
        // Killed after it voted, and before it told its trace.
        valid(
            check,
            "n1.1 1 vote n1\nn1.2 2 restart 0@0 0 n3",
            "2 votes, one of each node in each term",
        );
    }

    #[test]
    fn two_votes_in_a_term_are_named() {
        refuted(
            check,
            "n1.1 3 vote n2\nn1.2 3 restart 0@0 0 n2\nn1.2 3 vote n3",
            "n1 voted twice in term 3: for n2 and for n3",
            &["n1.1 voted for n2 in term 3: line 1", "n1.2 voted for n3 in term 3: line 2"],
        );
        refuted(
            check,
            "n1.2 3 restart 0@0 0 n2\nn1.2 3 vote n3",
            "n1 voted twice in term 3: for n2 and for n3",
            &["n1.2 started and remembered a vote for n2 in term 3: line 1"],
        );
    }

    #[test]
    fn a_vote_that_a_restart_forgot_or_changed_is_named() {
        let summary = "n1 forgot its vote of term 3 for n2 when it was restarted";
        let cited = ["n1.1 voted for n2 in term 3: line 1", "remembered none: line 1"];
        refuted(check, "n1.1 3 vote n2\nn1.2 3 restart 0@0", summary, &cited);
        let cited = ["n1.2 started again in term 3 and remembered one for n3: line 1"];
        refuted(check, "n1.1 3 vote n2\nn1.2 3 restart 0@0 0 n3", summary, &cited);
    }

    #[test]
    fn without_a_vote_nothing_is_proved() {
        unknown(check, "n1.1 3 restart 0@0\nn1.1 4 follower");
    }
}

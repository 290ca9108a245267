//! What Raft promises (Ongaro and Ousterhout, figure 3, and the rules of figure 2 that the promises rest on): one file a property.
//!
//! Each judges traces alone, and needs no order across nodes: what it compares is tied together by terms, indexes and chained hashes. A node
//! may be killed in the middle of a line, so the end of a trace proves nothing by what it does not say. But it has told its trace
//! whatever it told anybody else, so what others must have heard from it is there.

pub mod commit_quorum;
pub mod commit_stability;
pub mod election_safety;
pub mod index_order;
pub mod leader_append_only;
pub mod leader_completeness;
pub mod log_matching;
pub mod state_machine_safety;
pub mod term_monotone;
pub mod vote_once;

mod agreement;
mod node_log;

use std::collections::BTreeMap;
use std::fmt;

use super::counted;
use crate::trace::{Line, Trace};
use crate::verdict::{CheckReport, Verdict, Violation};

/// A check of the traces of a run.
pub type Check = fn(&[Trace]) -> CheckReport;

/// Every property with its name, in the order in which they are shown.
pub const PROPERTIES: [(&str, Check); 10] = [
    (election_safety::NAME, election_safety::check),
    (vote_once::NAME, vote_once::check),
    (term_monotone::NAME, term_monotone::check),
    (log_matching::NAME, log_matching::check),
    (leader_append_only::NAME, leader_append_only::check),
    (leader_completeness::NAME, leader_completeness::check),
    (commit_quorum::NAME, commit_quorum::check),
    (commit_stability::NAME, commit_stability::check),
    (state_machine_safety::NAME, state_machine_safety::check),
    (index_order::NAME, index_order::check),
];

/// Judges the property of that name, if there is one.
pub fn check(name: &str, traces: &[Trace]) -> Option<CheckReport> {
    let (_, check) = PROPERTIES.iter().find(|(known, _)| *known == name)?;
    Some(check(traces))
}

/// So many violations are told one by one. Of a log that went wrong at one index all later ones are wrong.
const VIOLATIONS_MAX: usize = 10;

/// What a property says: invalid with the violations, unknown when it had nothing to judge, valid otherwise.
fn conclude(
    name: &str,
    judged: usize,
    nothing: &str,
    good: impl Into<String>,
    mut violations: Vec<Violation>,
) -> CheckReport {
    if !violations.is_empty() {
        let detail =
            format!("{}: {}", counted(violations.len(), "violation"), violations[0].summary);
        violations.truncate(VIOLATIONS_MAX);
        CheckReport::invalid(name, detail, violations)
    } else if judged == 0 {
        CheckReport::new(name, Verdict::Unknown, format!("{nothing}: nothing was proved"))
    } else {
        CheckReport::new(name, Verdict::Valid, good)
    }
}

fn violation(summary: String, time: u64, explanation: Vec<String>) -> Violation {
    Violation { summary, time: Some(time), key: None, explanation, operations: vec![] }
}

/// `1 entry`, `3 entries`.
fn entries(count: usize) -> String {
    if count == 1 { "1 entry".into() } else { format!("{count} entries") }
}

/// A line of a trace, to be cited.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    trace: &'a Trace,
    /// Position in the trace, from 0.
    seq: usize,
}

impl<'a> Place<'a> {
    fn line(self) -> &'a Line {
        &self.trace.lines[self.seq]
    }

    /// Node and incarnation: `n2.1`.
    fn who(self) -> String {
        format!("{}.{}", self.trace.node, self.trace.incarnation)
    }

    /// Cites what the line tells: `n2.1 voted for n3 in term 4: line 17 of its trace.`
    fn cite(self, did: impl fmt::Display) -> String {
        format!("{} {did}: line {} of its trace.", self.who(), self.seq + 1)
    }
}

/// Every line of a trace with its place.
fn places(trace: &Trace) -> impl Iterator<Item = Place<'_>> {
    (0..trace.lines.len()).map(move |seq| Place { trace, seq })
}

/// The traces of each node, by incarnation.
fn by_node(traces: &[Trace]) -> Vec<Vec<&Trace>> {
    let mut nodes: BTreeMap<&str, Vec<&Trace>> = BTreeMap::new();
    for trace in traces {
        nodes.entry(&trace.node).or_default().push(trace);
    }
    for incarnations in nodes.values_mut() {
        incarnations.sort_by_key(|trace| trace.incarnation);
    }
    nodes.into_values().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::trace::{Event, Hash, Position};

    /// Traces from `n1.1 3 leader`: node and incarnation, term, event; lines of one file in order. Entries are `index@term hash`:
    /// `n1.1 3 append 7@3 a7`.
    pub(crate) fn traces(text: &str) -> Vec<Trace> {
        let mut traces: BTreeMap<(String, u64), Trace> = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            let (node, incarnation) = words[0].split_once('.').unwrap();
            let (node, incarnation) = (node.to_string(), incarnation.parse().unwrap());
            let trace = traces.entry((node.clone(), incarnation)).or_insert_with(|| Trace {
                node: node.clone(),
                incarnation,
                lines: vec![],
            });
            let (time, term) = (trace.lines.len() as u64, words[1].parse().unwrap());
            trace.lines.push(Line { time, term, event: event(words[2], &words[3..]) });
        }
        traces.into_values().collect()
    }

    fn event(name: &str, rest: &[&str]) -> Event {
        let word = |place: usize| rest.get(place).map(|word| (*word).to_string());
        let hashes = |place: usize| -> Vec<Hash> {
            let digits = rest.get(place).into_iter().flat_map(|hashes| hashes.split(','));
            digits.map(|digits| Hash(u64::from_str_radix(digits, 16).unwrap())).collect()
        };
        let hash = |place: usize| hashes(place).first().copied();
        let (index, entry_term) =
            rest.first().and_then(|at| at.split_once('@')).unwrap_or(("0", "0"));
        let (index, entry_term) = (index.parse().unwrap(), entry_term.parse().unwrap());
        let at = || Position { index, entry_term, hash: hash(1).unwrap() };
        match name {
            "start" => Event::Started { voters: rest.iter().map(|id| (*id).to_string()).collect() },
            "install" => Event::Installed { at: at(), log_ends: rest[2].parse().unwrap() },
            "members" => {
                let ids = |place: usize| -> Box<[String]> {
                    let ids = rest.get(place).into_iter().flat_map(|ids| ids.split(','));
                    ids.map(str::to_string).collect()
                };
                Event::Configured { voters: ids(0), outgoing: ids(1), learners: ids(2) }
            }
            "restart" => Event::Restarted {
                voters: [].into(),
                vote: word(2).filter(|vote| vote != "-"),
                snapshot: rest.get(3).map(|place| {
                    let (index, term) = place.split_once('@').unwrap();
                    let hash = Hash(u64::from_str_radix(rest[4], 16).unwrap());
                    Position {
                        index: index.parse().unwrap(),
                        entry_term: term.parse().unwrap(),
                        hash,
                    }
                }),
                last_index: index,
                last_term: entry_term,
                last_hashes: hashes(1).into_iter().take(index as usize).collect(),
            },
            "follower" => Event::BecameFollower { leader: word(0) },
            "candidate" => Event::BecameCandidate,
            "leader" => Event::BecameLeader { last_index: index, last_term: entry_term },
            "vote" => Event::VoteGranted { candidate: word(0).unwrap() },
            "append" => Event::Appended { at: at() },
            "truncate" => Event::Truncated { from: rest[0].parse().unwrap() },
            "ack" => {
                Event::Acked { leader: word(0).unwrap(), match_index: rest[1].parse().unwrap() }
            }
            "commit" => Event::Committed { at: at() },
            "apply" => Event::Applied { at: at(), state: hash(2) },
            other => panic!("{other}"),
        }
    }

    /// A property says that these traces are valid, and what it judged.
    pub(super) fn valid(check: Check, text: &str, detail: &str) {
        let report = check(&traces(text));
        assert_eq!((report.verdict, report.detail.as_str()), (Verdict::Valid, detail), "{text}");
    }

    /// A property finds nothing to judge.
    pub(super) fn unknown(check: Check, text: &str) {
        let report = check(&traces(text));
        assert_eq!(report.verdict, Verdict::Unknown, "{text}\n{report:#?}");
        assert!(report.violations.is_empty());
    }

    /// A property finds a violation, in these words, and cites these lines of traces.
    pub(super) fn refuted(check: Check, text: &str, summary: &str, cited: &[&str]) {
        let report = check(&traces(text));
        assert_eq!(report.verdict, Verdict::Invalid, "{text}\n{report:#?}");
        assert_eq!(report.violations[0].summary, summary);
        let explanation = report.violations[0].explanation.join("\n");
        for line in cited {
            assert!(explanation.contains(line), "{line} is not in:\n{explanation}");
        }
    }

    #[test]
    fn every_property_has_nothing_to_judge_in_nothing() {
        for (name, property) in PROPERTIES {
            for text in ["", "n1.1 0 start n1 n2 n3\nn1.1 0 follower"] {
                let report = check(name, &traces(text)).unwrap();
                assert_eq!((report.name.as_str(), report.verdict), (name, Verdict::Unknown));
                assert_eq!(report, property(&traces(text)));
            }
        }
        assert_eq!(check("election-safty", &[]), None);
    }

    #[test]
    fn few_of_many_violations_are_told() {
        let log = |node: &str, hash: u64| -> String {
            (1..=50).map(|i| format!("{node}.1 1 append {i}@1 {:x}\n", hash + i)).collect()
        };
        let report = log_matching::check(&traces(&(log("n1", 0) + &log("n2", 100))));
        assert_eq!(report.violations.len(), VIOLATIONS_MAX);
        assert!(report.detail.starts_with("50 violations: "), "{}", report.detail);
    }
}

//! Digests of the states of nodes: after the same operations they are equal.

use checker::history::History;
use checker::models::Model;
use checker::properties::state_digests;
use checker::trace::{Event, Hash, Line, Trace};
use checker::verdict::Verdict;

use super::support::{check_invalid, check_unknown, check_valid, history};

fn digest(node: &str, applied: &str, digest: &str) -> String {
    format!(r#"nemesis x state-digest {{"applied":{applied},"digest":"{digest}"}} {node};"#)
}

#[test]
fn equal_states_are_valid() {
    let text = digest("n1", "7", "aa") + &digest("n2", "7", "aa") + &digest("n1", "9", "cc");
    check_valid(Model::StateDigests, &text);
    // Without an index only the last of each node counts.
    let text =
        digest("n1", "null", "aa") + &digest("n1", "null", "bb") + &digest("n2", "null", "bb");
    check_valid(Model::StateDigests, &text);
}

#[test]
fn unequal_states_are_named_with_their_nodes() {
    let text = digest("n1", "7", "aa") + &digest("n2", "7", "bb");
    let words = "n1 and n2 have different states after applying 7 n1 reported aa at 0.000 s.";
    check_invalid(Model::StateDigests, &text, words, &[]);
    let text = digest("n1", "7", "aa") + &digest("n1", "7", "bb");
    check_invalid(Model::StateDigests, &text, "n1 has two states after applying 7", &[]);
    let text = digest("n1", "null", "aa") + &digest("n2", "null", "bb");
    check_invalid(Model::StateDigests, &text, "when they were last asked", &[]);
}

#[test]
fn what_was_not_compared_is_undecided() {
    check_unknown(Model::StateDigests, "", "no node reported");
    check_unknown(Model::StateDigests, &digest("n1", "7", "aa"), "only n1 reported");
    let text = digest("n1", "7", "aa") + &digest("n2", "7", "aa") + &digest("n3", "8", "bb");
    let words = "no other node reported the same applied index as n3";
    check_unknown(Model::StateDigests, &text, words);
    let text =
        digest("n1", "7", "aa") + &digest("n2", "7", "aa") + r#"nemesis x state-digest {} n2"#;
    check_unknown(Model::StateDigests, &text, "has no node or no digest");
}

/// A trace with digests at these indexes.
fn trace(node: &str, digests: &[(u64, u64)]) -> Trace {
    let line = |(index, state): &(u64, u64)| Line {
        time: *index,
        term: 1,
        event: Event::StateDigest { index: *index, state: Hash(*state) },
    };
    Trace { node: node.into(), incarnation: 1, lines: digests.iter().map(line).collect() }
}

#[test]
fn what_nodes_told_their_traces_is_compared_too_and_with_what_others_were_told() {
    let judge = |history: &History, traces: &[Trace]| state_digests::check(history, traces);
    let (none, n1) = (History::default(), trace("n1", &[(64, 0xaa), (128, 0xbb)]));
    let alike = judge(&none, &[n1.clone(), trace("n2", &[(64, 0xaa)])]);
    assert_eq!(alike.verdict, Verdict::Valid, "{alike:#?}");
    let unlike = judge(&none, &[n1.clone(), trace("n2", &[(128, 0xbc)])]);
    assert_eq!(unlike.verdict, Verdict::Invalid);
    let summary = "n1 and n2 have different states after applying 128";
    assert_eq!(unlike.violations[0].summary, summary);
    let told = history(&digest("n2", "64", "00000000000000ab"));
    assert_eq!(judge(&told, std::slice::from_ref(&n1)).verdict, Verdict::Invalid);
    assert_eq!(judge(&none, &[n1]).verdict, Verdict::Unknown);
}

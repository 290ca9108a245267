//! Digests of the states of nodes: after the same operations they are equal.

use checker::models::Model;

use super::support::{check_invalid, check_unknown, check_valid};

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

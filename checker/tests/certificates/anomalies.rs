//! Anomalies that are no cycles: the transactions that are said to show one are looked at again.

use checker::certificate::{Proof, Refusal, verify_all};
use checker::models::Model::{self, ListAppend, RwRegister};

use super::support::{accept, refuse, sequential, whole};

/// In a sequential history some transactions show an anomaly, and others do not.
fn check(model: Model, name: &str, text: &str, right: &[u32], wrong: &[u32]) {
    let history = sequential(text);
    let anomaly = |transactions: &[u32]| Proof::Anomaly {
        name: name.into(),
        transactions: transactions.to_vec(),
    };
    accept(&history, model, anomaly(right));
    refuse(&history, model, anomaly(wrong), &format!("show no {name}"));
    refuse(&history, model, anomaly(&[99]), "no operation 99");
}

#[test]
fn reads_of_what_failed_are_looked_at_again() {
    let lists = r#"
        txn [["append",1,5]] fail
        txn [["r",1,[5]]]
        txn [["r",1,[]]]"#;
    check(ListAppend, "G1a", lists, &[1, 0], &[2, 0]);
    let registers = r#"
        txn [["w",1,5]] fail
        txn [["r",1,5]]
        txn [["r",1,null]]"#;
    check(RwRegister, "G1a", registers, &[1, 0], &[2, 0]);
    let updated = r#"
        txn [["append",1,5]] fail
        txn [["append",1,6]]
        txn [["r",1,[5,6]]]"#;
    check(ListAppend, "dirty-update", updated, &[1, 0, 2], &[1, 2]);
}

#[test]
fn reads_of_intermediate_states_are_looked_at_again() {
    let lists = r#"
        txn [["append",1,5],["append",1,6]]
        txn [["r",1,[5]]]
        txn [["r",1,[5,6]]]"#;
    check(ListAppend, "G1b", lists, &[1, 0], &[2, 0]);
    let registers = r#"
        txn [["w",1,5],["w",1,6]]
        txn [["r",1,5]]
        txn [["r",1,6]]"#;
    check(RwRegister, "G1b", registers, &[1, 0], &[2, 0]);
}

#[test]
fn contradictions_within_a_transaction_are_looked_at_again() {
    let lists = r#"
        txn [["append",1,5],["r",1,[]]]
        txn [["append",1,6],["r",1,[6]]]"#;
    check(ListAppend, "internal", lists, &[0], &[1]);
    let registers = r#"
        txn [["r",1,null],["r",1,7]]
        txn [["w",1,7],["r",1,7]]"#;
    check(RwRegister, "internal", registers, &[0], &[1]);
    let future = r#"
        txn [["r",1,[5]],["append",1,5]]
        txn [["append",1,6],["r",1,[5,6]]]"#;
    check(ListAppend, "future-read", future, &[0], &[1]);
}

#[test]
fn lists_that_cannot_be_are_looked_at_again() {
    let twice = r#"
        txn [["append",1,5]]
        txn [["r",1,[5,5]]]
        txn [["r",1,[5]]]"#;
    check(ListAppend, "duplicate-elements", twice, &[1], &[2]);
    let forked = r#"
        txn [["r",1,[5,6]]]
        txn [["r",1,[6]]]
        txn [["r",1,[5]]]"#;
    check(ListAppend, "incompatible-order", forked, &[0, 1], &[0, 2]);
    let reordered = r#"
        txn [["append",1,5],["append",1,6]]
        txn [["append",1,7]]
        txn [["r",1,[6,5,7]]]"#;
    check(ListAppend, "reordered-appends", reordered, &[0], &[1]);
}

#[test]
fn values_that_nobody_wrote_are_looked_at_again() {
    let thin_air = r#"
        txn [["r",1,5]]
        txn [["r",1,null]]"#;
    check(RwRegister, "thin-air", thin_air, &[0], &[1]);
}

#[test]
fn lost_updates_are_looked_at_again() {
    let lists = r#"
        txn [["r",1,[]],["append",1,5]]
        txn [["r",1,[]],["append",1,6]]
        txn [["r",1,[]]]"#;
    check(ListAppend, "lost-update", lists, &[0, 1], &[0, 2]);
    let registers = r#"
        txn [["r",1,null],["w",1,5]]
        txn [["r",1,null],["w",1,6]]
        txn [["r",1,5],["w",1,7]]"#;
    check(RwRegister, "lost-update", registers, &[0, 1], &[0, 2]);
}

#[test]
fn an_anomaly_that_the_verifier_does_not_know_is_undecided() {
    let history = sequential(r#"txn [["r",1,5]]"#);
    let unknown = Proof::Anomaly { name: "cyclic-versions".into(), transactions: vec![0] };
    let verified = verify_all(&history, RwRegister, "serializable", &whole(unknown));
    assert!(matches!(verified, Err(Refusal::Undecided(_))), "{verified:?}");
}

//! Long fork: two reads must not see two writes in opposite orders.

use checker::models::Model;
use checker::verdict::Verdict;

use super::support::{check_invalid, check_unknown, check_valid, done, figure, judge};

fn txn(process: u64, steps: &str) -> String {
    done(process, "txn", steps, steps, "")
}

fn group(process: u64, x: &str, y: &str) -> String {
    txn(process, &format!(r#"[["r","x",{x}],["r","y",{y}]]"#))
}

fn writes() -> String {
    txn(1, r#"[["w","x",1]]"#) + &txn(2, r#"[["w","y",1]]"#)
}

#[test]
fn writes_that_are_seen_in_one_order_are_valid() {
    let text = writes()
        + &group(3, "null", "null")
        + &group(4, "1", "null")
        + &group(3, "1", "null")
        + &group(4, "1", "1");
    let report = check_valid(Model::LongFork, &text);
    let counts = ["early_reads", "partial_reads", "late_reads"].map(|name| figure(&report, name));
    assert_eq!(counts, [1, 2, 1]);
}

#[test]
fn opposite_orders_are_a_fork() {
    let text = writes() + &group(3, "1", "null") + &group(4, "null", "1");
    let culprits = [
        r#"1 txn [["w","x",1]] ok"#,
        r#"2 txn [["w","y",1]] ok"#,
        r#"3 txn [["r","x",1],["r","y",null]] ok"#,
        r#"4 txn [["r","x",null],["r","y",1]] ok"#,
    ];
    check_invalid(Model::LongFork, &text, "were seen in opposite orders", &culprits);
    // Plain writes of a key, groups that overlap in two keys.
    let plain = done(1, "write", "1", "1", "x")
        + &done(3, "read", r#"[["r","x",1],["r","z",1],["r","y",[]]]"#, "null", "")
        + &done(4, "read", r#"[["r","y",1],["r","x",null]]"#, "null", "");
    let report = judge(Model::LongFork, &plain);
    assert_eq!(report.verdict, Verdict::Invalid, "{report:#?}");
}

#[test]
fn what_cannot_be_compared_is_undecided() {
    check_unknown(Model::LongFork, &writes(), "fewer than two transactions");
    let early = writes() + &group(3, "null", "null") + &group(4, "1", "1");
    check_unknown(Model::LongFork, &early, "no read fell between two writes");
    let again = writes() + &txn(5, r#"[["w","y",2]]"#);
    let fork = again + &group(3, "1", "null") + &group(4, "null", "1");
    check_unknown(Model::LongFork, &fork, "1 key written several times");
    // What a transaction wrote itself tells nothing.
    let own = txn(1, r#"[["w","x",1],["r","x",1],["r","y",null]]"#)
        + &txn(2, r#"[["w","y",1],["r","y",1],["r","x",null]]"#);
    check_unknown(Model::LongFork, &own, "fewer than two transactions");
}

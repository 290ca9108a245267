//! Monotonic reads and the other guarantees of a session.

use checker::models::Model;
use checker::verdict::Verdict;

use super::support::{check_invalid, check_unknown, check_valid, done, judge, read};

fn write(process: u64, value: u64) -> String {
    done(process, "write", &value.to_string(), &value.to_string(), "")
}

fn append(process: u64, value: u64) -> String {
    done(process, "append", &value.to_string(), &value.to_string(), "")
}

fn cas(process: u64, both: &str) -> String {
    done(process, "cas", both, both, "")
}

#[test]
fn a_process_that_sees_things_in_order_is_valid() {
    for model in [Model::MonotonicReads, Model::SessionGuarantees] {
        // Stale reads are no matter, as long as each process only goes forward.
        let text = read(2, "null") + &write(1, 1) + &write(1, 2);
        let text = text + &read(2, "1") + &read(3, "2") + &read(2, "1") + &read(2, "2");
        check_valid(model, &text);
        check_valid(model, &(append(1, 1) + &read(2, "[]") + &append(1, 2) + &read(2, "[1,2]")));
        check_valid(
            model,
            &(cas(1, "[null,1]") + &read(2, "1") + &cas(1, "[1,4]") + &read(2, "4")),
        );
        // Writes that overlap may have taken effect in either order.
        let overlap = "1 invoke write 1; 2 invoke write 2; 1 ok write 1; 2 ok write 2;";
        check_valid(model, &(overlap.to_string() + &read(3, "1") + &read(3, "2")));
        check_valid(model, &(overlap.to_string() + &read(3, "2") + &read(3, "1")));
    }
}

#[test]
fn a_read_that_goes_back_is_named() {
    for model in [Model::MonotonicReads, Model::SessionGuarantees] {
        let text = write(1, 1) + &write(1, 2) + &read(3, "2") + &read(3, "1");
        let culprits = ["1 write 1 ok", "1 write 2 ok", "3 read -> 2 ok", "3 read -> 1 ok"];
        check_invalid(model, &text, "monotonic reads broken at 0.007 s", &culprits);
        // An info write had taken effect once somebody saw it.
        let text = "1 invoke write 1; 1 info write 1;".to_string() + &read(4, "1") + &write(2, 2);
        let culprits = [
            "1 write 1 info",
            "4 read -> 1 ok",
            "2 write 2 ok",
            "3 read -> 2 ok",
            "3 read -> 1 ok",
        ];
        check_invalid(
            model,
            &(text + &read(3, "2") + &read(3, "1")),
            "had taken effect by",
            &culprits,
        );
        let text = append(1, 1) + &append(2, 2) + &read(3, "[1,2]") + &read(3, "[1]");
        let culprits = ["3 read -> [1,2] ok", "3 read -> [1] ok"];
        check_invalid(model, &text, "reaches to place 1", &culprits);
        let text = read(3, "8") + &read(3, "7");
        let culprits = ["3 read -> 8 ok", "3 read -> 7 ok"];
        check_invalid(model, &text, "only grow", &culprits);
        let text = write(1, 1) + &read(3, "1") + &read(3, "null");
        let culprits = ["1 write 1 ok", "3 read -> 1 ok", "3 read -> null ok"];
        check_invalid(model, &text, "from before the first write", &culprits);
    }
}

#[test]
fn the_other_guarantees_are_called_by_their_names() {
    let check = |text: &str, words: &str, culprits: &[&str]| {
        check_invalid(Model::SessionGuarantees, text, words, culprits);
    };
    check(
        &(write(1, 1) + &write(2, 2) + &read(2, "1")),
        "read your writes broken at 0.005 s: process 2 on n2 did not read its own write",
        &["1 write 1 ok", "2 write 2 ok", "2 read -> 1 ok"],
    );
    check(
        &(append(1, 1) + &read(1, "[]")),
        "read your writes broken",
        &["1 append 1 ok", "1 read -> [] ok"],
    );
    check(
        &(append(1, 1) + &append(1, 2) + &read(3, "[2,1]")),
        "monotonic writes broken",
        &["1 append 1 ok", "1 append 2 ok"],
    );
    check(
        &(append(1, 1) + &read(2, "[1,2]") + &append(2, 2)),
        "writes follow reads broken at 0.005 s: process 2 on n2 wrote behind what it had read",
        &["2 read -> [1,2] ok", "2 append 2 ok"],
    );
}

#[test]
fn without_known_versions_nothing_is_proved() {
    for model in [Model::MonotonicReads, Model::SessionGuarantees] {
        check_unknown(model, &write(1, 1), "nothing was compared");
        check_unknown(model, &(write(1, 1) + &read(2, "1")), "nothing was compared");
        let twice = write(1, 1) + &write(1, 1) + &read(2, "1") + &read(2, "1");
        check_unknown(model, &twice, "its value was written several times");
        let nobody = write(1, 1) + &read(2, "7") + &read(2, "1");
        check_unknown(model, &nobody, "written by nobody");
        let forked = append(1, 1) + &append(2, 2) + &read(3, "[1]") + &read(3, "[2,1]");
        check_unknown(model, &forked, "do not agree on an order");
    }
}

#[test]
fn transactions_are_sessions_too() {
    let txn = |process, steps: &str| done(process, "txn", steps, steps, "");
    let text = txn(1, r#"[["append","x",1],["append","y",1]]"#)
        + &txn(2, r#"[["r","x",[1]],["r","y",[1]]]"#)
        + &txn(2, r#"[["r","x",[1]],["append","y",2]]"#)
        + &txn(3, r#"[["r","y",[1,2]]]"#);
    check_valid(Model::SessionGuarantees, &text);
    let back = text + &txn(2, r#"[["r","y",[1]]]"#);
    let report = judge(Model::SessionGuarantees, &back);
    assert_eq!(report.verdict, Verdict::Invalid);
    let summaries: Vec<_> = report.violations.iter().map(|v| v.summary.as_str()).collect();
    assert!(summaries[0].starts_with("key y: read your writes broken"), "{summaries:?}");
}

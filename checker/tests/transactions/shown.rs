//! What a person is shown: verdict, anomaly, sentences and drawings.

use std::time::Duration;

use checker::models::Model::{self, ListAppend, RwRegister};
use checker::transactions::{Assumptions, Consistency, Findings, drawings};
use checker::verdict::Verdict;

use super::support::{findings, findings_assuming, history};

fn check(
    model: Model,
    asked: &str,
    lines: &[&str],
    verdict: Verdict,
    anomalies: &[&str],
) -> Findings {
    let history = history(lines);
    let found = findings(&history, model, asked.parse().unwrap());
    let names: Vec<_> = found.anomalies.iter().map(|found| found.anomaly.name()).collect();
    assert_eq!((found.report.verdict, &names[..]), (verdict, anomalies), "{:#?}", found.report);
    assert_eq!(found.report.violations.is_empty(), verdict != Verdict::Invalid);
    found
}

const STALE: &[&str] = &[
    r#"0 invoke [["append", "x", 1]]"#,
    r#"0 ok [["append", "x", 1]]"#,
    r#"1 invoke [["r", "x", null]]"#,
    r#"1 ok [["r", "x", []]]"#,
    r#"2 invoke [["r", "x", null]]"#,
    r#"2 ok [["r", "x", [1]]]"#,
];

/// A register is set to 2.
const WRITE: [&str; 2] = [r#"0 invoke [["w", "x", 2]]"#, r#"0 ok [["w", "x", 2]]"#];

#[test]
fn a_stale_read_is_explained_and_drawn() {
    let found = check(
        ListAppend,
        "strict-serializable",
        STALE,
        Verdict::Invalid,
        &["G-single-item-realtime"],
    );
    let violation = &found.report.violations[0];
    assert!(violation.summary.starts_with("G-single-item-realtime: a transaction missed"));
    assert_eq!(
        violation.explanation,
        [
            r#"Let T1 = [["r","x",[]]] (line 3, process 1, from 0.000 s to 0.000 s)."#,
            r#"Let T2 = [["append","x",1]] (line 1, process 0, from 0.000 s to 0.000 s)."#,
            "T1 must come before T2, because T1 read key x without 1, which T2 wrote.",
            "However, T2 must come before T1, because T2 was over at 0.000 s, and T1 began only at 0.000 s: a contradiction.",
        ]
    );
    let drawn = drawings(&history(STALE), ListAppend, &found);
    assert_eq!(drawn.len(), 1);
    assert!(
        drawn[0].dot.contains("T1 -> T2 [label=\"rw x\"]")
            && drawn[0].dot.contains("T2 -> T1 [label=\"rt\"]")
    );
    assert!(drawn[0].svg.contains(">rw x</text>") && drawn[0].svg.contains("append x 1"));
}

#[test]
fn what_breaks_only_a_stronger_model_is_a_fact_and_convicts_nobody() {
    let found =
        check(ListAppend, "serializable", STALE, Verdict::Valid, &["G-single-item-realtime"]);
    assert!(
        found.report.detail.contains("not strong-snapshot-isolation"),
        "{}",
        found.report.detail
    );
    assert!(found.report.detail.contains("at most "), "{}", found.report.detail);
    let strongest: Vec<_> = found.ruled_out.strongest_left().map(Consistency::name).collect();
    assert_eq!(strongest, ["strong-session-serializable", "strong-read-committed"]);
    assert_eq!(found.proofs.len(), 1);
}

#[test]
fn snapshots_that_do_not_exist_break_snapshot_isolation_and_write_skew_does_not() {
    let fork = [
        r#"0 invoke [["append", "x", 1]]"#,
        r#"1 invoke [["append", "y", 1]]"#,
        r#"2 invoke [["r", "x", null], ["r", "y", null]]"#,
        r#"3 invoke [["r", "x", null], ["r", "y", null]]"#,
        r#"0 ok [["append", "x", 1]]"#,
        r#"1 ok [["append", "y", 1]]"#,
        r#"2 ok [["r", "x", [1]], ["r", "y", []]]"#,
        r#"3 ok [["r", "x", []], ["r", "y", [1]]]"#,
    ];
    check(ListAppend, "snapshot-isolation", &fork, Verdict::Invalid, &["G-nonadjacent-item"]);
    check(
        ListAppend,
        "parallel-snapshot-isolation",
        &fork,
        Verdict::Valid,
        &["G-nonadjacent-item"],
    );
    let skew = [
        r#"0 invoke [["r", "x", null], ["append", "y", 1]]"#,
        r#"1 invoke [["r", "y", null], ["append", "x", 1]]"#,
        r#"0 ok [["r", "x", []], ["append", "y", 1]]"#,
        r#"1 ok [["r", "y", []], ["append", "x", 1]]"#,
    ];
    check(ListAppend, "snapshot-isolation", &skew, Verdict::Valid, &["G2-item"]);
    check(ListAppend, "serializable", &skew, Verdict::Invalid, &["G2-item"]);
}

#[test]
fn what_nobody_wrote_and_what_was_written_twice() {
    let thin = [WRITE, [r#"1 invoke [["r", "x", null]]"#, r#"1 ok [["r", "x", 3]]"#]].concat();
    let found = check(RwRegister, "read-uncommitted", &thin, Verdict::Invalid, &["thin-air"]);
    assert_eq!(
        found.report.violations[0].explanation[1],
        "T1 read 3 of key x, which no transaction wrote."
    );
    let twice = [WRITE, [r#"1 invoke [["w", "x", 2]]"#, r#"1 ok [["w", "x", 2]]"#]].concat();
    let found = check(RwRegister, "strict-serializable", &twice, Verdict::Unknown, &[]);
    assert!(found.report.detail.contains("lines 1 and 3"), "{}", found.report.detail);
}

#[test]
fn a_stale_register_is_stale_in_real_time_only() {
    let stale = [
        [r#"0 invoke [["w", "x", 1]]"#, r#"0 ok [["w", "x", 1]]"#],
        WRITE,
        [r#"1 invoke [["r", "x", null]]"#, r#"1 ok [["r", "x", 1]]"#],
    ]
    .concat();
    let found = check(
        RwRegister,
        "strict-serializable",
        &stale,
        Verdict::Invalid,
        &["G-single-item-realtime"],
    );
    assert_eq!(found.report.violations[0].operations.len(), 2);
    check(RwRegister, "serializable", &stale, Verdict::Valid, &["G-single-item-realtime"]);
}

/// Transactions one after another, `process outcome value` each; the outcome may be `begin` or `end` of one that goes on meanwhile.
fn one_after_another(transactions: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for transaction in transactions {
        let [process, outcome, value] =
            transaction.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        if outcome != "end" {
            lines.push(format!("{process} invoke {value}"));
        }
        if outcome != "begin" {
            let outcome = if outcome == "end" { "ok" } else { outcome };
            lines.push(format!("{process} {outcome} {value}"));
        }
    }
    lines
}

#[test]
fn every_anomaly_is_found_where_it_is() {
    type Case = (Model, &'static str, &'static [&'static str], &'static [&'static str]);
    let cases: &[Case] = &[
        (
            ListAppend,
            "read-committed",
            &[r#"0 ok [["append","x",1],["append","x",2]]"#, r#"1 ok [["r","x",[1]]]"#],
            &["G1b", "G-single-item"],
        ),
        (
            ListAppend,
            "read-committed",
            &[
                r#"0 fail [["append","x",1]]"#,
                r#"1 ok [["append","x",2]]"#,
                r#"2 ok [["r","x",[1,2]]]"#,
            ],
            &["dirty-update", "G1a"],
        ),
        (
            ListAppend,
            "cursor-stability",
            &[
                r#"0 begin [["r","x",[]],["append","x",1]]"#,
                r#"1 ok [["r","x",[]],["append","x",2]]"#,
                r#"0 end [["r","x",[]],["append","x",1]]"#,
            ],
            &["lost-update", "G2-item"],
        ),
        (
            RwRegister,
            "cursor-stability",
            &[
                r#"0 begin [["r","x",null],["w","x",1]]"#,
                r#"1 ok [["r","x",null],["w","x",2]]"#,
                r#"0 end [["r","x",null],["w","x",1]]"#,
            ],
            &["lost-update", "G2-item"],
        ),
        (
            ListAppend,
            "read-uncommitted",
            &[
                r#"0 ok [["append","x",1],["append","x",2]]"#,
                r#"1 ok [["r","x",[1,2]]]"#,
                r#"2 ok [["r","x",[9]]]"#,
            ],
            &["thin-air", "incompatible-order"],
        ),
        (
            ListAppend,
            "read-uncommitted",
            &[r#"0 ok [["append","x",1],["r","x",[1,1]]]"#],
            &["duplicate-elements"],
        ),
        (
            ListAppend,
            "strong-session-serializable",
            &[r#"0 ok [["append","x",1]]"#, r#"0 ok [["r","x",[]]]"#, r#"1 ok [["r","x",[1]]]"#],
            &["G-single-item-process"],
        ),
        (
            RwRegister,
            "strong-session-serializable",
            &[
                r#"0 ok [["w","x",1]]"#,
                r#"0 ok [["w","x",2],["w","y",1]]"#,
                r#"1 ok [["r","x",1],["r","y",1]]"#,
            ],
            &["G-single-item-process"],
        ),
        (
            ListAppend,
            "read-uncommitted",
            &[
                r#"0 begin [["append","x",1],["append","y",1]]"#,
                r#"1 ok [["append","y",2],["append","x",2]]"#,
                r#"0 end [["append","x",1],["append","y",1]]"#,
                r#"2 ok [["r","x",[1,2]],["r","y",[2,1]]]"#,
            ],
            &["G0"],
        ),
        // What was appended and never seen comes after what was seen.
        (
            ListAppend,
            "read-committed",
            &[
                r#"0 begin [["append","x",1],["r","y",[1]]]"#,
                r#"1 ok [["append","x",2],["append","y",1]]"#,
                r#"0 end [["append","x",1],["r","y",[1]]]"#,
                r#"2 ok [["r","x",[1]]]"#,
            ],
            &["G1c"],
        ),
        // Two writers that only time orders.
        (
            RwRegister,
            "strict-serializable",
            &[r#"0 ok [["w","x",1]]"#, r#"1 ok [["w","x",2]]"#, r#"2 ok [["r","x",1]]"#],
            &["G-single-item-realtime"],
        ),
    ];
    for (model, level, transactions, anomalies) in cases {
        let lines = one_after_another(transactions);
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let found = findings(&history(&lines), *model, level.parse().unwrap());
        let names: Vec<_> = found.anomalies.iter().map(|found| found.anomaly.name()).collect();
        assert_eq!(found.report.verdict, Verdict::Invalid, "{transactions:?}: {names:?}");
        assert!(names.starts_with(anomalies), "{transactions:?}: {names:?}");
    }
}

#[test]
fn an_assumption_about_registers_that_contradicts_itself_is_named() {
    let lines = one_after_another(&[
        r#"0 ok [["w","x",1]]"#,
        r#"0 ok [["w","x",2]]"#,
        r#"1 ok [["r","x",2]]"#,
        r#"1 ok [["r","x",1]]"#,
    ]);
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    for (sequential_keys, linearizable_keys) in [(true, false), (false, true)] {
        let assumed = Assumptions { sequential_keys, linearizable_keys };
        let level = Consistency::StrictSerializable;
        let found = findings_assuming(&history(&lines), RwRegister, level, assumed);
        let names: Vec<_> = found.anomalies.iter().map(|found| found.anomaly.name()).collect();
        assert!(names.contains(&"cyclic-versions"), "{names:?}");
    }
}

#[test]
fn who_overwrote_the_initial_state_is_not_said_to_have_read_null() {
    let lines = one_after_another(&[
        r#"0 begin [["r","x",null],["append","x",1]]"#,
        r#"1 begin [["r","x",null],["append","x",2]]"#,
        r#"0 end [["r","x",[]],["append","x",1]]"#,
        r#"1 end [["r","x",[]],["append","x",2]]"#,
        r#"2 ok [["r","x",[1,2]]]"#,
    ]);
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let found = findings(&history(&lines), ListAppend, Consistency::Serializable);
    let explanation = found.report.violations[0].explanation.join(" ");
    assert!(explanation.contains("read key x as it is before anybody writes it"), "{explanation}");
}

#[test]
fn writers_whose_keys_are_linearizable_are_ordered_by_who_read_them_first() {
    // x went from 1 to 2 and y from 2 to 1, as those saw who read them one after another.
    let lines = one_after_another(&[
        r#"0 begin [["w","x",1],["w","y",1]]"#,
        r#"1 begin [["w","x",2],["w","y",2]]"#,
        r#"2 ok [["r","x",1]]"#,
        r#"2 ok [["r","x",2]]"#,
        r#"3 ok [["r","y",2]]"#,
        r#"3 ok [["r","y",1]]"#,
        r#"0 end [["w","x",1],["w","y",1]]"#,
        r#"1 end [["w","x",2],["w","y",2]]"#,
    ]);
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let names = |linearizable_keys| -> Vec<_> {
        let assumed = Assumptions { linearizable_keys, ..Assumptions::default() };
        let level = Consistency::ReadUncommitted;
        let found = findings_assuming(&history(&lines), RwRegister, level, assumed);
        found.anomalies.iter().map(|found| found.anomaly.name()).collect()
    };
    assert_eq!(names(true).first(), Some(&"G0"), "{:?}", names(true));
    assert!(!names(false).contains(&"G0"), "{:?}", names(false));
}

#[test]
fn nothing_to_judge_is_no_pass() {
    let failed = [r#"0 invoke [["append", "x", 1]]"#, r#"0 fail [["append", "x", 1]]"#];
    let found = check(ListAppend, "serializable", &failed, Verdict::Unknown, &[]);
    assert!(found.report.detail.contains("no transaction succeeded"), "{}", found.report.detail);
    check(ListAppend, "serializable", &[r#"0 invoke [["append", "x", 1]]"#], Verdict::Unknown, &[]);
    let alone = [r#"0 invoke [["append", "x", 1]]"#, r#"0 ok [["append", "x", 1]]"#];
    check(ListAppend, "serializable", &alone, Verdict::Unknown, &[]);
}

#[test]
fn a_limit_makes_a_verdict_unknown_and_never_valid() {
    for (memory_bytes, time) in [(0, Duration::from_secs(9)), (1 << 20, Duration::ZERO)] {
        let limits = checker::judge::Limits { time, memory_bytes };
        let strict = Consistency::StrictSerializable;
        let found =
            checker::transactions::check(&history(STALE), ListAppend, strict, &limits).unwrap();
        assert_eq!(found.report.verdict, Verdict::Unknown);
        assert!(found.report.detail.contains("a limit was reached"), "{}", found.report.detail);
    }
}

#[test]
fn what_is_no_transaction_is_refused_with_its_line() {
    for (step, expected) in
        [(r#"["w", "x", 1]"#, "append"), (r#"["append", "x", null]"#, "append"), ("7", "not 7")]
    {
        let history = history(&[&format!("0 invoke [{step}]")]);
        let limits = checker::judge::Limits::default();
        let wrong =
            checker::transactions::check(&history, ListAppend, Consistency::Serializable, &limits)
                .unwrap_err();
        assert!(wrong.line == 1 && wrong.reason.contains(expected), "{wrong:?}");
    }
}

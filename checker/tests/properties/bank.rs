//! Accounts: transfers keep the total, and no balance falls below zero.

use checker::models::Model;
use checker::properties::{self, Options};
use checker::verdict::Verdict;

use super::support::{check_invalid, check_unknown, check_valid, done, history, is_invalid, read};

#[test]
fn a_constant_total_is_valid() {
    let text = read(1, r#"{"a":5,"b":5}"#)
        + &done(2, "transfer", r#"{"from":"a","to":"b","amount":2}"#, "null", "")
        + &read(1, r#"{"a":3,"b":7}"#);
    check_valid(Model::Bank, &text);
    check_valid(Model::Bank, &(read(1, "[5,5]") + &read(1, "[0,10]")));
    let report = check_valid(Model::Bank, &read(1, r#"{"a":5,"b":5}"#));
    assert!(report.detail.contains("is that of the only read"), "{}", report.detail);
}

#[test]
fn each_kind_of_error_is_named_with_its_read() {
    let first = read(1, r#"{"a":5,"b":5}"#);
    let with = |result: &str| first.clone() + &read(2, result);
    check_invalid(
        Model::Bank,
        &with(r#"{"a":4,"b":5}"#),
        "process 2 on n2 read a total of 9, not 10",
        &[r#"1 read -> {"a":5,"b":5} ok"#, r#"2 read -> {"a":4,"b":5} ok"#],
    );
    check_invalid(
        Model::Bank,
        &with(r#"{"a":11,"b":-1}"#),
        "read a balance of -1 in account b",
        &[r#"2 read -> {"a":11,"b":-1} ok"#],
    );
    check_invalid(
        Model::Bank,
        &with(r#"{"a":10,"b":null}"#),
        "read account b with the balance null",
        &[r#"2 read -> {"a":10,"b":null} ok"#],
    );
    check_invalid(
        Model::Bank,
        &with(r#"{"a":5,"b":4,"c":1}"#),
        "account c, which the first read does not have",
        &[r#"2 read -> {"a":5,"b":4,"c":1} ok"#],
    );
}

#[test]
fn what_is_expected_is_compared() {
    let history = history(&read(1, r#"{"a":11,"b":-1}"#));
    let options = Options { negative_balances: true, total: Some(10), ..Options::default() };
    let judge = |options| properties::check(&history, Model::Bank, &options);
    assert_eq!(judge(options.clone()).verdict, Verdict::Valid);
    let culprits = [r#"1 read -> {"a":11,"b":-1} ok"#];
    let report = judge(Options { total: Some(12), ..options });
    is_invalid(&report, "read a total of 10, not 12", &culprits);
}

#[test]
fn without_a_read_nothing_is_proved() {
    let transfer = done(2, "transfer", r#"{"from":"a"}"#, "null", "");
    check_unknown(Model::Bank, &transfer, "no read of the accounts succeeded");
    check_unknown(Model::Bank, "1 invoke read; 1 fail read", "no read of the accounts");
    check_unknown(Model::Bank, &read(1, "7"), "no map of balances");
}

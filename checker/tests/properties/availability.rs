//! Availability: how long somebody waited, and how soon after a fault something succeeded.

use checker::models::Model;
use checker::properties::{self, Options};
use checker::verdict::{CheckReport, Verdict};

use super::support::{check_unknown, check_valid, done, figure, history, is_invalid, read};

const MILLISECOND: u64 = 1_000_000;

/// A read that succeeds at once, a fault, reads that fail or hang, and one that succeeds.
fn outage() -> String {
    r#"nemesis f1/plan kill {"kill":{"node":"n1"}};
       nemesis f1/done kill {"action":"kill\u0020n1"};"#
        .to_string()
        + &read(1, "1")
        + "1 invoke read; 1 fail read; 2 invoke read; 2 info read;"
        + r#"nemesis f1/end restart {"effective":true,"healed":true};"#
        + &done(3, "write", "2", "2", "")
        + &read(1, "2")
}

fn check(gap: Option<u64>, recovery: Option<u64>) -> CheckReport {
    let options = Options { gap_max: gap, recovery_max: recovery, ..Options::default() };
    properties::check(&history(&outage()), Model::Availability, &options)
}

#[test]
fn the_longest_wait_is_measured_over_all_by_operation_and_by_node() {
    let report = check_valid(Model::Availability, &outage());
    // From the failing read's beginning at 4 ms to the write's success at 10 ms.
    assert_eq!(figure(&report, "longest_gap_ns"), 6_000_000);
    assert_eq!(figure(&report, "longest_gap_from_ns"), 4_000_000);
    assert_eq!(report.figures["longest_gap_by_operation_ns"]["write"], MILLISECOND);
    assert_eq!(report.figures["longest_gap_by_operation_ns"]["read"], 8 * MILLISECOND);
    assert_eq!(report.figures["longest_gap_by_node_ns"]["n2"], 6 * MILLISECOND);
    assert_eq!(report.figures["recovery_ns"]["f1"], 2 * MILLISECOND);
    assert!(report.detail.ends_with("no limit was given"), "{}", report.detail);
}

#[test]
fn limits_convict_where_they_are_exceeded() {
    let just = check(Some(6 * MILLISECOND), Some(2 * MILLISECOND));
    assert_eq!(just.verdict, Verdict::Valid, "{just:#?}");
    let culprits = ["1 read -> 1 ok", "1 read fail", "3 write 2 ok"];
    let words = "nothing succeeded for 6.00 ms, from 0.004 s to 0.010 s; 5.00 ms were allowed";
    is_invalid(&check(Some(5 * MILLISECOND), None), words, &culprits);
    let words = "after f1 (kill n1) the first success came 2.00 ms later; 1.00 ms were allowed";
    is_invalid(&check(None, Some(MILLISECOND)), words, &[]);
}

#[test]
fn an_operation_that_hangs_keeps_somebody_waiting() {
    let text = "2 invoke read;".to_string()
        + &read(1, "1")
        + "nemesis x problem {}; nemesis x problem {}; 2 info read";
    let report = check_valid(Model::Availability, &text);
    assert_eq!(figure(&report, "longest_gap_from_ns"), 2_000_000);
    assert_eq!(figure(&report, "longest_gap_ns"), 3_000_000);
    // Nobody waits while nobody asks.
    let idle = read(1, "1") + "nemesis x problem {}; nemesis x problem {};" + &read(1, "1");
    assert_eq!(figure(&check_valid(Model::Availability, &idle), "longest_gap_ns"), 1_000_000);
}

#[test]
fn without_a_success_nothing_is_proved() {
    check_unknown(Model::Availability, "", "no operation succeeded");
    check_unknown(Model::Availability, "1 invoke read; 1 fail read", "no operation succeeded");
    let cut = outage().split("3 invoke").next().unwrap().to_string();
    let options = Options { recovery_max: Some(MILLISECOND), ..Options::default() };
    let judge = |text: &str| properties::check(&history(text), Model::Availability, &options);
    let report = judge(&cut);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.detail.contains("nothing was asked after f1"), "{}", report.detail);
    let asked = cut.clone() + "3 invoke read; 3 fail read";
    assert_eq!(judge(&asked).verdict, Verdict::Invalid);
    let report = judge(&(cut + "3 invoke read"));
    assert!(report.detail.contains("the recording ends 1.00 ms after f1"), "{}", report.detail);
}

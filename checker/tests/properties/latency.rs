//! Latency: quantiles, and limits to them.

use checker::models::Model;
use checker::properties::{self, Options};
use checker::verdict::{CheckReport, Verdict};

use super::support::{check_unknown, check_valid, done, history, is_invalid, read};

fn check(text: &str, limit: u64) -> CheckReport {
    let limits = [("max".to_string(), limit)].into();
    let latency_max = [("read".to_string(), limits)].into();
    let options = Options { latency_max, ..Options::default() };
    properties::check(&history(text), Model::Latency, &options)
}

#[test]
fn quantiles_are_measured_and_limits_convict() {
    let text = read(1, "1") + "2 invoke read;" + &done(1, "write", "2", "2", "") + "2 ok read 2;";
    let report = check_valid(Model::Latency, &text);
    assert_eq!(report.figures["read_latency_ns"]["p50"], 1_000_000);
    assert_eq!(report.figures["read_latency_ns"]["max"], 3_000_000);
    assert_eq!(report.figures["write_latency_ns"]["count"], 1);
    assert_eq!(check(&text, 3_000_000).verdict, Verdict::Valid);
    let words = "max of read is 3.00 ms; 2.00 ms were allowed";
    is_invalid(&check(&text, 2_000_000), words, &["2 read -> 2 ok"]);
}

#[test]
fn without_a_success_nothing_is_proved() {
    check_unknown(Model::Latency, "1 invoke read; 1 info read", "no operation succeeded");
    let report = check(&done(1, "write", "2", "2", ""), 1);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.detail.contains("no read succeeded"), "{}", report.detail);
    let limits = [("p42".to_string(), 1)].into();
    let latency_max = [("read".to_string(), limits)].into();
    let options = Options { latency_max, ..Options::default() };
    let report = properties::check(&history(&read(1, "1")), Model::Latency, &options);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.detail.contains("there is no quantile `p42`"), "{}", report.detail);
}

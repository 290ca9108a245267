//! A set that is read as a whole: elements that are lost, stale, twice there or from nowhere.

use checker::models::Model;
use checker::properties::{self, Options};

use super::support::{
    add, check_invalid, check_unknown, check_valid, done, figure, history, is_invalid, judge, read,
};

#[test]
fn what_was_acknowledged_and_read_is_valid() {
    let report = check_valid(Model::SetFull, &(add(1, 7) + &add(2, 8) + &read(3, "[8,7]")));
    assert_eq!((figure(&report, "stable"), figure(&report, "attempted")), (2, 2));
    // One final read with nothing unacknowledged in it.
    check_valid(Model::SetFull, &(add(1, 7) + "2 invoke add 8; 2 info add 8;" + &read(3, "[7]")));
    // A read that overlaps the add may lack it, before and after.
    let overlap =
        "1 invoke add 7; 2 invoke read; 2 ok read []; 3 invoke read; 1 ok add 7; 3 ok read [];";
    check_valid(Model::SetFull, &(overlap.to_string() + &read(2, "[7]")));
}

#[test]
fn an_element_that_is_gone_for_good_is_lost() {
    let text = add(1, 7) + &add(1, 8) + &read(2, "[7,8]") + &read(3, "[8]") + &read(2, "[8]");
    let culprits = ["1 add 7 ok", "2 read -> [7,8] ok", "2 read -> [8] ok"];
    check_invalid(
        Model::SetFull,
        &text,
        "element 7 is lost: known at 0.001 s, missing in a read that began at 0.008 s",
        &culprits,
    );
    // An add of unknown outcome is known as soon as somebody saw it.
    let text = "1 invoke add 7; 1 info add 7;".to_string() + &read(2, "[7]") + &read(2, "[]");
    let culprits = ["1 add 7 info", "2 read -> [7] ok", "2 read -> [] ok"];
    check_invalid(Model::SetFull, &text, "The last to see it was process 2 on n2", &culprits);
    let report = judge(Model::SetFull, &text);
    assert_eq!(report.figures["lost_latency_ns"]["count"], 1);
}

#[test]
fn an_element_that_comes_back_is_stale_and_convicts_where_reads_are_linearizable() {
    let text = add(1, 7) + &read(2, "[]") + &read(3, "[7]");
    let report = check_valid(Model::SetFull, &text);
    assert_eq!(figure(&report, "stale"), 1);
    assert_eq!(report.figures["stable_latency_ns"]["max"], 1_000_000);
    let options = Options { linearizable: true, ..Options::default() };
    let report = properties::check(&history(&text), Model::SetFull, &options);
    let culprits = ["1 add 7 ok", "2 read -> [] ok", "3 read -> [7] ok"];
    is_invalid(&report, "a stale read lacks element 7", &culprits);
    // It was seen by a read that ended after the one that lacks it: it may have come back.
    let overlap = "2 invoke read; 3 invoke read; 3 ok read []; 2 ok read [7]";
    assert_eq!(figure(&check_valid(Model::SetFull, &(add(1, 7) + overlap)), "stale"), 1);
}

#[test]
fn what_is_there_twice_or_from_nowhere_is_named() {
    let twice = add(1, 7) + &read(2, "[7,7]");
    check_invalid(Model::SetFull, &twice, "element 7 is twice", &["2 read -> [7,7] ok"]);
    let nowhere = add(1, 7) + &read(2, "[7,8]");
    check_invalid(Model::SetFull, &nowhere, "Nobody ever added 8", &["2 read -> [7,8] ok"]);
    let failed = add(1, 7) + "3 invoke add 8; 3 fail add 8;" + &read(2, "[7,8]");
    let culprits = ["3 add 8 fail", "2 read -> [7,8] ok"];
    check_invalid(Model::SetFull, &failed, "which ended fail", &culprits);
    let future = add(1, 7) + &read(2, "[7,8]") + &add(3, 8) + &read(2, "[7,8]");
    let culprits = ["2 read -> [7,8] ok", "3 add 8 ok"];
    check_invalid(Model::SetFull, &future, "was added only later", &culprits);
}

#[test]
fn without_a_read_or_an_add_nothing_is_proved() {
    check_unknown(Model::SetFull, "", "no set was used");
    check_unknown(Model::SetFull, &add(1, 7), "no read succeeded");
    check_unknown(Model::SetFull, &read(1, "[]"), "nothing was added");
    let late = read(2, "[]") + &add(1, 7);
    check_unknown(Model::SetFull, &late, "acknowledged before the last read began");
    let odd = add(1, 7) + &read(2, "7");
    check_unknown(Model::SetFull, &odd, "line 3 is no list of elements");
}

#[test]
fn keys_are_judged_apart() {
    let keyed =
        |key, result: &str| done(1, "add", "7", "7", key) + &done(2, "read", "null", result, key);
    check_valid(Model::SetFull, &(keyed("a", "[7]") + &keyed("b", "[7]")));
    let report = judge(Model::SetFull, &(keyed("a", "[7]") + &keyed("b", "[]")));
    assert_eq!(report.violations[0].key.as_deref(), Some("b"));
    assert!(report.violations[0].summary.starts_with("key b: element 7 is lost"));
    let unread = keyed("a", "[7]") + &done(1, "add", "7", "7", "b");
    check_unknown(Model::SetFull, &unread, "key b: no read succeeded");
}

#[test]
fn many_are_counted_and_some_are_told() {
    let adds: String = (0..100).map(|element| add(1, element)).collect();
    let report = judge(Model::SetFull, &(adds + &read(2, "[0]")));
    assert_eq!((figure(&report, "lost"), report.violations.len()), (99, 16));
    assert!(report.detail.contains("lost: 99"), "{}", report.detail);
}

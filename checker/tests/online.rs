//! The judge of a history that is being written against that of the whole: the same violations, in the same words.

use checker::history::{Event, History};
use checker::linearizability::{self, Limits};
use checker::models::Model;
use checker::online::Registers;
use checker::verdict::{Verdict, Violation};
use serde_json::json;

/// Events from lines of `process type f value`, one every 10 ms.
fn events(lines: &str) -> Vec<Event> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let event = |(index, line): (usize, &str)| {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let value = words.get(3).map_or("null", |value| *value);
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        let process: u64 = words[0].parse().unwrap();
        let event = json!({
            "index": index, "time": index * 10_000_000, "process": process, "type": words[1], "f": words[2], "key": "k1",
            "value": value, "node": format!("n{}", 1 + process % 3),
        });
        serde_json::from_value(event).unwrap()
    };
    lines.enumerate().map(event).collect()
}

/// The first violation, and the number of its event.
fn follow(events: &[Event]) -> Option<(usize, Violation)> {
    let mut judge = Registers::new();
    let found = events.iter().enumerate().find_map(|(place, event)| {
        let violation = judge.push(event).unwrap()?;
        Some((place, violation))
    });
    assert_eq!(judge.followed().left, []);
    found
}

fn whole(events: &[Event]) -> Option<Violation> {
    let history = History::pair(events.to_vec()).unwrap();
    let limits = Limits::default();
    let report = linearizability::check(&history, Model::CasRegister, &limits);
    assert_eq!(report.verdict == Verdict::Invalid, !report.violations.is_empty());
    report.violations.into_iter().next()
}

/// The last line is the first that no order explains, and both judges say the same of it.
fn check(lines: &str, summary: &str) {
    let events = events(lines);
    let (place, online) = follow(&events).expect("a violation");
    assert_eq!(place, events.len() - 1, "{online:?}");
    assert_eq!(whole(&events[..place]), None);
    assert_eq!(online.summary, summary);
    let offline = whole(&events).expect("a violation");
    assert_eq!(
        (&online.summary, &online.time, &online.key),
        (&offline.summary, &offline.time, &offline.key)
    );
    for (said, known) in online.explanation.iter().zip(&offline.explanation) {
        assert_eq!(said, known);
    }
}

#[test]
fn both_judges_say_the_same_of_a_stale_read() {
    check(
        "0 invoke write 1\n0 ok write 1\n0 invoke write 2\n0 ok write 2\n1 invoke read\n1 ok read 2\n2 invoke read\n2 ok read 1",
        "key k1: stale read at 0.070 s: process 2 on n3 got ok for read -> 1",
    );
    // Although nobody knows of the second write how it ended.
    check(
        "0 invoke write 1\n0 ok write 1\n3 invoke write 2\n3 info write 2\n1 invoke read\n1 ok read 2\n2 invoke read\n2 ok read 1",
        "key k1: stale read at 0.070 s: process 2 on n3 got ok for read -> 1",
    );
}

#[test]
fn both_judges_say_the_same_of_a_lost_write() {
    check(
        "0 invoke write 1\n0 ok write 1\n1 invoke read\n1 ok read",
        "key k1: lost write at 0.030 s: process 1 on n2 got ok for read -> null",
    );
}

#[test]
fn both_judges_say_the_same_of_what_nobody_wrote() {
    check(
        "0 invoke write 1\n0 fail write 1\n1 invoke read\n1 ok read 1",
        "key k1: aborted read at 0.030 s: process 1 on n2 got ok for read -> 1",
    );
    check(
        "1 invoke read\n1 ok read 7",
        "key k1: value out of thin air at 0.010 s: process 1 on n2 got ok for read -> 7",
    );
    // The failure comes after the read: that is when it becomes certain.
    check(
        "0 invoke write 1\n1 invoke read\n1 ok read 1\n0 fail write 1",
        "key k1: aborted read at 0.020 s: process 1 on n2 got ok for read -> 1",
    );
}

#[test]
fn both_judges_say_the_same_of_what_a_cas_replaced() {
    check(
        "0 invoke write 1\n0 ok write 1\n1 invoke cas [1,2]\n1 ok cas [1,2]\n2 invoke read\n2 ok read 2\n0 invoke read\n0 ok read 1",
        "key k1: stale read at 0.070 s: process 0 on n1 got ok for read -> 1",
    );
    // Two cas found the same value.
    let twice = "0 invoke write 1\n0 ok write 1\n1 invoke cas [1,2]\n2 invoke cas [1,3]\n1 ok cas [1,2]\n2 ok cas [1,3]";
    let events = events(twice);
    let (place, violation) = follow(&events).unwrap();
    assert_eq!(place, 5);
    assert!(whole(&events[..place]).is_none() && whole(&events).is_some());
    assert_eq!(
        violation.summary,
        "key k1: impossible result at 0.050 s: process 2 on n3 got ok for cas 1 -> 3"
    );
}

#[test]
fn a_value_that_is_no_longer_remembered_is_not_said_to_come_from_nowhere() {
    let mut lines = String::new();
    for value in 0..3_000 {
        lines += &format!("0 invoke write {value}\n0 ok write {value}\n");
    }
    assert_eq!(follow(&events(&lines)), None);
    lines += "1 invoke read\n1 ok read 3";
    let events = events(&lines);
    let (place, violation) = follow(&events).unwrap();
    assert_eq!(place, events.len() - 1);
    assert!(violation.summary.contains("impossible result"), "{violation:?}");
    assert!(violation.explanation[1].contains("no longer remembered"), "{violation:?}");
    assert_eq!(violation.operations[0].operation, "read -> 3");
}

#[test]
fn keys_are_judged_alone_and_each_is_convicted_once() {
    let of_key = |key: &str, lines: &str| {
        let mut events = events(lines);
        events.iter_mut().for_each(|event| event.key = Some(key.into()));
        events
    };
    let mut judge = Registers::new();
    let mut all = of_key("a", "0 invoke write 1\n0 ok write 1");
    all.extend(of_key("b", "1 invoke read\n1 ok read 1\n1 invoke read\n1 ok read 2"));
    all.extend(of_key("a", "2 invoke read\n2 ok read 1"));
    for (place, event) in all.iter_mut().enumerate() {
        event.time = place as u64;
    }
    let violations: Vec<_> =
        all.iter().filter_map(|event| judge.push(event).unwrap()).map(|v| v.key).collect();
    assert_eq!(violations, [Some("b".to_string())]);
}

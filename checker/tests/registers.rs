//! Histories of registers: small ones of our own, each with its verdict and its culprit, and recorded ones of real systems.

use std::path::Path;
use std::time::Duration;

use checker::judge::{self, Limits, Question};
use checker::verdict::{Judgement, Verdict};

/// A history from lines of `process type f value [error]`; values are JSON without blanks. One event a millisecond.
fn history(text: &str) -> String {
    let mut lines = String::new();
    for (index, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        let error = words.get(4).map_or_else(String::new, |error| format!(r#","error":"{error}""#));
        let time = index * 1_000_000;
        lines += &format!(
            r#"{{"index":{index},"time":{time},"process":{},"type":"{}","f":"{}","key":"k","value":{},"node":"n1"{error}}}"#,
            words[0], words[1], words[2], words[3]
        );
        lines.push('\n');
    }
    lines
}

fn judge(text: &str, limits: &Limits) -> Judgement {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let question = Question { limits: *limits, ..Question::default() };
    judge::judge(file.path(), &question).unwrap().judgement
}

/// Expects a violation whose summary begins so and whose explanation has these words.
fn check_invalid(text: &str, kind: &str, words: &str) {
    let judgement = judge(&history(text), &Limits::default());
    assert_eq!(judgement.verdict, Verdict::Invalid, "{text}");
    let violation = &judgement.checks[0].violations[0];
    assert!(violation.summary.starts_with(&format!("key k: {kind} at ")), "{}", violation.summary);
    let explanation = violation.explanation.join(" ");
    assert!(explanation.contains(words), "{explanation}");
    assert!(!violation.operations.is_empty());
}

fn check_valid(text: &str) {
    let judgement = judge(&history(text), &Limits::default());
    assert_eq!(judgement.verdict, Verdict::Valid, "{text}: {:#?}", judgement.checks);
}

#[test]
fn each_kind_of_violation_is_called_by_its_name() {
    check_invalid(
        "0 invoke write 1\n0 ok write 1\n0 invoke write 2\n1 invoke read null\n1 ok read 2\n0 ok write 2\n1 invoke read null\n1 ok read 1",
        "stale read",
        "The value was written by process 0 on n1: write 1",
    );
    check_invalid(
        "0 invoke write 1\n0 ok write 1\n0 invoke write 2\n0 ok write 2\n1 invoke read null\n1 ok read 1",
        "lost write",
        "Then process 0 on n1 did write 2",
    );
    check_invalid(
        "0 invoke write 1\n0 ok write 1\n1 invoke read null\n1 ok read null",
        "lost write",
        "did write 1",
    );
    check_invalid(
        "0 invoke read null\n0 ok read 7",
        "value out of thin air",
        "Nobody ever wrote 7",
    );
    check_invalid(
        "0 invoke write 1\n0 fail write 1\n1 invoke read null\n1 ok read 1",
        "aborted read",
        "certainly has no effect",
    );
    check_invalid(
        "1 invoke read null\n1 ok read 1\n0 invoke write 1\n0 ok write 1",
        "read from the future",
        "was written only later",
    );
    check_invalid(
        "0 invoke write 1\n0 ok write 1\n0 invoke cas [1,2]\n0 ok cas [1,2]\n1 invoke cas [1,3]\n1 ok cas [1,3]",
        "lost write",
        "did cas 1 -> 2",
    );
    check_invalid(
        "0 invoke write 1\n0 ok write 1\n1 invoke cas [1,3]\n1 fail cas [1,3] mismatch",
        "impossible result",
        "No order of the operations",
    );
}

#[test]
fn what_may_have_been_is_valid() {
    // Concurrent operations take effect in either order.
    check_valid("0 invoke write 1\n1 invoke read null\n1 ok read 1\n0 ok write 1");
    check_valid("0 invoke write 1\n1 invoke read null\n1 ok read null\n0 ok write 1");
    // An info write may take effect long after, or never.
    check_valid(
        "0 invoke write 1\n0 info write 1\n1 invoke read null\n1 ok read null\n1 invoke read null\n1 ok read 1",
    );
    check_valid(
        "0 invoke write 1\n0 info write 1\n1 invoke write 2\n1 ok write 2\n1 invoke read null\n1 ok read 2",
    );
    // So may one that never completed, and an info cas.
    check_valid("0 invoke write 1\n1 invoke read null\n1 ok read 1");
    check_valid("0 invoke cas [null,1]\n0 info cas [null,1]\n1 invoke read null\n1 ok read 1");
    // A failed cas without a reason says nothing about the value.
    check_valid(
        "0 invoke write 1\n0 ok write 1\n1 invoke cas [1,3]\n1 fail cas [1,3]\n1 invoke read null\n1 ok read 1",
    );
    // A mismatch is explained by an info write that nobody else saw.
    check_valid(
        "0 invoke write 1\n0 ok write 1\n2 invoke write 9\n2 info write 9\n1 invoke cas [1,3]\n1 fail cas [1,3] mismatch",
    );
}

#[test]
fn an_info_write_takes_effect_once() {
    check_invalid(
        "0 invoke write 1\n0 info write 1\n1 invoke read null\n1 ok read 1\n1 invoke write 2\n1 ok write 2\n\
         2 invoke read null\n2 ok read 2\n2 invoke read null\n2 ok read 1",
        "stale read",
        "process 1 on n1 had seen it: read -> 1",
    );
}

#[test]
fn over_the_limits_is_undecided_and_says_which() {
    // Eight open writes of four values and reads of each: hard enough for a limit of nothing.
    let mut text = String::new();
    for process in 0..8 {
        text += &format!("{process} invoke write {}\n", process % 4);
    }
    for process in 8..32 {
        text += &format!("{process} invoke read null\n");
    }
    for process in 8..32 {
        text += &format!("{process} ok read {}\n", process % 4);
    }
    let text = history(&text);
    assert_eq!(judge(&text, &Limits::default()).verdict, Verdict::Valid);
    let none = Limits { time: Duration::ZERO, ..Limits::default() };
    let judgement = judge(&text, &none);
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert!(judgement.checks[0].detail.contains("time limit"), "{}", judgement.checks[0].detail);
    let judgement = judge(&text, &Limits { memory_bytes: 1, ..Limits::default() });
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert!(judgement.checks[0].detail.contains("memory limit"), "{}", judgement.checks[0].detail);
}

#[test]
fn keys_are_judged_apart_and_the_bad_one_is_named() {
    let good = history("0 invoke write 1\n0 ok write 1");
    let bad =
        history("0 invoke read null\n0 ok read 7").replace("\"key\":\"k\"", "\"key\":\"other\"");
    let bad = bad.replace("\"index\":0", "\"index\":2").replace("\"index\":1", "\"index\":3");
    let bad = bad
        .replace("\"time\":0,", "\"time\":2000000,")
        .replace("\"time\":1000000", "\"time\":3000000");
    let judgement = judge(&(good + &bad), &Limits::default());
    let violations = &judgement.checks[0].violations;
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].key.as_deref(), Some("other"));
    assert_eq!(violations[0].time, Some(3_000_000));
}

/// etcd with its leader cut off, recorded elsewhere; the verdict is in the name of the file. Not part of a public clone.
#[test]
fn recordings_of_etcd_get_their_known_verdicts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/systems");
    if !folder.is_dir() {
        println!("skipped: the recordings of other projects are not here");
        return;
    }
    let mut judged = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("etcd-") {
            continue;
        }
        let expected = if name.contains(".valid.") { Verdict::Valid } else { Verdict::Invalid };
        let judgement = judge::judge(&path, &Question::default()).unwrap().judgement;
        assert_eq!(judgement.verdict, expected, "{name}: {:#?}", judgement.checks);
        judged += 1;
    }
    assert_eq!(judged, 4);
}

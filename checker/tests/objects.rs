//! Histories of every object but the plain registers: small ones of our own, each with its verdict and its culprit.

use std::str::FromStr;

use checker::certificate::verify_all;
use checker::history::History;
use checker::judge::{self, Limits, Question};
use checker::linearizability::check_with_proofs;
use checker::models::Model;
use checker::verdict::{Judgement, Verdict};

/// A history from lines of `process type f value`; values are JSON without blanks. One event a millisecond.
fn history(text: &str) -> tempfile::NamedTempFile {
    let mut lines = String::new();
    for (index, line) in text.split(';').map(str::trim).filter(|line| !line.is_empty()).enumerate()
    {
        let words: Vec<_> = line.split_whitespace().collect();
        let value = words.get(3).unwrap_or(&"null");
        let time = index * 1_000_000;
        lines += &format!(
            r#"{{"index":{index},"time":{time},"process":{},"type":"{}","f":"{}","value":{value},"node":"n1"}}"#,
            words[0], words[1], words[2]
        );
        lines.push('\n');
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    file
}

fn judge(model: &str, text: &str) -> Judgement {
    let model = Model::from_str(model).unwrap();
    let question = Question { model: Some(model), ..Question::default() };
    judge::judge(history(text).path(), &question).unwrap().judgement
}

fn check_valid(model: &str, text: &str) {
    let judgement = judge(model, text);
    assert_eq!(judgement.verdict, Verdict::Valid, "{model} {text}: {:#?}", judgement.checks);
}

/// Expects a violation by this operation, with these words in the explanation, that rests on so many operations.
fn check_invalid(model: &str, text: &str, culprit: &str, words: &str, count: usize) {
    let judgement = judge(model, text);
    assert_eq!(judgement.verdict, Verdict::Invalid, "{model} {text}: {:#?}", judgement.checks);
    let violation = &judgement.checks[0].violations[0];
    let claim = format!("got ok for {culprit}");
    assert!(violation.summary.ends_with(&claim), "{}", violation.summary);
    assert!(violation.summary.contains(" on n1 "), "{}", violation.summary);
    let explanation = violation.explanation.join(" ");
    assert!(explanation.contains(words), "{explanation}");
    assert_eq!(violation.operations.len(), count, "{:#?}", violation.operations);
}

/// An operation of one process that nobody interferes with.
fn alone(process: u64, f: &str, argument: &str, result: &str) -> String {
    format!("{process} invoke {f} {argument}; {process} ok {f} {result};")
}

#[test]
fn a_counter_adds_up() {
    let adds = alone(0, "add", "2", "2") + "1 invoke add 3; 1 info add 3;";
    check_valid("counter", &(adds.clone() + &alone(2, "read", "null", "5")));
    check_valid("counter", &(adds.clone() + &alone(2, "read", "null", "2")));
    let read = alone(2, "read", "null", "3");
    check_invalid("counter", &(adds + &read), "read -> 3", "can have been just before: 2.", 3);
    // Between two steps there is nothing.
    let twos = alone(0, "add", "2", "2") + &alone(0, "add", "2", "2");
    check_valid("counter", &(twos.clone() + &alone(2, "read", "null", "4")));
    let odd = twos + &alone(2, "read", "null", "5");
    assert_eq!(judge("counter", &odd).verdict, Verdict::Invalid);
    let between = "0 invoke add 2;".to_string() + &alone(2, "read", "null", "1");
    assert_eq!(judge("counter", &between).verdict, Verdict::Invalid);
}

#[test]
fn what_nobody_added_is_in_no_list_and_no_set() {
    for (model, f) in [("list", "append"), ("set", "add")] {
        let text = alone(0, f, "1", "1") + &alone(1, "read", "null", "[1,9]");
        let judgement = judge(model, &text);
        assert_eq!(judgement.verdict, Verdict::Invalid, "{model}: {:#?}", judgement.checks);
        let violation = &judgement.checks[0].violations[0];
        assert!(violation.summary.ends_with("got ok for read -> [1,9]"), "{}", violation.summary);
    }
}

#[test]
fn where_nothing_completed_nothing_is_proved() {
    for (model, f) in [("register", "read"), ("queue", "dequeue")] {
        let check = &judge(model, &format!("0 invoke {f}; 1 invoke {f}; 1 info {f}")).checks[0];
        assert_eq!((check.name.as_str(), check.verdict), ("linearizable", Verdict::Unknown));
    }
}

#[test]
fn a_kv_holds_what_was_put_and_appended() {
    let text = alone(0, "put", r#""a""#, r#""a""#)
        + r#"1 invoke append "b"; 2 invoke append "c"; 1 ok append "b"; 2 ok append "c";"#;
    check_valid("kv", &(text.clone() + &alone(3, "get", "null", r#""acb""#)));
    check_valid("kv", &alone(3, "get", "null", "null"));
    let stale = text.clone() + &alone(3, "get", "null", r#""ac""#);
    check_invalid(
        "kv",
        &stale,
        r#"get -> "ac""#,
        r#"and it is missing: process 1 on n1: append "b""#,
        4,
    );
    check_invalid("kv", &stale, r#"get -> "ac""#, r#"can have been just before: "abc"; "acb"."#, 4);
}

#[test]
fn a_wrong_text_is_explained_by_what_is_wrong_with_it() {
    let put = |process, text: &str| alone(process, "put", text, text);
    let append = |process, text: &str| alone(process, "append", text, text);
    let get = |text: &str| alone(9, "get", "null", text);
    for (text, kind, words) in [
        (
            put(0, r#""a""#) + &get(r#""aq""#),
            "value out of thin air",
            r#"behind its first 1 byte: "q""#,
        ),
        (
            get(r#""b""#) + &put(0, r#""b""#),
            "read from the future",
            "was written only later: process 0",
        ),
        (
            r#"0 invoke put "b"; 0 fail put "b";"#.to_string() + &get(r#""b""#),
            "aborted read",
            "was written only by process 0",
        ),
        (
            put(0, r#""a""#) + &put(1, r#""c""#) + &get(r#""a""#),
            "stale read",
            r#"the last put, which was over before: process 1 on n1: put "c""#,
        ),
        (
            append(0, r#""a""#) + &append(1, r#""b""#) + &get(r#""ba""#),
            "out of order",
            r#""b" stands before "a""#,
        ),
        (
            r#"0 invoke append "a";"#.to_string()
                + &get(r#""a""#)
                + &alone(8, "get", "null", "null"),
            "stale read",
            "can only have grown at its end: process 9",
        ),
        // Of these no one or two operations are enough to see it.
        (append(0, r#""a""#) + &get(r#""aa""#), "impossible result", r#"just before: "a"."#),
    ] {
        let judgement = judge("kv", &text);
        assert_eq!(judgement.verdict, Verdict::Invalid, "{text}");
        let violation = &judgement.checks[0].violations[0];
        assert!(violation.summary.contains(kind), "{text}: {}", violation.summary);
        let explanation = violation.explanation.join(" ");
        assert!(explanation.contains(words), "{text}: {explanation}");
    }
}

#[test]
fn a_set_has_what_was_added_and_not_removed() {
    let added = alone(0, "add", "1", "1") + &alone(0, "add", "2", "2");
    check_valid("set", &(added.clone() + &alone(1, "read", "null", "[2,1]")));
    check_valid("set", &(added.clone() + &alone(1, "remove", "1", "[1,true]")));
    let lost = added.clone() + &alone(1, "read", "null", "[2]");
    check_invalid("set", &lost, "read -> [2]", "but it is not there", 2);
    let twice = alone(0, "remove", "1", "[1,true]") + &added;
    check_invalid("set", &twice, "remove 1 -> true", "", 2);
}

#[test]
fn a_queue_is_first_in_first_out() {
    let both = alone(0, "enqueue", "1", "1") + &alone(0, "enqueue", "2", "2");
    let other = alone(5, "enqueue", "7", "7") + &alone(5, "dequeue", "null", "7");
    let first = other.clone() + &both + &alone(1, "dequeue", "null", "1");
    check_valid("queue", &(first.clone() + &alone(1, "peek", "null", "2")));
    // A crashed dequeue may have taken the first.
    check_valid("queue", &(both.clone() + "3 invoke dequeue;" + &alone(1, "dequeue", "null", "2")));
    let swapped = other + &both + &alone(1, "dequeue", "null", "2");
    check_invalid("queue", &swapped, "dequeue -> 2", "but 1 was never dequeued", 3);
    let empty = first + &alone(1, "dequeue", "null", "null");
    check_invalid("queue", &empty, "dequeue -> empty", "", 2);
}

#[test]
fn a_stack_is_last_in_first_out() {
    let both = alone(0, "push", "1", "1") + &alone(0, "push", "2", "2");
    check_valid("stack", &(both.clone() + &alone(1, "pop", "null", "2")));
    let swapped = both + &alone(1, "pop", "null", "1");
    check_invalid("stack", &swapped, "pop -> 1", "2 was above 1 all the time", 3);
}

#[test]
fn a_mutex_is_held_once() {
    let held = alone(0, "acquire", "null", "null");
    check_valid(
        "mutex",
        &(held.clone()
            + "1 invoke acquire;"
            + &alone(0, "release", "null", "null")
            + "1 ok acquire"),
    );
    // A release with unknown outcome may have freed it.
    check_valid(
        "mutex",
        &(held.clone()
            + "0 invoke release; 0 info release;"
            + &alone(1, "acquire", "null", "null")),
    );
    let twice = held.clone() + &alone(1, "acquire", "null", "null");
    check_invalid(
        "mutex",
        &twice,
        "acquire",
        "process 0 on n1 held the lock already, at the latest since 0.001 s",
        2,
    );
    let free = alone(0, "release", "null", "null");
    check_invalid("mutex", &free, "release", "Nobody can have taken it by then", 1);
    let given_back = held.clone() + &free + &alone(1, "release", "null", "null");
    check_invalid("mutex", &given_back, "release", "It was given back by process 0 on n1", 1);
    let late = twice + &free;
    check_invalid(
        "mutex",
        &late,
        "acquire",
        "process 0 on n1 began to give it back only at 0.004 s",
        2,
    );
    // However long it went well before.
    let well = (held + &free).repeat(400);
    check_invalid("mutex", &(well + &late), "acquire", "No release of anybody", 2);
    let three = "0 invoke acquire; 1 invoke acquire; 2 invoke acquire; 3 invoke release; 0 ok acquire; 1 ok acquire; 3 ok release; 2 ok acquire;";
    check_invalid(
        "mutex",
        three,
        "acquire",
        "3 acquires succeeded, and only 1 release can have come",
        4,
    );
}

#[test]
fn the_tokens_of_a_lock_grow() {
    let first = alone(0, "acquire", "null", "4") + &alone(0, "release", "null", "null");
    check_valid("lock", &(first.clone() + &alone(1, "acquire", "null", "6")));
    let again = first + &alone(1, "acquire", "null", "4");
    check_invalid("lock", &again, "acquire -> 4", "4 was given out already: process 0", 2);
}

#[test]
fn a_list_only_grows() {
    let appends = "0 invoke append 1; 1 invoke append 2; 0 ok append 1; 1 ok append 2;".to_string();
    let read = appends.clone() + &alone(2, "read", "null", "[2,1]");
    check_valid("list", &read);
    let other = read + &alone(3, "read", "null", "[1,2]");
    check_invalid("list", &other, "read -> [1,2]", "neither is a beginning of the other", 4);
}

#[test]
fn transactions_on_a_map_take_effect_as_a_whole() {
    let both = r#"[["w","x",1],["w","y",1]]"#;
    let write = alone(0, "txn", both, both);
    let ask = r#"[["r","x",null],["r","y",null]]"#;
    check_valid(
        "multi-register",
        &(write.clone() + &alone(1, "txn", ask, r#"[["r","x",1],["r","y",1]]"#)),
    );
    check_valid("multi-register", &alone(1, "txn", ask, r#"[["read","x",null],["r","y",null]]"#));
    let torn =
        format!("0 invoke txn {both};") + &alone(1, "txn", ask, r#"[["r","x",1],["r","y",null]]"#);
    let result = r#"txn [["r","x",1],["r","y",null]]"#;
    check_invalid("multi-register", &torn, result, "every key null", 2);
}

#[test]
fn values_that_make_no_sense_leave_it_undecided() {
    let judgement = judge("counter", &alone(0, "add", r#""x""#, r#""x""#));
    assert_eq!(judgement.verdict, Verdict::Unknown);
    let detail = &judgement.checks[0].detail;
    assert!(detail.contains("the `add` of line 1 needs an integer"), "{detail}");
}

#[test]
fn an_order_names_the_operations_that_took_effect() {
    let text = alone(0, "push", "1", "1")
        + "1 invoke push 2; 2 invoke push 3; 1 info push 2;"
        + &alone(3, "pop", "null", "2")
        + "2 ok push 3";
    let history = History::read(history(&text).path()).unwrap();
    let (report, proofs) = check_with_proofs(&history, Model::Stack, &Limits::default());
    assert_eq!(report.verdict, Verdict::Valid);
    // The push with unknown outcome was seen, so it is in it.
    let checker::certificate::Proof::Order(order) = &proofs[0].proof else { panic!("{proofs:?}") };
    assert_eq!(order.len(), 4, "{order:?}");
    verify_all(&history, Model::Stack, "linearizable", &proofs).unwrap();
}

//! Certificates: those of the real check are accepted and all their mutations refused; and for every model a right and a wrong proof made by hand.

use checker::certificate::{
    Certificate, Claim, Dependency, Edge, Fingerprint, ObjectProof, Proof, ProofDocument, Refusal,
    verify, verify_all,
};
use checker::history::{Event, History, Outcome, ValueId};
use checker::judge::{Judged, Limits, Question, judge};
use checker::linearizability::check_with_proofs;
use checker::models::Model;
use checker::verdict::Verdict;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Histories tried where `FAULTLINE_CASES` says nothing.
const CASES: u32 = 1_500;

/// Events from lines of `process type f value [error]`; values are JSON without blanks.
fn events(text: &str) -> Vec<Event> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let event = |(index, line): (usize, &str)| {
        let words: Vec<_> = line.split_whitespace().collect();
        let value: serde_json::Value = serde_json::from_str(words[3]).unwrap();
        serde_json::from_value(serde_json::json!({
            "index": index, "time": index, "process": words[0].parse::<u64>().unwrap(), "type": words[1],
            "f": words[2], "value": value, "error": words.get(4),
        }))
        .unwrap()
    };
    lines.enumerate().map(event).collect()
}

fn history(text: &str) -> History {
    History::pair(events(text)).unwrap()
}

/// A history in which every line is an operation of its own process, over before the next begins: `f value`, `f value info`, …
fn sequential(text: &str) -> History {
    let mut lines = String::new();
    for (process, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        let outcome = words.get(2).unwrap_or(&"ok");
        let error = words.get(3).unwrap_or(&"");
        let (f, value) = (words[0], words[1]);
        lines +=
            &format!("{process} invoke {f} {value}\n{process} {outcome} {f} {value} {error}\n");
    }
    history(&lines)
}

fn whole(proof: Proof) -> Vec<ObjectProof> {
    vec![ObjectProof { key: ValueId::NIL, proof }]
}

fn consistency(model: Model) -> &'static str {
    checker::certificate::consistency_of(model)
}

fn accept(history: &History, model: Model, proof: Proof) {
    let verified = verify_all(history, model, consistency(model), &whole(proof.clone()));
    assert!(verified.is_ok(), "{proof:?}: {verified:?}");
}

/// Expects a proof to be refused for a reason with these words.
fn refuse(history: &History, model: Model, proof: Proof, words: &str) {
    match verify_all(history, model, consistency(model), &whole(proof.clone())) {
        Err(Refusal::Unproved(reason)) => assert!(reason.contains(words), "{proof:?}: {reason}"),
        other => panic!("{proof:?}: {other:?}"),
    }
}

fn order(places: &[u32]) -> Proof {
    Proof::Order(places.to_vec())
}

fn core(places: &[u32]) -> Proof {
    Proof::Core(places.to_vec())
}

/// All operations of a history that is sequential, in their order: right, or wrong at some operation; then all of them are a core.
fn check_sequential(model: Model, text: &str, wrong_at: Option<u32>) {
    let history = sequential(text);
    let all: Vec<u32> = (0..history.operations().len() as u32).collect();
    match wrong_at {
        None => {
            accept(&history, model, order(&all));
            refuse(&history, model, core(&all), "everything is right");
        }
        Some(at) => {
            let wrong = format!("operation {at} (line {}", 2 * at + 1);
            refuse(&history, model, order(&all), &wrong);
            accept(&history, model, core(&all));
        }
    }
}

#[test]
fn every_model_has_a_specification_of_the_verifiers_own() {
    use Model::*;
    let cases: [(Model, &str, Option<u32>); 26] = [
        (Register, "read null\nwrite 1\nread 1\nwrite [1]\nread [1]", None),
        (Register, "write 1\nwrite 2\nread 1", Some(2)),
        (CasRegister, "cas [null,1]\nread 1\ncas [1,1]\ncas [2,3] fail mismatch\nread 1", None),
        (CasRegister, "cas [null,1]\ncas [null,2]", Some(1)),
        (CasRegister, "write 1\ncas [1,2] fail mismatch", Some(1)),
        (Kv, "get null\nput \"a\"\nappend \"b\"\nget \"ab\"\nput \"\"\nget \"\"", None),
        (Kv, "put \"a\"\nappend \"b\"\nget \"ba\"", Some(2)),
        (Counter, "read 0\nadd 3\nadd -1\nread 2\nadd 0", None),
        (Counter, "add 1\nadd 1\nread 1", Some(2)),
        (Set, "add 1\nadd [2,true]\nadd [1,false]\nread [2,1]\nremove 1\ncontains [1,false]", None),
        (Set, "add 1\nremove [1,true]\nremove [1,false]\nread []", None),
        (Set, "add 1\nadd [1,true]", Some(1)),
        (Set, "add 1\nread [1,1]", Some(1)),
        (
            Queue,
            "dequeue null\nenqueue 1\nenqueue 2\npeek 1\ndequeue 1\ndequeue 2\npeek null",
            None,
        ),
        (Queue, "enqueue 1\nenqueue 2\ndequeue 2", Some(2)),
        (Queue, "enqueue 1\ndequeue null", Some(1)),
        (Stack, "pop null\npush 1\npush 2\npeek 2\npop 2\npop 1\npop null", None),
        (Stack, "push 1\npush 2\npop 1", Some(2)),
        (Lock, "acquire 3\nrelease null\nacquire 7\nrelease 7", None),
        (Lock, "acquire 3\nrelease null\nacquire 3", Some(2)),
        (Mutex, "acquire null\nrelease null\nacquire null", None),
        (Mutex, "acquire null\nacquire null", Some(1)),
        (List, "read []\nappend 1\nappend 2\nread [1,2]", None),
        (List, "append 1\nappend 2\nread [2,1]", Some(2)),
        (
            MultiRegister,
            r#"txn [["w",1,5],["r",1,5],["r",2,null]]
                           txn [["r",1,5],["w",2,6]]"#,
            None,
        ),
        (
            MultiRegister,
            r#"txn [["w",1,5],["w",2,5]]
                           txn [["r",1,5],["r",2,null]]"#,
            Some(1),
        ),
    ];
    for (model, text, wrong_at) in cases {
        check_sequential(model, text, wrong_at);
    }
    let all = Model::all().filter(|m| m.family() == checker::models::Family::Object);
    all.for_each(|model| {
        assert!(cases.iter().any(|(of, ..)| *of == model), "{model} is not tried");
    });
}

#[test]
fn an_order_must_be_complete_and_keep_to_real_time() {
    let history = sequential(
        "write 1\nread 1\nwrite 2 info\ncas [9,8] fail\ncas [7,8] fail mismatch\nread 1",
    );
    let check =
        |places: &[u32], words: &str| refuse(&history, Model::CasRegister, order(places), words);
    accept(&history, Model::CasRegister, order(&[0, 1, 4, 5]));
    accept(&history, Model::CasRegister, order(&[0, 1, 4, 5, 2]));
    check(&[0, 1, 2, 4, 5], "operation 5 (line 11, read 1, ok) is wrong where it stands");
    check(&[0, 1, 5, 4], "operation 4 (line 9, cas [7,8], fail) completed before");
    check(&[0, 4, 5], "operation 1 (line 3, read 1, ok) is missing");
    check(&[0, 1, 5], "operation 4 (line 9, cas [7,8], fail) is missing");
    check(&[0, 1, 1, 4, 5], "named twice");
    check(&[0, 1, 3, 4, 5], "certainly did not happen");
    check(&[0, 1, 4, 5, 6], "no operation 6");
}

#[test]
fn what_may_be_left_out_of_a_register_core_is_only_what_nobody_saw() {
    let stale = sequential("write 7\nwrite 1\nwrite 2\nread 2\nread 1\nwrite 1");
    accept(&stale, Model::Register, core(&[1, 2, 3, 4]));
    refuse(
        &stale,
        Model::Register,
        core(&[2, 3, 4]),
        "operation 1 (line 3, write 1, ok) may matter",
    );
    refuse(&stale, Model::Register, core(&[1, 2, 3]), "everything is right");
    // A mismatch may come of any write.
    let refuted = sequential("write 1\nwrite 9\ncas [1,3] fail mismatch\nread 4");
    refuse(
        &refuted,
        Model::CasRegister,
        core(&[0, 2]),
        "operation 1 (line 3, write 9, ok) may matter",
    );
    accept(&refuted, Model::CasRegister, core(&[3]));
    // An info cas may have seen what is written after all others are over.
    let late = sequential("cas [5,6] info\nread 6\nwrite 5");
    accept(&late, Model::CasRegister, core(&[0, 1]));
    let early = sequential("cas [5,6] info\nwrite 5\nread 6");
    refuse(
        &early,
        Model::CasRegister,
        core(&[0, 2]),
        "operation 1 (line 3, write 5, ok) may matter",
    );
}

#[test]
fn what_a_read_of_everything_may_have_seen_may_not_be_left_out() {
    // It was open while 7 was added and removed again, and saw it.
    let history = history(
        "0 invoke read null\n1 invoke add 7\n1 ok add [7,true]\n2 invoke remove 7\n2 ok remove [7,true]\n\
         0 ok read [7]\n3 invoke contains 7\n3 ok contains [7,false]",
    );
    refuse(&history, Model::Set, core(&[0, 3]), "operation 1");
}

#[test]
fn null_is_no_element_and_transactions_name_their_keys_themselves() {
    let history = sequential("enqueue null\nenqueue 1\npeek null");
    for proof in [core(&[1, 2]), order(&[0, 1, 2])] {
        refuse(&history, Model::Queue, proof, "null, which is what an empty one answers");
    }
    let history = sequential("write 5");
    refuse(&history, Model::MultiRegister, order(&[0]), "no list of steps");
}

#[test]
fn what_may_be_left_out_of_other_cores() {
    use Model::*;
    let check = |model: Model, text: &str, right: &[u32], wrong: &[(&[u32], &str)]| {
        let history = sequential(text);
        accept(&history, model, core(right));
        wrong.iter().for_each(|(places, words)| refuse(&history, model, core(places), words));
    };
    let reordered = "enqueue 9\nenqueue 1\nenqueue 2\ndequeue 9\ndequeue 2\ndequeue 1";
    check(
        Queue,
        reordered,
        &[1, 2, 4, 5],
        &[(&[2, 4], "everything is right"), (&[2, 4, 5], "operation 1")],
    );
    // A take of unknown outcome may have taken what is missing.
    let taken = "enqueue 1\ndequeue null info\nenqueue 2\ndequeue 2";
    let history = sequential(taken);
    refuse(
        &history,
        Queue,
        core(&[0, 2, 3]),
        "operation 1 (line 3, dequeue null, info) may matter",
    );
    check(Stack, "push 9\npush 1\npop 9", &[0, 1, 2], &[(&[0, 2], "everything is right")]);
    // Of a read of everything only what is not left out counts.
    check(List, "append 1\nappend 2\nread [2]", &[0, 2], &[(&[1, 2], "everything is right")]);
    check(
        Set,
        "add 1\nadd 2\nread [2]",
        &[0, 2],
        &[(&[1, 2], "everything is right"), (&[2], "everything is right")],
    );
    check(Set, "read [5]", &[0], &[]);
    check(
        Set,
        "add 1\nremove 1\ncontains [1,true]",
        &[0, 1, 2],
        &[(&[0, 2], "everything is right"), (&[1, 2], "operation 0")],
    );
    // It never says that 1 is in: a second add makes nothing better.
    check(Set, "add 1\nadd 1\ncontains [1,false]", &[0, 2], &[]);
    check(Set, "add [1,true]\nremove [1,true]\nremove [1,true]", &[2], &[(&[1, 2], "operation 0")]);
    check(
        Kv,
        "put \"a\"\nput \"x\"\nappend \"y\"\nput \"b\"\nget \"a\"",
        &[0, 3, 4],
        &[(&[3, 4], "operation 0"), (&[0, 4], "everything is right")],
    );
    check(Kv, "append \"a\"\nappend \"z\"\nget \"aa\"", &[0, 2], &[(&[2], "operation 0")]);
    check(
        Counter,
        "add 1\nadd 0\nread 2",
        &[0, 2],
        &[(&[2], "operation 0"), (&[0], "everything is right")],
    );
    let twice = "acquire null\nrelease null\nacquire null\nacquire null";
    check(Mutex, twice, &[2, 3], &[(&[0, 3], "operation 1"), (&[1, 2, 3], "operation 0")]);
    check(
        Lock,
        "acquire 1\nrelease 1\nacquire 5\nacquire 6",
        &[2, 3],
        &[(&[3], "everything is right")],
    );
    let text = "txn [[\"w\",1,5],[\"w\",2,5]]\ntxn [[\"w\",3,1]]\ntxn [[\"r\",1,5],[\"r\",2,null]]";
    check(MultiRegister, text, &[0, 2], &[(&[2], "operation 0"), (&[0, 1], "everything is right")]);
}

const APPENDS: &str = r#"
    0 invoke txn [["append","x",1],["append","y",1]]
    0 ok txn [["append","x",1],["append","y",1]]
    1 invoke txn [["append","x",2],["r","y",null]]
    1 ok txn [["append","x",2],["r","y",[1]]]
    2 invoke txn [["r","x",null]]
    2 ok txn [["r","x",[1,2]]]
    3 invoke txn [["append","x",9]]
    3 info txn [["append","x",9]]
    4 invoke txn [["append","x",8]]
    4 fail txn [["append","x",8]]
"#;

#[test]
fn transactions_are_replayed_in_the_order_that_their_level_promises() {
    let history = history(APPENDS);
    accept(&history, Model::ListAppend, order(&[0, 1, 2]));
    accept(&history, Model::ListAppend, order(&[0, 1, 2, 3]));
    refuse(&history, Model::ListAppend, order(&[1, 0, 2]), "operation 1 (line 3");
    refuse(&history, Model::ListAppend, order(&[0, 1]), "operation 2 (line 5");
    refuse(&history, Model::ListAppend, order(&[0, 1, 2, 4]), "certainly did not happen");
    // The reader comes first in the order, but late in time.
    let late = self::history(
        "0 invoke txn [[\"w\",1,5]]\n0 ok txn [[\"w\",1,5]]\n1 invoke txn [[\"r\",1,null]]\n1 ok txn [[\"r\",1,null]]\n",
    );
    refuse(&late, Model::RwRegister, order(&[1, 0]), "operation 0 (line 1");
    let serializable = |level| verify_all(&late, Model::RwRegister, level, &whole(order(&[1, 0])));
    assert!(serializable("serializable").is_ok());
    assert!(serializable("strong-session-serializable").is_ok());
    assert!(serializable("strong-serializable").is_err());
    assert!(serializable("whatever this is").is_err());
    let one_process = self::history(
        "0 invoke txn [[\"w\",1,5]]\n0 ok txn [[\"w\",1,5]]\n0 invoke txn [[\"r\",1,null]]\n0 ok txn [[\"r\",1,null]]\n",
    );
    let serializable =
        |level| verify_all(&one_process, Model::RwRegister, level, &whole(order(&[1, 0])));
    assert!(serializable("serializable").is_ok());
    assert!(serializable("strong-session-serializable").is_err());
}

#[test]
fn a_verdict_rests_on_what_happened_and_is_told_once() {
    let claim = |verdict| Claim { model: Model::Register, consistency: "linearizable", verdict };
    let open = history("0 invoke write 1");
    let nothing = verify(&open, claim(Verdict::Valid), &whole(order(&[])));
    assert!(matches!(nothing, Err(Refusal::Unproved(_))), "{nothing:?}");
    // No history has both.
    let right = sequential("write 1\nread 1");
    let twice = [whole(order(&[0, 1])), whole(order(&[0, 1]))].concat();
    let refused = verify(&right, claim(Verdict::Valid), &twice);
    assert!(matches!(refused, Err(Refusal::Unproved(_))), "{refused:?}");
}

#[test]
fn what_may_not_have_happened_shows_nothing() {
    use Dependency::*;
    let skew = history(
        r#"0 invoke txn [["r","x",null],["append","y",1]]
           1 invoke txn [["r","y",null],["append","x",1]]
           0 ok txn [["r","x",[]],["append","y",1]]
           1 info txn [["r","y",[]],["append","x",1]]"#,
    );
    let e = |ends, kind, key, value| edge(&skew, ends, kind, key, value);
    let cycle = Proof::Cycle(vec![e((0, 1), ReadWrite, "x", 1), e((1, 0), ReadWrite, "y", 1)]);
    refuse(&skew, Model::ListAppend, cycle, "may not have happened");
    // It began after the write was over, and what it read is not known.
    let open = history(
        r#"0 invoke txn [["w","x",5]]
           0 ok txn [["w","x",5]]
           1 invoke txn [["r","x",null]]
           1 info txn [["r","x",null]]"#,
    );
    let e = |ends, kind, key, value| edge(&open, ends, kind, key, value);
    let cycle = Proof::Cycle(vec![e((0, 1), RealTime, "", 0), e((1, 0), ReadWrite, "x", 5)]);
    refuse(&open, Model::RwRegister, cycle, "may not have happened");
    let internal = |outcome: &str| sequential(&format!(r#"txn [["w",1,5],["r",1,6]] {outcome}"#));
    let proof = Proof::Anomaly { name: "internal".into(), transactions: vec![0] };
    accept(&internal("ok"), Model::RwRegister, proof.clone());
    refuse(&internal("info"), Model::RwRegister, proof.clone(), "show no internal");
    // Nor does it refute a level that allows it.
    let verified = verify_all(&internal("ok"), Model::RwRegister, "read-committed", &whole(proof));
    assert!(matches!(verified, Err(Refusal::Unproved(_))), "{verified:?}");
}

/// An edge; keys and values are small numbers or texts of the history.
fn edge(
    history: &History,
    (from, to): (u32, u32),
    kind: Dependency,
    key: &str,
    value: u64,
) -> Edge {
    let mut values = history.values().clone();
    let key = if key.is_empty() { ValueId::NIL } else { values.text(key) };
    let value = if key == ValueId::NIL { ValueId::NIL } else { ValueId::integer(value).unwrap() };
    Edge { from, to, kind, key, value }
}

#[test]
fn every_edge_of_a_cycle_is_derived_again() {
    use Dependency::*;
    // Write skew over lists, with a list that shows the order of x.
    let skew = history(
        r#"0 invoke txn [["r","x",null],["append","y",1]]
           1 invoke txn [["r","y",null],["append","x",1]]
           0 ok txn [["r","x",[]],["append","y",1]]
           1 ok txn [["r","y",[]],["append","x",1]]
           2 invoke txn [["r","x",null],["r","y",null]]
           2 ok txn [["r","x",[1]],["r","y",[1]]]"#,
    );
    let e = |ends, kind, key, value| edge(&skew, ends, kind, key, value);
    let cycle = |edges: &[Edge]| Proof::Cycle(edges.to_vec());
    let right = [e((0, 1), ReadWrite, "x", 1), e((1, 0), ReadWrite, "y", 1)];
    accept(&skew, Model::ListAppend, cycle(&right));
    refuse(&skew, Model::ListAppend, cycle(&right[..1]), "no cycle");
    refuse(&skew, Model::ListAppend, cycle(&[]), "no cycle");
    let swapped = [e((0, 1), ReadWrite, "y", 1), e((1, 0), ReadWrite, "x", 1)];
    refuse(&skew, Model::ListAppend, cycle(&swapped), "nothing says that operation 0");
    let unread = [e((0, 2), WriteRead, "y", 1), e((2, 0), WriteRead, "y", 1)];
    refuse(&skew, Model::ListAppend, cycle(&unread), "nothing says that operation 2");
    let in_time = [e((0, 2), RealTime, "", 0), e((2, 0), RealTime, "", 0)];
    refuse(&skew, Model::ListAppend, cycle(&in_time), "nothing says that operation 2");
    let level = |level| verify_all(&skew, Model::ListAppend, level, &whole(cycle(&right)));
    assert!(level("serializable").is_ok() && level("repeatable-read").is_ok());
    assert!(matches!(level("snapshot-isolation"), Err(Refusal::Unproved(_))));
    assert!(matches!(level("no such level"), Err(Refusal::Undecided(_))));
}

#[test]
fn edges_in_time_and_between_registers() {
    use Dependency::*;
    // Over before the other began, and not seen by it.
    let stale = history(
        r#"0 invoke txn [["w","x",1]]
           0 ok txn [["w","x",1]]
           1 invoke txn [["r","x",1],["w","x",2]]
           1 ok txn [["r","x",1],["w","x",2]]
           2 invoke txn [["r","x",null]]
           2 ok txn [["r","x",1]]"#,
    );
    let e = |ends, kind, key, value| edge(&stale, ends, kind, key, value);
    let cycle = Proof::Cycle(vec![e((1, 2), RealTime, "", 0), e((2, 1), ReadWrite, "x", 2)]);
    accept(&stale, Model::RwRegister, cycle.clone());
    let serializable = verify_all(&stale, Model::RwRegister, "serializable", &whole(cycle));
    assert!(matches!(serializable, Err(Refusal::Unproved(_))), "{serializable:?}");
    let process = Proof::Cycle(vec![e((1, 2), Process, "", 0), e((2, 1), ReadWrite, "x", 2)]);
    refuse(&stale, Model::RwRegister, process, "nothing says that operation 1");
    let backwards =
        Proof::Cycle(vec![e((0, 1), WriteWrite, "x", 1), e((1, 0), WriteWrite, "x", 2)]);
    refuse(&stale, Model::RwRegister, backwards, "nothing says that operation 1");
    let other = Proof::Cycle(vec![e((1, 2), WriteRead, "x", 1), e((2, 1), ReadWrite, "x", 2)]);
    refuse(&stale, Model::RwRegister, other, "nothing says that operation 1");
    // Each read what the other wrote.
    let circle = history(
        r#"0 invoke txn [["w","x",1],["r","y",null]]
           1 invoke txn [["w","y",1],["r","x",null]]
           0 ok txn [["w","x",1],["r","y",1]]
           1 ok txn [["w","y",1],["r","x",1]]"#,
    );
    let e = |ends, kind, key, value| edge(&circle, ends, kind, key, value);
    let cycle = Proof::Cycle(vec![e((0, 1), WriteRead, "x", 1), e((1, 0), WriteRead, "y", 1)]);
    accept(&circle, Model::RwRegister, cycle.clone());
    for (level, forbids) in [("read-committed", true), ("read-uncommitted", false)] {
        let verified = verify_all(&circle, Model::RwRegister, level, &whole(cycle.clone()));
        assert_eq!(verified.is_ok(), forbids, "{level}");
    }
}

#[test]
fn every_anomaly_is_looked_at_again() {
    use Model::{ListAppend, RwRegister};
    // Model, name, history, transactions that show it, and some that do not.
    type Case = (Model, &'static str, &'static str, &'static [u32], &'static [u32]);
    let cases: [Case; 14] = [
        (
            ListAppend,
            "G1a",
            "txn [[\"append\",1,5]] fail\ntxn [[\"r\",1,[5]]]\ntxn [[\"r\",1,[]]]",
            &[1, 0],
            &[2, 0],
        ),
        (
            RwRegister,
            "G1a",
            "txn [[\"w\",1,5]] fail\ntxn [[\"r\",1,5]]\ntxn [[\"r\",1,null]]",
            &[1, 0],
            &[2, 0],
        ),
        (
            ListAppend,
            "G1b",
            "txn [[\"append\",1,5],[\"append\",1,6]]\ntxn [[\"r\",1,[5]]]\ntxn [[\"r\",1,[5,6]]]",
            &[1, 0],
            &[2, 0],
        ),
        (
            RwRegister,
            "G1b",
            "txn [[\"w\",1,5],[\"w\",1,6]]\ntxn [[\"r\",1,5]]\ntxn [[\"r\",1,6]]",
            &[1, 0],
            &[2, 0],
        ),
        (
            ListAppend,
            "internal",
            "txn [[\"append\",1,5],[\"r\",1,[]]]\ntxn [[\"append\",1,6],[\"r\",1,[6]]]",
            &[0],
            &[1],
        ),
        (
            RwRegister,
            "internal",
            "txn [[\"r\",1,null],[\"r\",1,7]]\ntxn [[\"w\",1,7],[\"r\",1,7]]",
            &[0],
            &[1],
        ),
        (
            ListAppend,
            "duplicate-elements",
            "txn [[\"append\",1,5]]\ntxn [[\"r\",1,[5,5]]]\ntxn [[\"r\",1,[5]]]",
            &[1],
            &[2],
        ),
        (
            ListAppend,
            "incompatible-order",
            "txn [[\"r\",1,[5,6]]]\ntxn [[\"r\",1,[6]]]\ntxn [[\"r\",1,[5]]]",
            &[0, 1],
            &[0, 2],
        ),
        (
            ListAppend,
            "lost-update",
            "txn [[\"r\",1,[]],[\"append\",1,5]]\ntxn [[\"r\",1,[]],[\"append\",1,6]]\ntxn [[\"r\",1,[]]]",
            &[0, 1],
            &[0, 2],
        ),
        (
            RwRegister,
            "lost-update",
            "txn [[\"r\",1,null],[\"w\",1,5]]\ntxn [[\"r\",1,null],[\"w\",1,6]]\ntxn [[\"r\",1,5],[\"w\",1,7]]",
            &[0, 1],
            &[0, 2],
        ),
        (RwRegister, "thin-air", "txn [[\"r\",1,5]]\ntxn [[\"r\",1,null]]", &[0], &[1]),
        (
            ListAppend,
            "future-read",
            "txn [[\"r\",1,[5]],[\"append\",1,5]]\ntxn [[\"append\",1,6],[\"r\",1,[5,6]]]",
            &[0],
            &[1],
        ),
        (
            ListAppend,
            "reordered-appends",
            "txn [[\"append\",1,5],[\"append\",1,6]]\ntxn [[\"append\",1,7]]\ntxn [[\"r\",1,[6,5,7]]]",
            &[0],
            &[1],
        ),
        (
            ListAppend,
            "dirty-update",
            "txn [[\"append\",1,5]] fail\ntxn [[\"append\",1,6]]\ntxn [[\"r\",1,[5,6]]]",
            &[1, 0, 2],
            &[1, 2],
        ),
    ];
    for (model, name, text, right, wrong) in cases {
        let history = sequential(text);
        let anomaly = |transactions: &[u32]| Proof::Anomaly {
            name: name.into(),
            transactions: transactions.to_vec(),
        };
        accept(&history, model, anomaly(right));
        refuse(&history, model, anomaly(wrong), &format!("show no {name}"));
        refuse(&history, model, anomaly(&[99]), "no operation 99");
    }
    let history = sequential("txn [[\"r\",1,5]]");
    let unknown = Proof::Anomaly { name: "cyclic-versions".into(), transactions: vec![0] };
    let verified = verify_all(&history, RwRegister, "serializable", &whole(unknown));
    assert!(matches!(verified, Err(Refusal::Undecided(_))), "{verified:?}");
}

/// A history of registers, from random bytes: mostly a run of real ones in which some results are changed.
fn random(bytes: &[u8]) -> Vec<Event> {
    let mut bytes = bytes.iter().copied();
    let mut draw = move |below: u8| bytes.next().unwrap_or(0) % below;
    let (keys, values, clients) = (1 + draw(2), 2 + draw(4), 1 + draw(4));
    let (refutes, wrong) = (draw(2) == 0, draw(4));
    let mut registers = vec![serde_json::Value::Null; keys.into()];
    let mut open: Vec<Option<(u64, u8, serde_json::Value, u8)>> = vec![None; clients.into()];
    let mut processes: Vec<u64> = (0..u64::from(clients)).collect();
    let mut events = Vec::new();
    let mut push = |process: u64, kind: &str, f: u8, key: u8, value: &serde_json::Value, error| {
        let f = ["read", "write", "cas"][f as usize];
        let index = events.len();
        events.push(serde_json::json!({
            "index": index, "time": index, "process": process, "type": kind, "f": f,
            "key": format!("k{key}"), "value": value, "error": error,
        }));
    };
    for _ in 0..12 + draw(16) {
        let client = usize::from(draw(clients));
        let Some((process, f, mut value, key)) = open[client].take() else {
            let (f, key) = (draw(3), draw(keys));
            let value = match f {
                0 => serde_json::Value::Null,
                1 => draw(values).into(),
                _ => serde_json::json!([draw(values), draw(values)]),
            };
            push(processes[client], "invoke", f, key, &value, None);
            open[client] = Some((processes[client], f, value, key));
            continue;
        };
        let register = &mut registers[usize::from(key)];
        let fits = f < 2 || *register == value[0];
        let lost = draw(8) == 0;
        if fits && !(lost && draw(2) == 0) {
            match f {
                0 => value = register.clone(),
                1 => *register = value.clone(),
                _ => *register = value[1].clone(),
            }
        }
        if f == 0 && draw(12) < wrong {
            value = draw(values).into();
        }
        match (lost, fits || draw(16) < wrong) {
            (true, _) => push(process, "info", f, key, &value, None),
            (_, true) => push(process, "ok", f, key, &value, None),
            _ => push(process, "fail", f, key, &value, refutes.then_some("mismatch")),
        }
        if lost {
            processes[client] += 100;
        }
    }
    events.into_iter().map(|event| serde_json::from_value(event).unwrap()).collect()
}

/// What may be done to a right proof so that it is none: each with its name.
fn mutations(
    history: &History,
    object: &ObjectProof,
    at: usize,
) -> Vec<(&'static str, ObjectProof)> {
    let with = |proof| ObjectProof { key: object.key, proof };
    let mut mutations = Vec::new();
    if let Proof::Order(order) = &object.proof {
        let mut reversed = order.clone();
        reversed.reverse();
        let is_ok = |place: &u32| history.operations()[*place as usize].outcome == Outcome::Ok;
        if let Some(place) = order.iter().copied().filter(is_ok).nth(at % order.len().max(1)) {
            let without = order.iter().copied().filter(|other| *other != place).collect();
            mutations.push(("drop", with(Proof::Order(without))));
            let twice = order.iter().copied().chain([place]).collect();
            mutations.push(("twice", with(Proof::Order(twice))));
        }
        let end = history.operations().len() as u32;
        mutations
            .push(("beyond", with(Proof::Order(order.iter().copied().chain([end]).collect()))));
        let failed =
            (0..end).find(|place| history.operations()[*place as usize].outcome == Outcome::Fail);
        if let Some(failed) = failed.filter(|place| !order.contains(place)) {
            mutations.push((
                "failed",
                with(Proof::Order(order.iter().copied().chain([failed]).collect())),
            ));
        }
    }
    if let Proof::Core(core) = &object.proof {
        mutations.push(("order", with(Proof::Order(core.clone()))));
        mutations.push(("nothing", with(Proof::Core(vec![]))));
        mutations.push(("twice", with(Proof::Core([&core[..], &core[..1]].concat()))));
    }
    mutations
}

/// Whether an order is right, by its definition: every pair is looked at for real time, and the register replayed.
fn is_right(history: &History, order: &[u32]) -> bool {
    let operations = history.operations();
    let real_time = order.iter().enumerate().all(|(at, place)| {
        let is_late = |before: &u32| {
            operations[*before as usize].invoked > operations[*place as usize].completed
        };
        !order[..at].iter().any(is_late)
    });
    let mut register = serde_json::Value::Null;
    real_time
        && order.iter().all(|place| {
            let view = history.view(*place as usize);
            let value = view.value();
            match (view.f(), view.outcome()) {
                ("read", Outcome::Ok) => register == value,
                ("write", _) => {
                    register = value;
                    true
                }
                ("cas", Outcome::Fail) => register != value[0],
                ("cas", _) if register == value[0] => {
                    register = value[1].clone();
                    true
                }
                (f, outcome) => f == "read" || outcome != Outcome::Ok,
            }
        })
}

fn claim(verdict: Verdict) -> Claim<'static> {
    Claim { model: Model::CasRegister, consistency: "linearizable", verdict }
}

#[test]
fn certificates_of_registers_are_accepted_and_their_mutations_refused() {
    let cases = std::env::var("FAULTLINE_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config::with_cases(cases.unwrap_or(CASES));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..config });
    let counts = std::cell::RefCell::new([0; 3]);
    let check = |bytes: Vec<u8>| {
        let history = History::pair(random(&bytes)).unwrap();
        let (report, proofs) = check_with_proofs(&history, Model::CasRegister, &Limits::default());
        counts.borrow_mut()[report.verdict as usize] += 1;
        if report.verdict != Verdict::Unknown {
            check_verdict(&history, report.verdict, &proofs);
            check_mutations(&history, report.verdict, &proofs, bytes[0].into());
            proofs.iter().for_each(|object| check_swaps(&history, object));
        }
        Ok(())
    };
    runner.run(&prop::collection::vec(any::<u8>(), 200), check).unwrap();
    let [valid, _, invalid] = *counts.borrow();
    assert!(valid > 0 && invalid > 0, "{counts:?}");
}

/// The proofs prove this verdict and no other, and not without one of them.
fn check_verdict(history: &History, verdict: Verdict, proofs: &[ObjectProof]) {
    let verified = verify(history, claim(verdict), proofs);
    assert!(verified.is_ok(), "{verified:?}\n{proofs:?}\n{}", written(history));
    let other = if verdict == Verdict::Valid { Verdict::Invalid } else { Verdict::Valid };
    assert!(verify(history, claim(other), proofs).is_err());
    assert!(verify(history, claim(Verdict::Unknown), proofs).is_err());
    if verdict == Verdict::Valid {
        let fewer = verify(history, claim(verdict), &proofs[1..]);
        assert!(fewer.is_err(), "{}", written(history));
    }
}

fn check_mutations(history: &History, verdict: Verdict, proofs: &[ObjectProof], at: usize) {
    let refused = |name, mutant: &[ObjectProof]| {
        let verified = verify(history, claim(verdict), mutant);
        assert!(verified.is_err(), "{name}: {mutant:?}\n{}", written(history));
    };
    for (number, object) in proofs.iter().enumerate() {
        for (name, mutant) in mutations(history, object, at) {
            let mut mutants = proofs.to_vec();
            mutants[number] = mutant;
            refused(name, &mutants);
        }
    }
    if let [first, second] = proofs {
        let other_key = |of: &ObjectProof, key| ObjectProof { key, ..of.clone() };
        let exchanged = [other_key(first, second.key), other_key(second, first.key)];
        if exchanged.iter().any(|object| object.proof != Proof::Order(vec![])) {
            refused("other key", &exchanged);
        }
    }
}

/// An order with two neighbours exchanged is accepted if and only if it is right too.
fn check_swaps(history: &History, object: &ObjectProof) {
    let Proof::Order(order) = &object.proof else { return };
    for at in 1..order.len() {
        let mut swapped = order.clone();
        swapped.swap(at - 1, at);
        let right = is_right(history, &swapped);
        let proof = ObjectProof { key: object.key, proof: Proof::Order(swapped) };
        let verified = verify_all(history, Model::CasRegister, "linearizable", &[proof]);
        assert_eq!(verified.is_ok(), right, "{verified:?}\n{}", written(history));
    }
}

/// An operation of a model with a result from a small choice.
fn any_operation(
    model: Model,
    draw: &mut impl FnMut(u8) -> u8,
) -> (&'static str, serde_json::Value) {
    use serde_json::json;
    let (x, y) = (1 + draw(2), 1 + draw(2));
    let seen = [json!(null), json!(1), json!(2)][usize::from(draw(3))].clone();
    let lists = [json!([]), json!([x]), json!([x, 3 - x]), json!([1, 2])];
    let list = lists[usize::from(draw(4))].clone();
    let told = [json!(x), json!([x, true]), json!([x, false])][usize::from(draw(3))].clone();
    match (model, draw(3)) {
        (Model::Register | Model::CasRegister, 0) => ("read", seen),
        (Model::CasRegister, 1) => ("cas", json!([seen, x])),
        (Model::Register | Model::CasRegister, _) => ("write", json!(x)),
        (Model::Kv, 0) => ("put", json!(["a", "b"][usize::from(x - 1)])),
        (Model::Kv, 1) => ("append", json!(["a", "b"][usize::from(x - 1)])),
        (Model::Kv, _) => ("get", json!(["", "a", "ab", "b"][usize::from(draw(4))])),
        (Model::Counter, 0) => ("read", json!(x)),
        (Model::Counter, _) => ("add", json!(draw(3))),
        (Model::Set, 0) => ("add", told),
        (Model::Set, 1) => ("remove", told),
        (Model::Set, _) if draw(2) == 0 => ("contains", json!([x, y == 1])),
        (Model::Set | Model::List, 2) => ("read", list),
        (Model::List, _) => ("append", json!(x)),
        (Model::Queue, 0) => ("enqueue", json!(x)),
        (Model::Queue, 1) => ("dequeue", seen),
        (Model::Queue, _) => (["dequeue", "peek"][usize::from(y - 1)], seen),
        (Model::Stack, 0) => ("push", json!(x)),
        (Model::Stack, 1) => ("pop", seen),
        (Model::Stack, _) => (["pop", "peek"][usize::from(y - 1)], seen),
        (Model::Lock | Model::Mutex, 0) => ("release", json!(null)),
        (Model::Lock, _) => ("acquire", json!(draw(4))),
        (Model::Mutex, _) => ("acquire", json!(null)),
        (Model::MultiRegister, 0) => ("txn", json!([["r", x, seen], ["r", 3 - x, y]])),
        (Model::MultiRegister, 1) => ("txn", json!([["r", x, seen], ["w", y, x]])),
        (Model::MultiRegister, _) => ("txn", json!([["w", x, y]])),
        (other, _) => panic!("{other} is no object"),
    }
}

/// A few operations of a model, concurrent or not, with any results.
fn any_history(model: Model, bytes: &[u8]) -> History {
    let mut bytes = bytes.iter().copied();
    let mut draw = move |below: u8| bytes.next().unwrap_or(0) % below;
    let (count, overlap) = (2 + draw(4), draw(4));
    let mut open: Vec<(u64, &str, serde_json::Value)> = Vec::new();
    let (mut text, mut begun) = (String::new(), 0);
    while begun < count || !open.is_empty() {
        if begun < count && (open.is_empty() || draw(4) < overlap) {
            let (f, value) = any_operation(model, &mut draw);
            let looks = ["read", "get", "contains", "peek", "dequeue", "pop"].contains(&f);
            let argument = if looks { &serde_json::Value::Null } else { &value };
            text += &format!("{begun} invoke {f} {argument}\n");
            open.push((begun.into(), f, value));
            begun += 1;
            continue;
        }
        let (process, f, value) = open.remove(usize::from(draw(open.len() as u8)));
        let outcome = match draw(8) {
            0 | 1 => "info",
            2 => "fail",
            _ => "ok",
        };
        let error = if f == "cas" { "mismatch" } else { "" };
        let value = if outcome == "ok" { value } else { serde_json::Value::Null };
        text += &format!("{process} {outcome} {f} {value} {error}\n");
    }
    history(&text)
}

/// Whether an order that begins so is accepted: all are tried.
fn has_order(history: &History, model: Model, begin: &mut Vec<u32>) -> bool {
    let proof = whole(Proof::Order(begin.clone()));
    if verify_all(history, model, consistency(model), &proof).is_ok() {
        return true;
    }
    (0..history.operations().len() as u32).any(|place| {
        if begin.contains(&place) {
            return false;
        }
        begin.push(place);
        let found = has_order(history, model, begin);
        begin.pop();
        found
    })
}

/// There is either an order or a core, and if there is an order no part of the history may pass for a core.
#[test]
fn no_part_of_a_right_history_is_a_core_and_the_whole_of_a_wrong_one_is() {
    let cases = std::env::var("FAULTLINE_CASES").ok().and_then(|cases| cases.parse().ok());
    for model in Model::all().filter(|m| m.family() == checker::models::Family::Object) {
        let config = Config::with_cases(cases.map_or(CASES / 20, |cases: u32| cases / 20));
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..config });
        let counts = std::cell::Cell::new((0, 0));
        let check = |bytes: Vec<u8>| {
            let history = any_history(model, &bytes);
            let is_core = |places: &[u32]| {
                verify_all(&history, model, consistency(model), &whole(core(places)))
            };
            let all: Vec<u32> = (0..history.operations().len() as u32).collect();
            let (right, wrong) = counts.get();
            if has_order(&history, model, &mut Vec::new()) {
                counts.set((right + 1, wrong));
                for chosen in 0..1_u32 << all.len() {
                    let part = all.iter().copied().filter(|place| chosen & 1 << place != 0);
                    let part: Vec<_> = part.collect();
                    assert!(is_core(&part).is_err(), "{model} {part:?}\n{}", written(&history));
                }
            } else {
                counts.set((right, wrong + 1));
                let verified = is_core(&all);
                assert!(verified.is_ok(), "{model} {verified:?}\n{}", written(&history));
            }
            Ok(())
        };
        runner.run(&prop::collection::vec(any::<u8>(), 100), check).unwrap();
        let (right, wrong) = counts.get();
        assert!(right > 0 && wrong > 0, "{model}: {counts:?}");
    }
}

/// What `faultline check --certificate` and `faultline verify` do with a file.
#[test]
fn a_certificate_is_tied_to_the_file_of_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("history.jsonl"), folder.path().join("certificate"));
    let write = |text: &str| {
        let lines = events(text).into_iter().map(|event| serde_json::to_string(&event).unwrap());
        std::fs::write(&path, lines.map(|line| line + "\n").collect::<String>()).unwrap();
    };
    let verified = || {
        let history = History::read(&path).unwrap();
        Certificate::read(&file).unwrap().verify(&history, &Fingerprint::of(&path).unwrap())
    };
    let valid = "0 invoke write 1\n1 invoke read null\n1 ok read 1\n0 ok write 1";
    for (text, verdict) in
        [(valid, Verdict::Valid), ("0 invoke read null\n0 ok read 7", Verdict::Invalid)]
    {
        write(text);
        let Judged { model, judgement, certificate, .. } = certified(&path);
        assert_eq!((model, judgement.verdict), (Model::Register, verdict));
        let certificate = certificate.unwrap();
        certificate.write(&file).unwrap();
        assert_eq!(Certificate::read(&file).unwrap(), certificate);
        assert!(verified().is_ok(), "{:?}", verified());
        assert_eq!(certificate.objects[0].sentence.is_some(), verdict == Verdict::Invalid);
        // The file is another one, although the history is the same.
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&bytes[..], b"\n"].concat()).unwrap();
        assert!(verified().unwrap_err().to_string().contains("another history"));
        std::fs::write(&path, bytes).unwrap();
        // It says what it does not show.
        let mut wrong = certificate.clone();
        wrong.objects[0].proof = ProofDocument::None;
        wrong.write(&file).unwrap();
        assert!(matches!(verified(), Err(Refusal::Unproved(_))), "{:?}", verified());
        wrong = Certificate { consistency: "serializable".into(), ..certificate.clone() };
        wrong.write(&file).unwrap();
        assert!(verified().unwrap_err().to_string().contains("it cannot be said"));
        wrong = certificate;
        wrong.objects[0].key = "other".into();
        wrong.write(&file).unwrap();
        assert!(verified().unwrap_err().to_string().contains("no key \"other\""));
    }
}

#[test]
fn a_malformed_certificate_is_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("history.jsonl"), folder.path().join("certificate"));
    let line = serde_json::to_string(&events("0 invoke read null\n0 ok read null")[0]).unwrap();
    std::fs::write(&path, line + "\n").unwrap();
    let Judged { judgement, certificate, .. } = certified(&path);
    assert_eq!(judgement.verdict, Verdict::Unknown);
    let text = serde_json::to_string(&certificate.unwrap()).unwrap();
    let check = |from: &str, to: &str, words: &str| {
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let error = Certificate::read(&file).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check("{", "[", "not a certificate");
    check("\"format\":1", "\"format\":2", "format 2 is not known");
    check("\"model\":\"register\"", "\"model\":\"rgister\"", "unknown model `rgister`");
    check("\"proof\":\"none\"", "\"proof\":\"trust me\"", "trust me");
    check("\"proof\":\"none\"", "\"proof\":{\"order\":[\"a\"]}", "invalid type");
    check("\"verdict\":\"unknown\"", "\"verdict\":\"fine\"", "fine");
    check("\"detail\"", "\"details\"", "details");
    assert!(Certificate::read(&path.join("missing")).is_err());
}

/// A history as text, for messages.
fn written(history: &History) -> String {
    let line = |(place, view): (usize, checker::history::View<'_>)| {
        let key = view.key().unwrap_or_default().into_owned();
        format!(
            "{place}: {key} {} {} {} {:?}..{:?}\n",
            view.f(),
            view.value(),
            view.outcome().name(),
            view.invoked(),
            view.completed()
        )
    };
    history.views().enumerate().map(line).collect()
}

fn certified(path: &std::path::Path) -> Judged {
    judge(path, &Question { certify: true, ..Question::default() }).unwrap()
}

//! Orders, and what each model must say of one.

use checker::models::{Family, Model};

use super::support::{accept, core, order, refuse, sequential};

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
    let all = Model::all().filter(|m| m.family() == Family::Object);
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
fn null_is_no_element_and_transactions_name_their_keys_themselves() {
    let history = sequential("enqueue null\nenqueue 1\npeek null");
    for proof in [core(&[1, 2]), order(&[0, 1, 2])] {
        refuse(&history, Model::Queue, proof, "null, which is what an empty one answers");
    }
    let history = sequential("write 5");
    refuse(&history, Model::MultiRegister, order(&[0]), "no list of steps");
}

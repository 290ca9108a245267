//! Cores: what may be left out of one, because it could not have made the rest right.

use checker::models::Model;

use super::support::{accept, core, history, refuse, sequential};

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

/// Some operations of a sequential history are a core, and others are refused with these words.
fn check(model: Model, text: &str, right: &[u32], wrong: &[(&[u32], &str)]) {
    let history = sequential(text);
    accept(&history, model, core(right));
    wrong.iter().for_each(|(places, words)| refuse(&history, model, core(places), words));
}

#[test]
fn what_may_be_left_out_of_a_queue_core() {
    check(
        Model::Queue,
        "enqueue 9\nenqueue 1\nenqueue 2\ndequeue 9\ndequeue 2\ndequeue 1",
        &[1, 2, 4, 5],
        &[(&[2, 4], "everything is right"), (&[2, 4, 5], "operation 1")],
    );
    // A take of unknown outcome may have taken what is missing.
    refuse(
        &sequential("enqueue 1\ndequeue null info\nenqueue 2\ndequeue 2"),
        Model::Queue,
        core(&[0, 2, 3]),
        "operation 1 (line 3, dequeue null, info) may matter",
    );
}

#[test]
fn what_may_be_left_out_of_a_stack_core() {
    check(Model::Stack, "push 9\npush 1\npop 9", &[0, 1, 2], &[(&[0, 2], "everything is right")]);
}

/// Of a read of everything only what is not left out counts.
#[test]
fn what_may_be_left_out_of_a_list_core() {
    check(
        Model::List,
        "append 1\nappend 2\nread [2]",
        &[0, 2],
        &[(&[1, 2], "everything is right")],
    );
}

#[test]
fn what_may_be_left_out_of_a_set_core() {
    check(
        Model::Set,
        "add 1\nadd 2\nread [2]",
        &[0, 2],
        &[(&[1, 2], "everything is right"), (&[2], "everything is right")],
    );
    check(Model::Set, "read [5]", &[0], &[]);
    check(
        Model::Set,
        "add 1\nremove 1\ncontains [1,true]",
        &[0, 1, 2],
        &[(&[0, 2], "everything is right"), (&[1, 2], "operation 0")],
    );
    // It never says that 1 is in: a second add makes nothing better.
    check(Model::Set, "add 1\nadd 1\ncontains [1,false]", &[0, 2], &[]);
    check(
        Model::Set,
        "add [1,true]\nremove [1,true]\nremove [1,true]",
        &[2],
        &[(&[1, 2], "operation 0")],
    );
}

#[test]
fn what_may_be_left_out_of_a_key_value_core() {
    check(
        Model::Kv,
        "put \"a\"\nput \"x\"\nappend \"y\"\nput \"b\"\nget \"a\"",
        &[0, 3, 4],
        &[(&[3, 4], "operation 0"), (&[0, 4], "everything is right")],
    );
    check(Model::Kv, "append \"a\"\nappend \"z\"\nget \"aa\"", &[0, 2], &[(&[2], "operation 0")]);
}

#[test]
fn what_may_be_left_out_of_a_counter_core() {
    check(
        Model::Counter,
        "add 1\nadd 0\nread 2",
        &[0, 2],
        &[(&[2], "with what is left out"), (&[0], "everything is right")],
    );
    // Others can only have made it more.
    check(
        Model::Counter,
        "add 1\nadd 1\nadd 1\nread 1",
        &[0, 2, 3],
        &[(&[0, 3], "everything is right")],
    );
    check(
        Model::Counter,
        "add 1 info\nadd 1 info\nread 2\nread 1",
        &[2, 3],
        &[(&[2], "with what is left out"), (&[3], "with what is left out")],
    );
    check(Model::Counter, "add -5\nadd -1 info\nread 1", &[2], &[]);
    check(Model::Counter, "add 5\nadd -3\nread 1", &[0, 1, 2], &[(&[2], "both signs")]);
}

#[test]
fn what_may_be_left_out_of_the_core_of_a_lock() {
    check(
        Model::Mutex,
        "acquire null\nrelease null\nacquire null\nacquire null",
        &[2, 3],
        &[(&[0, 3], "with what is left out"), (&[3], "everything is right")],
    );
    // Whether it was held before is open, unless all that was over before is in balance.
    check(
        Model::Mutex,
        "acquire null\nrelease null\nrelease null",
        &[2],
        &[(&[1], "everything is right")],
    );
    check(
        Model::Mutex,
        "acquire null\nrelease null\nrelease null",
        &[1, 2],
        &[(&[0, 1], "everything is right")],
    );
    // A release that was open may have come between, one that was over may not.
    let open = history(
        "0 invoke acquire null\n3 invoke release null\n0 ok acquire null\n3 ok release null\n\
         1 invoke acquire null\n1 ok acquire null\n2 invoke acquire null\n2 ok acquire null",
    );
    refuse(&open, Model::Mutex, core(&[0, 2]), "with what is left out");
    accept(&open, Model::Mutex, core(&[2, 3]));
    // However it went before, tokens grow.
    check(
        Model::Lock,
        "acquire 5\nrelease null\nacquire 7 info\nrelease null\nacquire 4",
        &[0, 4],
        &[(&[0], "everything is right"), (&[4], "everything is right")],
    );
    check(
        Model::Lock,
        "acquire 1\nrelease 1\nacquire 5\nacquire 6",
        &[2, 3],
        &[(&[3], "everything is right")],
    );
}

#[test]
fn what_may_be_left_out_of_a_core_of_many_registers() {
    check(
        Model::MultiRegister,
        r#"txn [["w",1,5],["w",2,5]]
           txn [["w",3,1]]
           txn [["r",1,5],["r",2,null]]"#,
        &[0, 2],
        &[(&[2], "operation 0"), (&[0, 1], "everything is right")],
    );
}

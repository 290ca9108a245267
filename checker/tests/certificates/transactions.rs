//! Orders of transactions, and cycles with each of their edges.

use checker::certificate::{Dependency, Edge, Proof, Refusal, verify_all};
use checker::history::{History, ValueId};
use checker::models::Model;

use super::support::{accept, history, order, refuse, sequential, whole};

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

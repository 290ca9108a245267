//! Small random histories of every object: either some order of them is right or the whole is a core, and never both.

use std::cell::Cell;

use checker::certificate::{ObjectProof, Proof, verify_all};
use checker::history::History;
use checker::judge::Limits;
use checker::linearizability::check_with_proofs;
use checker::models::{Family, Model};
use serde_json::{Value, json};

use super::support::{Draw, check_random, consistency, core, history, whole, written};

/// An operation of a model with a result from a small choice.
fn any_operation(model: Model, draw: &mut Draw<'_>) -> (&'static str, Value) {
    let (x, y) = (1 + draw.below(2), 1 + draw.below(2));
    let seen = draw.of(&[json!(null), json!(1), json!(2)]);
    let list = draw.of(&[json!([]), json!([x]), json!([x, 3 - x]), json!([1, 2])]);
    let told = draw.of(&[json!(x), json!([x, true]), json!([x, false])]);
    match (model, draw.below(3)) {
        (Model::Register | Model::CasRegister, 0) => ("read", seen),
        (Model::CasRegister, 1) => ("cas", json!([seen, x])),
        (Model::Register | Model::CasRegister, _) => ("write", json!(x)),
        (Model::Kv, 0) => ("put", json!(["a", "b"][usize::from(x - 1)])),
        (Model::Kv, 1) => ("append", json!(["a", "b"][usize::from(x - 1)])),
        (Model::Kv, _) => ("get", json!(draw.of(&["", "a", "ab", "b"]))),
        (Model::Counter, 0) => ("read", json!(x)),
        (Model::Counter, _) => ("add", json!(draw.below(3))),
        (Model::Set, 0) => ("add", told),
        (Model::Set, 1) => ("remove", told),
        (Model::Set, _) if draw.below(2) == 0 => ("contains", json!([x, y == 1])),
        (Model::Set | Model::List, 2) => ("read", list),
        (Model::List, _) => ("append", json!(x)),
        (Model::Queue, 0) => ("enqueue", json!(x)),
        (Model::Queue, 1) => ("dequeue", seen),
        (Model::Queue, _) => (["dequeue", "peek"][usize::from(y - 1)], seen),
        (Model::Stack, 0) => ("push", json!(x)),
        (Model::Stack, 1) => ("pop", seen),
        (Model::Stack, _) => (["pop", "peek"][usize::from(y - 1)], seen),
        (Model::Lock | Model::Mutex, 0) => ("release", json!(null)),
        (Model::Lock, _) => ("acquire", json!(draw.below(4))),
        (Model::Mutex, _) => ("acquire", json!(null)),
        (Model::MultiRegister, 0) => ("txn", json!([["r", x, seen], ["r", 3 - x, y]])),
        (Model::MultiRegister, 1) => ("txn", json!([["r", x, seen], ["w", y, x]])),
        (Model::MultiRegister, _) => ("txn", json!([["w", x, y]])),
        (other, _) => panic!("{other} is no object"),
    }
}

/// A few operations of a model, concurrent or not, with any results.
fn any_history(model: Model, bytes: &[u8]) -> History {
    let draw = &mut Draw::new(bytes);
    let (count, overlap) = (2 + draw.below(4), draw.below(4));
    let mut open: Vec<(u64, &str, Value)> = Vec::new();
    let (mut text, mut begun) = (String::new(), 0);
    while begun < count || !open.is_empty() {
        if begun < count && (open.is_empty() || draw.below(4) < overlap) {
            let (f, value) = any_operation(model, draw);
            let looks = ["read", "get", "contains", "peek", "dequeue", "pop"].contains(&f);
            let argument = if looks { &Value::Null } else { &value };
            text += &format!("{begun} invoke {f} {argument}\n");
            open.push((begun.into(), f, value));
            begun += 1;
            continue;
        }
        let (process, f, value) = open.remove(usize::from(draw.below(open.len() as u8)));
        let outcome = match draw.below(8) {
            0 | 1 => "info",
            2 => "fail",
            _ => "ok",
        };
        let error = if f == "cas" { "mismatch" } else { "" };
        let value = if outcome == "ok" { value } else { Value::Null };
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
    for model in Model::all().filter(|model| model.family() == Family::Object) {
        let counts = Cell::new((0, 0));
        check_random(20, 100, |bytes| {
            let (right, wrong) = counts.get();
            let is_right = check_parts(model, &any_history(model, bytes));
            counts.set((right + u32::from(is_right), wrong + u32::from(!is_right)));
        });
        let (right, wrong) = counts.get();
        assert!(right > 0 && wrong > 0, "{model}: {counts:?}");
    }
}

/// A core is accepted as it stands, and without any one of its operations it is refused.
#[test]
fn no_operation_can_be_left_out_of_a_core() {
    for model in Model::all().filter(|model| model.family() == Family::Object) {
        let wrong = Cell::new(0);
        check_random(10, 100, |bytes| {
            let history = any_history(model, bytes);
            let (report, proofs) = check_with_proofs(&history, model, &Limits::default());
            let [ObjectProof { proof: Proof::Core(found), .. }] = proofs.as_slice() else { return };
            let is_core = |places: &[u32]| {
                verify_all(&history, model, consistency(model), &whole(core(places)))
            };
            let case = || format!("{model} {found:?} {report:?}\n{}", written(&history));
            assert!(is_core(found).is_ok(), "{}", case());
            for place in found {
                let less: Vec<_> = found.iter().copied().filter(|other| other != place).collect();
                assert!(is_core(&less).is_err(), "without {place}: {}", case());
            }
            wrong.set(wrong.get() + 1);
        });
        assert!(wrong.get() > 0, "{model}");
    }
}

/// Whether a history is right; if it is no part of it is a core, and if it is not the whole is one.
fn check_parts(model: Model, history: &History) -> bool {
    let is_core =
        |places: &[u32]| verify_all(history, model, consistency(model), &whole(core(places)));
    let all: Vec<u32> = (0..history.operations().len() as u32).collect();
    if !has_order(history, model, &mut Vec::new()) {
        let verified = is_core(&all);
        assert!(verified.is_ok(), "{model} {verified:?}\n{}", written(history));
        return false;
    }
    for chosen in 0..1_u32 << all.len() {
        let part = all.iter().copied().filter(|place| chosen & 1 << place != 0);
        let part: Vec<_> = part.collect();
        assert!(is_core(&part).is_err(), "{model} {part:?}\n{}", written(history));
    }
    true
}

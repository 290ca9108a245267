//! The search against an oracle that tries every order. The oracle has its own sequential semantics, straight from the JSON of a recording:
//! it *defines* what is right, and is never made quicker.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::budget::{Budget, Limits};
use super::super::decision::Decision;
use super::super::minimal::is_minimal;
use super::super::objects::Objects;
use super::super::recorded::{Operation, history, placed};
use super::Judge;
use crate::certificate::{ObjectProof, Proof, consistency_of, verify_all};
use crate::history::{History, Outcome, ValueId};
use crate::models::Model;

/// What an operation returns and leaves behind; nothing if it cannot be done. A token of a lock is what was recorded.
fn run(
    model: Model,
    state: &Value,
    f: &str,
    argument: &Value,
    token: Option<i64>,
) -> Option<(Value, Value)> {
    let list = || state.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let pushed = || Value::from([list(), vec![argument.clone()]].concat());
    let has = || list().contains(argument);
    let plain = |next: Value| (argument.clone(), next);
    Some(match (model, f) {
        (Model::Kv, "get") => (state.clone(), state.clone()),
        (Model::Kv, "put") => plain(text(argument).into()),
        (Model::Kv, "append") => plain((text(state) + &text(argument)).into()),
        (Model::Counter, "add") => plain((state.as_i64()? + argument.as_i64()?).into()),
        (Model::Set, "add") if has() => (json!([argument, false]), state.clone()),
        (Model::Set, "add") => (json!([argument, true]), pushed()),
        (Model::Set, "remove") => {
            let rest: Vec<_> = list().into_iter().filter(|other| other != argument).collect();
            (json!([argument, has()]), rest.into())
        }
        (Model::Set, "contains") => (json!([argument, has()]), state.clone()),
        (Model::Queue, "enqueue") | (Model::Stack, "push") | (Model::List, "append") => {
            plain(pushed())
        }
        (Model::Queue, "dequeue" | "peek") => match list().split_first() {
            None => (Value::Null, state.clone()),
            Some((first, rest)) if f == "dequeue" => (first.clone(), rest.to_vec().into()),
            Some((first, _)) => (first.clone(), state.clone()),
        },
        (Model::Stack, "pop" | "peek") => match list().split_last() {
            None => (Value::Null, state.clone()),
            Some((last, rest)) if f == "pop" => (last.clone(), rest.to_vec().into()),
            Some((last, _)) => (last.clone(), state.clone()),
        },
        (Model::Mutex, "acquire") => (state == &json!(false)).then(|| plain(json!(true)))?,
        (Model::Mutex, "release") => (state == &json!(true)).then(|| plain(json!(false)))?,
        (Model::Lock, "acquire") => {
            let last = state["last"].as_i64()?;
            let fits = state["held"] == json!(false) && token.is_none_or(|token| token > last);
            let next = json!({"held": true, "last": token.unwrap_or(last)});
            fits.then(|| (token.into(), next))?
        }
        (Model::Lock, "release") => (state["held"] == json!(true))
            .then(|| plain(json!({"held": false, "last": state["last"]})))?,
        (Model::MultiRegister, "txn") => {
            let (mut map, mut results) = (state.clone(), argument.clone());
            for micro in results.as_array_mut()? {
                let key = micro[1].as_str()?.to_string();
                match micro[0].as_str()? {
                    "r" => micro[2] = map[&key].clone(),
                    _ => map[&key] = micro[2].clone(),
                }
            }
            (results, map)
        }
        (_, "read") => (state.clone(), state.clone()),
        other => unreachable!("{other:?}"),
    })
}

fn initial(model: Model) -> Value {
    match model {
        Model::Kv => json!(""),
        Model::Counter => json!(0),
        Model::Mutex => json!(false),
        Model::Lock => json!({"held": false, "last": -1_000}),
        Model::MultiRegister => json!({"x": null, "y": null}),
        _ => json!([]),
    }
}

/// The state after a recorded operation, if it may take effect in this one.
fn apply(model: Model, state: &Value, operation: &Operation) -> Option<Value> {
    let Operation { f, argument, result, outcome, .. } = operation;
    let is_certain = *outcome == Outcome::Ok;
    let token = result.as_i64().filter(|_| is_certain);
    let (returned, next) = run(model, state, f, argument, token)?;
    let says_nothing = model == Model::Set && !result.is_array();
    let sorted = |value: &Value| match (model, *f, value.as_array()) {
        (Model::Set, "read", Some(elements)) => {
            let mut elements: Vec<_> = elements.iter().map(Value::to_string).collect();
            elements.sort();
            json!(elements)
        }
        _ => value.clone(),
    };
    let fits = !is_certain || says_nothing || sorted(&returned) == sorted(result);
    let next = if model == Model::Set { json!(sorted_list(&next)) } else { next };
    fits.then_some(next)
}

fn sorted_list(value: &Value) -> Vec<i64> {
    let mut list: Vec<_> = value.as_array().unwrap().iter().filter_map(Value::as_i64).collect();
    list.sort_unstable();
    list
}

/// Whether some order of all operations that happened, and of any of those that may have, is right. By trying them all.
fn linearizable(model: Model, operations: &[Operation]) -> bool {
    extend(model, operations, 0, &initial(model), &mut HashSet::new())
}

fn extend(
    model: Model,
    operations: &[Operation],
    done: u32,
    state: &Value,
    dead: &mut HashSet<(u32, String)>,
) -> bool {
    let missing = |place: &usize| done & (1 << place) == 0;
    let must = |place: &usize| operations[*place].outcome == Outcome::Ok;
    if (0..operations.len()).filter(missing).all(|place| !must(&place)) {
        return true;
    }
    if !dead.insert((done, state.to_string())) {
        return false;
    }
    // Nothing that must still happen has completed before this one began.
    let ends = (0..operations.len()).filter(missing).filter(must);
    let first = ends.filter_map(|place| operations[place].completed).min().unwrap_or(usize::MAX);
    let may = |place: &usize| {
        operations[*place].invoked < first && operations[*place].outcome != Outcome::Fail
    };
    (0..operations.len()).filter(missing).filter(may).any(|place| {
        apply(model, state, &operations[place])
            .is_some_and(|next| extend(model, operations, done | 1 << place, &next, dead))
    })
}

/// Random numbers that are the same on every machine (SplitMix64, Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % limit
    }
}

/// Something to do, with its argument. Values repeat if there are few of them.
fn call(model: Model, values: u64, place: u64, random: &mut Random) -> (&'static str, Value) {
    let mut value = || match values {
        0 => place,
        few => random.below(few),
    };
    let a = value();
    let letter = |number: u64| Value::from(["a", "b", "ab", "c", "d", "ba", "e"][number as usize]);
    let dice = random.below(6);
    match (model, dice) {
        (Model::Kv, 0..2) => ("put", letter(a % 7)),
        (Model::Kv, 2..4) => ("append", letter(a % 7)),
        (Model::Kv, _) => ("get", Value::Null),
        (Model::Counter, 0..3) => ("add", json!(a as i64 - (values % 2) as i64)),
        (Model::Set, 0..2) => ("add", json!(a)),
        (Model::Set, 2) => ("remove", json!(a)),
        (Model::Set, 3) => ("contains", json!(a)),
        (Model::Queue, 0..3) => ("enqueue", json!(a)),
        (Model::Queue, 3..5) => ("dequeue", Value::Null),
        (Model::Stack, 0..3) => ("push", json!(a)),
        (Model::Stack, 3..5) => ("pop", Value::Null),
        (Model::Queue | Model::Stack, _) => ("peek", Value::Null),
        (Model::Lock | Model::Mutex, 0..3) => ("acquire", Value::Null),
        (Model::Lock | Model::Mutex, _) => ("release", Value::Null),
        (Model::List, 0..3) => ("append", json!(a)),
        (Model::MultiRegister, _) => ("txn", transaction(a, dice, random)),
        _ => ("read", Value::Null),
    }
}

fn transaction(value: u64, dice: u64, random: &mut Random) -> Value {
    let count = 1 + random.below(2);
    let micro = |number: u64| {
        let key = ["x", "y"][random.below(2) as usize];
        match (dice + number) % 3 {
            0 => json!(["w", key, value]),
            _ if dice < 2 => json!(["w", key, value]),
            _ => json!(["r", key, null]),
        }
    };
    (0..count).map(micro).collect()
}

/// A small history: a run of a real object whose results are right, perhaps with one result changed, or with any results at all.
fn operations(model: Model, random: &mut Random) -> Vec<Operation> {
    let (count, values) = (2 + random.below(6), random.below(4));
    let (spread, info_share) = (1 + random.below(5), [0, 2, 5][random.below(3) as usize]);
    let mut drawn: Vec<_> = (0..count)
        .map(|place| {
            let begin = random.below(spread * 400) * 8 + place;
            let length = (1 + random.below(spread * 200)) * 8;
            (begin + random.below(length), begin, begin + length, random.below(10) < info_share)
        })
        .collect();
    drawn.sort_unstable();
    let mut state = initial(model);
    let mut finished = Vec::new();
    for (place, (_, begin, end, is_info)) in drawn.into_iter().enumerate() {
        let (f, argument) = call(model, values, place as u64, random);
        let token = (f == "acquire" && model == Model::Lock)
            .then(|| state["last"].as_i64().unwrap().max(-1) + 1 + random.below(2) as i64);
        let (mut result, mut outcome) = (argument.clone(), Outcome::Ok);
        if is_info {
            outcome = Outcome::Info;
        }
        match run(model, &state, f, &argument, token) {
            Some((returned, next)) if !is_info || random.below(2) == 0 => {
                (result, state) = (returned, next);
            }
            Some(_) => {}
            None if is_info => {}
            None => outcome = Outcome::Fail,
        }
        let is_silent = model == Model::Set && matches!(f, "add" | "remove");
        if is_silent && random.below(2) == 0 {
            result = argument.clone();
        }
        let operation =
            Operation { f, argument, result, outcome, error: None, invoked: 0, completed: None };
        finished.push((operation, begin, end));
    }
    let wrong = [0, 0, 1, 2, finished.len()][random.below(5) as usize];
    for number in 0..wrong {
        let place = if wrong > 2 { number } else { random.below(count) as usize };
        corrupt(model, &mut finished[place].0, random);
    }
    placed(finished)
}

/// Gives an operation any result that is not absurd, or lets it succeed after all.
fn corrupt(model: Model, operation: &mut Operation, random: &mut Random) {
    let mut elements = || -> Vec<u64> { (0..random.below(4)).map(|_| random.below(5)).collect() };
    let result = &mut operation.result;
    match (model, operation.f, operation.outcome) {
        (Model::Mutex | Model::Lock, f, Outcome::Ok | Outcome::Fail) => {
            operation.outcome = Outcome::Ok;
            let has_token = model == Model::Lock && f == "acquire";
            *result = if has_token { json!(random.below(4)) } else { Value::Null };
        }
        (_, _, Outcome::Info | Outcome::Fail | Outcome::Open) => {}
        (Model::MultiRegister, ..) => {
            for micro in result.as_array_mut().unwrap().iter_mut().filter(|micro| micro[0] == "r") {
                micro[2] = json!(random.below(3));
            }
        }
        (Model::Kv, "get", _) => {
            let letter = |element| ["a", "b", "ab", "c", "d"][element as usize];
            *result = elements().into_iter().map(letter).collect::<String>().into();
        }
        (Model::Counter, "read", _) => *result = json!(random.below(6) as i64 - 1),
        (Model::Set | Model::List, "read", _) => {
            let mut elements = elements();
            if model == Model::Set {
                elements.sort_unstable();
                elements.dedup();
            }
            *result = json!(elements);
        }
        (Model::Set, ..) if result.is_array() => result[1] = json!(random.below(2) == 0),
        (Model::Queue | Model::Stack, "dequeue" | "pop" | "peek", _) => {
            *result = elements().first().map_or(Value::Null, |element| json!(element));
        }
        _ => {}
    }
}

/// Whether an order takes every certain operation once, respects real time and is right.
fn is_witness(model: Model, operations: &[Operation], order: &[u32]) -> bool {
    let mut left: HashSet<usize> =
        (0..operations.len()).filter(|place| operations[*place].outcome != Outcome::Fail).collect();
    let (mut state, mut begun) = (initial(model), 0);
    for place in order {
        let operation = &operations[*place as usize];
        let is_late = operation.completed.is_some_and(|end| end < begun);
        let next = apply(model, &state, operation);
        let (Some(next), true, false) = (next, left.remove(&(*place as usize)), is_late) else {
            return false;
        };
        begun = begun.max(operation.invoked);
        state = next;
    }
    left.into_iter().all(|place| operations[place].outcome == Outcome::Info)
}

/// The independent verifier accepts it.
fn is_proved(history: &History, model: Model, proof: Proof) {
    let proofs = [ObjectProof { key: ValueId::NIL, proof }];
    if let Err(refusal) = verify_all(history, model, consistency_of(model), &proofs) {
        let all: Vec<_> = history.views().map(crate::explain::told).collect();
        panic!("{model}: {refusal}: {proofs:?} of {all:#?}");
    }
}

/// Judges one history; whether it is right.
fn check(model: Model, seed: u64) -> bool {
    let mut random = Random(seed);
    let operations = operations(model, &mut random);
    let expected = linearizable(model, &operations);
    let history = history(&operations);
    let budget = Budget::new(&Limits::default());
    let object = Objects::of(&history);
    let object = object.get(0);
    let case = || format!("{model}, seed {seed}: {operations:#?}");
    let [under, over, exact] = super::judge::each_pass(model, &history, &object, &budget);
    assert!(under.is_none_or(|sure| sure == expected), "the first pass: {}", case());
    assert!(over.is_none_or(|sure| sure == expected), "the second pass: {}", case());
    assert_eq!(exact, Some(expected), "the third pass: {}", case());
    match Judge::new(&history, model).judge(&object, &budget, true).unwrap() {
        Decision::Valid { order } => {
            assert!(expected, "the search found an order: {}", case());
            let order = order.unwrap();
            assert!(is_witness(model, &operations, &order), "{order:?} is no order: {}", case());
            is_proved(&history, model, Proof::Order(order));
            let part = super::judge::some_part_is_impossible(model, &history, &object, &budget);
            assert!(!part, "a closed part is impossible: {}", case());
        }
        Decision::Invalid(conviction) => {
            assert!(!expected, "the search found no order: {}", case());
            let core = &conviction.core;
            let part: Vec<_> =
                core.iter().map(|place| operations[*place as usize].clone()).collect();
            assert!(!linearizable(model, &part), "{core:?} is no core: {}", case());
            assert!(
                is_minimal(&history, model, &object, core),
                "{core:?} is too large: {}",
                case()
            );
            is_proved(&history, model, Proof::Core(core.clone()));
        }
        Decision::Undecided(reason) => panic!("{reason}: {}", case()),
    }
    expected
}

/// Histories of one model; more with `FAULTLINE_CASES=200000 cargo test -p faultline-checker --release search::oracle`.
fn cases() -> u64 {
    let cases = std::env::var("FAULTLINE_CASES").ok().and_then(|count| count.parse().ok());
    cases.unwrap_or(9_000) / 9
}

fn check_against_the_oracle(model: Model) {
    let right = (0..cases()).filter(|seed| check(model, *seed)).count() as u64;
    println!("{model}: {right} of {} are linearizable", cases());
    // Neither kind may be a rarity, or agreement says little.
    assert!(right * 20 > cases() && (cases() - right) * 20 > cases(), "{right} of {}", cases());
}

macro_rules! against_the_oracle {
    ($($name:ident: $model:expr,)*) => {
        $(#[test]
        fn $name() {
            check_against_the_oracle($model);
        })*
    };
}

against_the_oracle! {
    a_multi_register_agrees_with_the_oracle: Model::MultiRegister,
    a_kv_agrees_with_the_oracle: Model::Kv,
    a_counter_agrees_with_the_oracle: Model::Counter,
    a_set_agrees_with_the_oracle: Model::Set,
    a_queue_agrees_with_the_oracle: Model::Queue,
    a_stack_agrees_with_the_oracle: Model::Stack,
    a_lock_agrees_with_the_oracle: Model::Lock,
    a_mutex_agrees_with_the_oracle: Model::Mutex,
    a_list_agrees_with_the_oracle: Model::List,
}

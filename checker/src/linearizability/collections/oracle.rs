//! Every algorithm against an oracle that tries every order: it *defines* what is right, and is never made quicker.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};

use super::counter::counter;
use super::list::list;
use super::queue::queue;
use super::stack::stack;
use super::two_state::{mutex, set};
use crate::certificate::{ObjectProof, Proof, verify_all};
use crate::history::{History, Outcome, ValueId};
use crate::linearizability::decision::Decision;
use crate::linearizability::minimal::is_minimal;
use crate::linearizability::objects::{Object, Objects};
use crate::linearizability::recorded::{self, Operation, placed};

/// A kind of object: what it is called, who judges it, and what may be done to it how often.
struct Kind {
    name: &'static str,
    judge: fn(&History, &Object<'_>, bool) -> Option<Decision>,
    mixes: &'static [&'static [&'static str]],
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "queue",
        judge: queue,
        mixes: &[
            &["enqueue", "dequeue"],
            &["enqueue", "dequeue", "dequeue"],
            &["enqueue", "enqueue", "dequeue", "dequeue", "peek"],
            &["enqueue", "dequeue", "peek", "peek"],
        ],
    },
    Kind {
        name: "stack",
        judge: stack,
        mixes: &[
            &["push", "pop"],
            &["push", "pop", "pop"],
            &["push", "push", "pop", "pop", "peek"],
            &["push", "pop", "peek", "peek"],
        ],
    },
    Kind {
        name: "set",
        judge: set,
        mixes: &[
            &["add", "remove", "contains"],
            &["add?", "remove?", "contains"],
            &["add", "remove?", "contains"],
            &["add", "read"],
            &["add", "remove", "contains", "read"],
        ],
    },
    Kind { name: "mutex", judge: mutex, mixes: &[&["acquire", "release"]] },
    Kind {
        name: "counter",
        judge: counter,
        mixes: &[&["increment", "read"], &["increment", "increment", "read"]],
    },
    Kind {
        name: "list",
        judge: list,
        mixes: &[&["append", "read"], &["append", "append", "read"]],
    },
];

/// Whether some order of all operations that happened, and of any of those that may have, is right. By trying them all.
fn linearizable(operations: &[Operation]) -> bool {
    extend(operations, 0, &json!([]), &mut HashSet::new())
}

/// Whether the operations that are not in `done` can follow, from this state.
fn extend(
    operations: &[Operation],
    done: u32,
    state: &Value,
    dead: &mut HashSet<(u32, String)>,
) -> bool {
    let missing = |place: &usize| done & (1 << place) == 0;
    let must = |place: &usize| operations[*place].outcome == Outcome::Ok;
    let all = 0..operations.len();
    if !all.clone().filter(missing).any(|place| must(&place)) {
        return true;
    }
    if !dead.insert((done, state.to_string())) {
        return false;
    }
    // Nothing that must still happen has completed before this one began.
    let ends = all.clone().filter(missing).filter(must);
    let first_end =
        ends.filter_map(|place| operations[place].completed).min().unwrap_or(usize::MAX);
    let candidates: Vec<_> =
        all.filter(missing).filter(|place| operations[*place].invoked < first_end).collect();
    candidates.into_iter().any(|place| {
        apply(&operations[place], state)
            .is_some_and(|next| extend(operations, done | 1 << place, &next, dead))
    })
}

/// The state after the operation, if it may take effect at this state: a list of elements, or of one number.
fn apply(operation: &Operation, state: &Value) -> Option<Value> {
    if operation.outcome == Outcome::Fail {
        return None;
    }
    let (result, next) = perform(operation.f, &operation.argument, state)?;
    match operation.outcome {
        Outcome::Ok if operation.result.is_null() && operation.f.starts_with(['a', 'r']) => {
            Some(next)
        }
        Outcome::Ok => (result == operation.result).then_some(next),
        _ => Some(next),
    }
}

/// The result of an operation at a state, and the state after it; nothing if it cannot take effect there.
fn perform(f: &str, argument: &Value, state: &Value) -> Option<(Value, Value)> {
    let mut elements = state.as_array().unwrap().clone();
    let result = match f {
        "enqueue" | "push" | "append" => {
            elements.push(argument.clone());
            Value::Null
        }
        "dequeue" if elements.is_empty() => Value::Null,
        "dequeue" => elements.remove(0),
        "pop" => elements.pop().unwrap_or_default(),
        "peek" if argument == "first" => elements.first().cloned().unwrap_or_default(),
        "peek" => elements.last().cloned().unwrap_or_default(),
        "add" => {
            let is_new = !elements.contains(argument);
            elements.extend(is_new.then(|| argument.clone()));
            elements.sort_by_key(Value::as_u64);
            json!([argument, is_new])
        }
        "remove" => {
            let is_in = elements.contains(argument);
            elements.retain(|element| element != argument);
            json!([argument, is_in])
        }
        "contains" => json!([argument, elements.contains(argument)]),
        "acquire" => {
            elements.push(json!(0));
            (elements.len() == 1).then_some(Value::Null)?
        }
        "release" => elements.pop().map(|_| Value::Null)?,
        "increment" => {
            elements = vec![json!(elements.first().map_or(0, |count| count.as_u64().unwrap()) + 1)];
            Value::Null
        }
        "count" => elements.first().cloned().unwrap_or_else(|| json!(0)),
        _ => state.clone(), // A read of everything.
    };
    Some((result, Value::Array(elements)))
}

/// A generator of random numbers (SplitMix64, Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }
}

/// An operation on its way, with its times.
struct Draft {
    f: &'static str,
    argument: Value,
    begin: usize,
    effect: usize,
    end: usize,
    outcome: Outcome,
    /// Whether it takes effect although its outcome is unknown, or fails to although it is ok.
    happens: bool,
    has_result: bool,
}

/// A small history: of a real object, of one that loses effects or answers wrongly once, or anything at all.
fn operations(kind: &Kind, class: usize, count: usize, random: &mut Random) -> Vec<Operation> {
    let mix = kind.mixes[random.draw(kind.mixes.len())];
    let values = if random.draw(20) == 0 { 3 } else { 1_000 };
    let mut drafts = drafts(mix, count, values, random);
    if class == 1 && random.draw(2) == 0 {
        let lost = random.draw(count);
        drafts[lost].happens = false;
    }
    drafts.sort_by_key(|draft| draft.effect);
    let mut state = json!([]);
    let mut finished: Vec<(Operation, usize, usize)> = Vec::new();
    for draft in drafts {
        let performed = perform(draft.f, &draft.argument, &state);
        let mut outcome = draft.outcome;
        let (result, next) = performed.unwrap_or_else(|| {
            outcome = if class == 2 { draft.outcome } else { Outcome::Fail };
            (Value::Null, state.clone())
        });
        if outcome != Outcome::Fail && draft.happens {
            state = next;
        }
        let is_observed = draft.has_result && outcome == Outcome::Ok;
        let result = if is_observed { result } else { Value::Null };
        let Draft { f, argument, begin, end, .. } = draft;
        let (invoked, completed) = (0, None);
        finished.push((
            Operation { f, argument, result, outcome, error: None, invoked, completed },
            begin,
            end,
        ));
    }
    let with_results: Vec<usize> = (0..count)
        .filter(|n| finished[*n].0.outcome == Outcome::Ok && has_answer(finished[*n].0.f))
        .collect();
    for place in &with_results {
        let wrong = match class {
            1 => random.draw(with_results.len() + 1) == 0,
            2 => random.draw(3) > 0,
            _ => false,
        };
        if wrong {
            let other = with_results[random.draw(with_results.len())];
            let swapped = finished[other].0.result.clone();
            let own = finished[*place].0.clone();
            let new = answer(&own, swapped, random);
            if own.f == finished[other].0.f && own.argument.is_null() && random.draw(2) == 0 {
                finished[other].0.result = own.result; // Two answers change places.
            }
            finished[*place].0.result = new;
        }
    }
    placed(finished)
}

fn has_answer(f: &str) -> bool {
    !matches!(f, "enqueue" | "push" | "append" | "acquire" | "release" | "increment")
}

/// Another answer of the same form.
fn answer(own: &Operation, other: Value, random: &mut Random) -> Value {
    match own.f {
        "dequeue" | "pop" | "peek" if random.draw(6) == 0 => Value::Null,
        "dequeue" | "pop" | "peek" if other.is_number() => other,
        "count" => json!(random.draw(4)),
        "read" if other.is_array() && random.draw(3) > 0 => other,
        "read" => {
            let mut elements = own.result.as_array().unwrap().clone();
            if !elements.is_empty() && random.draw(2) == 0 {
                elements.remove(random.draw(elements.len()));
            }
            Value::Array(elements)
        }
        "contains" | "add" | "remove" => match own.result[1].as_bool() {
            Some(truth) => json!([own.argument, !truth]),
            None => own.result.clone(),
        },
        _ => own.result.clone(),
    }
}

fn drafts(mix: &[&'static str], count: usize, values: usize, random: &mut Random) -> Vec<Draft> {
    let (spread, info_share) = (1 + random.draw(6), [0, 0, 2, 5][random.draw(4)]);
    let is_queue = mix[0] == "enqueue";
    let elements = 1 + random.draw(4).max(count / 4);
    let is_counter = mix[0] == "increment";
    let is_repeated = mix.contains(&"contains");
    let draft = |process: usize, random: &mut Random| {
        let f = mix[random.draw(mix.len())];
        let argument = match f {
            "peek" if is_queue => json!("first"),
            "dequeue" | "pop" | "peek" | "read" | "acquire" | "release" | "increment" => {
                Value::Null
            }
            "add" | "add?" if !is_repeated => json!(process),
            "add" | "add?" | "remove" | "remove?" | "contains" => json!(random.draw(elements)),
            _ => json!(process % values),
        };
        let begin = random.draw(spread * count.max(8) / 2) * 1_000 + process;
        let length = (1 + random.draw(spread * 2)) * 1_000;
        let outcome = match random.draw(20) {
            0 => Outcome::Fail,
            _ if random.draw(10) < info_share => Outcome::Info,
            _ => Outcome::Ok,
        };
        let late = if outcome == Outcome::Info { random.draw(3) * 3_000 } else { 0 };
        Draft {
            f: if is_counter && f == "read" { "count" } else { f.trim_end_matches('?') },
            argument,
            begin,
            effect: begin + random.draw(length) + late,
            end: begin + length,
            outcome,
            happens: outcome == Outcome::Ok || random.draw(2) == 0,
            has_result: f.ends_with('?') || !matches!(f, "add" | "remove"),
        }
    };
    (0..count).map(|process| draft(process, random)).collect()
}

/// The operations as a history, in the words that a recording has for them.
fn history(operations: &[Operation]) -> History {
    let written = |operation: &Operation| {
        let (f, argument, result) = match operation.f {
            "increment" => ("add", json!(1), json!(1)),
            "count" => ("read", Value::Null, operation.result.clone()),
            "peek" => ("peek", Value::Null, operation.result.clone()),
            f if has_answer(f) && !operation.result.is_null() => {
                (f, operation.argument.clone(), operation.result.clone())
            }
            f => (f, operation.argument.clone(), operation.argument.clone()),
        };
        Operation { f, argument, result, ..operation.clone() }
    };
    recorded::history(&operations.iter().map(written).collect::<Vec<_>>())
}

/// Whether an order takes every operation that happened once, none that failed, respects real time and is right.
fn is_witness(operations: &[Operation], order: &[u32]) -> bool {
    let (mut state, mut begun, mut used) = (json!([]), 0, BTreeSet::new());
    for place in order {
        let operation = &operations[*place as usize];
        let is_late = operation.completed.is_some_and(|end| end < begun);
        let next = apply(operation, &state);
        if is_late || !used.insert(*place) || next.is_none() {
            return false;
        }
        begun = begun.max(operation.invoked);
        state = next.unwrap();
    }
    let mut all = operations.iter().zip(0..);
    all.all(|(operation, place)| operation.outcome != Outcome::Ok || used.contains(&place))
}

#[derive(Default, Debug)]
struct Tally {
    valid: usize,
    invalid: usize,
    valid_told: usize,
    invalid_told: usize,
}

/// The independent verifier accepts it.
fn is_proved(kind: &Kind, history: &History, proof: Proof) {
    let proofs = [ObjectProof { key: ValueId::NIL, proof }];
    if let Err(refusal) = verify_all(history, kind.name.parse().unwrap(), "linearizable", &proofs) {
        panic!("{}: {refusal}: {proofs:?} of {:#?}", kind.name, history.operations());
    }
}

fn judge(kind: &Kind, operations: &[Operation], tally: &mut Tally) {
    let expected = linearizable(operations);
    let history = history(operations);
    let objects = Objects::of(&history);
    let told = (kind.judge)(&history, &objects.get(0), true);
    let quick = (kind.judge)(&history, &objects.get(0), false);
    *(if expected { &mut tally.valid } else { &mut tally.invalid }) += 1;
    match (told, quick) {
        (None, None) => {}
        (Some(Decision::Valid { order: Some(order) }), Some(Decision::Valid { order: None })) => {
            assert!(expected, "{} is not valid: {operations:#?}", kind.name);
            assert!(is_witness(operations, &order), "{} {order:?}: {operations:#?}", kind.name);
            is_proved(kind, &history, Proof::Order(order));
            tally.valid_told += 1;
        }
        (Some(Decision::Invalid(conviction)), Some(Decision::Invalid(_))) => {
            assert!(!expected, "{} is valid: {conviction:?} {operations:#?}", kind.name);
            let core: Vec<_> =
                conviction.core.iter().map(|place| operations[*place as usize].clone()).collect();
            let name = kind.name;
            assert!(!linearizable(&core), "{name}: {conviction:?} of {operations:#?}");
            assert!(!conviction.violation.explanation.is_empty());
            let (core, object) = (conviction.core, objects.get(0));
            let model = name.parse().unwrap();
            let is_minimal = is_minimal(&history, model, &object, &core);
            assert!(is_minimal, "{name}: {core:?} of {operations:#?}");
            is_proved(kind, &history, Proof::Core(core));
            tally.invalid_told += 1;
        }
        other => panic!("{}: {other:?} of {operations:#?}", kind.name),
    }
}

/// The number of cases for each kind of object: few in the test suite, as many as one likes with `FAULTLINE_CASES`.
fn cases() -> usize {
    let asked = std::env::var("FAULTLINE_CASES").ok().and_then(|cases| cases.parse().ok());
    asked.map_or(2_000, |cases: usize| cases.div_ceil(KINDS.len()))
}

fn agrees(kind: &Kind) {
    let (mut all, mut random) = (Vec::new(), Random(20_260));
    for class in 0..3 {
        let mut tally = Tally::default();
        for _ in 0..cases() / 3 {
            let count = 2 + random.draw(8);
            judge(kind, &operations(kind, class, count, &mut random), &mut tally);
        }
        let Tally { valid, invalid, valid_told, invalid_told } = tally;
        let count = valid + invalid;
        println!("{} class {class}: {tally:?}", kind.name);
        assert!(class > 0 || invalid == 0, "what really happened is possible");
        assert!(class == 0 || 20 * invalid > count, "too few are invalid: {tally:?}");
        assert!(20 * valid > count, "too few are valid: {tally:?}");
        assert!(2 * (valid_told + invalid_told) > count, "too few are decided: {tally:?}");
        all.push(tally);
    }
    let sum = |of: fn(&Tally) -> usize| all.iter().map(of).sum::<usize>();
    let told = sum(|tally| tally.valid_told + tally.invalid_told);
    assert!(
        20 * sum(|tally| tally.valid_told) > told && 20 * sum(|tally| tally.invalid_told) > told
    );
}

/// Histories that are too large for the oracle prove themselves: by an order, or by a core that is small enough.
fn proves_itself(kind: &Kind) {
    let mut random = Random(7);
    let (mut valid, mut invalid) = (0, 0);
    for case in 0..cases() / 50 {
        let class = case % 2;
        let count = 100 + random.draw(300);
        let operations = operations(kind, class, count, &mut random);
        let history = history(&operations);
        match (kind.judge)(&history, &Objects::of(&history).get(0), true) {
            Some(Decision::Valid { order }) => {
                assert!(is_witness(&operations, &order.unwrap()), "{}: {operations:?}", kind.name);
                valid += 1;
            }
            Some(Decision::Invalid(conviction)) if conviction.core.len() <= 12 => {
                assert!(class > 0, "{} is valid: {conviction:?} {operations:?}", kind.name);
                let core = conviction.core.iter().map(|place| operations[*place as usize].clone());
                assert!(!linearizable(&core.collect::<Vec<_>>()), "{}: {conviction:?}", kind.name);
                let model = kind.name.parse().unwrap();
                let object = Objects::of(&history);
                assert!(is_minimal(&history, model, &object.get(0), &conviction.core));
                is_proved(kind, &history, Proof::Core(conviction.core));
                invalid += 1;
            }
            Some(Decision::Invalid(_)) => {
                assert!(class > 0, "{} is valid: {operations:?}", kind.name)
            }
            _ => {}
        }
    }
    println!("{}: {valid} valid and {invalid} invalid of {}", kind.name, cases() / 50);
    // A mutex says nothing that could be changed to make it wrong.
    let can_be_wrong = kind.name != "mutex";
    assert!(valid > 0 && (invalid > 0 || !can_be_wrong), "{}: {valid} {invalid}", kind.name);
}

#[test]
fn large_histories_prove_themselves() {
    KINDS.iter().for_each(proves_itself);
}

#[test]
fn queues_agree_with_trying_every_order() {
    agrees(&KINDS[0]);
}

#[test]
fn stacks_agree_with_trying_every_order() {
    agrees(&KINDS[1]);
}

#[test]
fn sets_agree_with_trying_every_order() {
    agrees(&KINDS[2]);
}

#[test]
fn mutexes_agree_with_trying_every_order() {
    agrees(&KINDS[3]);
}

#[test]
fn counters_agree_with_trying_every_order() {
    agrees(&KINDS[4]);
}

#[test]
fn lists_agree_with_trying_every_order() {
    agrees(&KINDS[5]);
}

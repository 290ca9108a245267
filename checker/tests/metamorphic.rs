//! What must not change a verdict, for every model: histories of simulated objects, changed in ways that keep them right or keep them wrong.
//!
//! No oracle is needed, so the histories are longer than an oracle could judge. `FAULTLINE_CASES` says how many for each model.

use std::collections::{BTreeMap, VecDeque};

use checker::certificate::verify_all;
use checker::history::{Event, EventType, Process};
use checker::models::Family;
use checker::transactions::{self, Consistency};
use checker::{History, Limits, Model, Verdict, judge, linearizability};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};

/// Histories for each model.
const CASES: u64 = 40;
/// Operations in a history.
const OPERATIONS: usize = 40;
/// Operations open at a time, at most.
const CLIENTS: usize = 4;

struct Random(TestRng);

impl Random {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.next_u32() as usize % bound
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// An operation with its interval. Every operation has a process of its own, so that intervals are free.
#[derive(Clone, Debug)]
struct Operation {
    f: &'static str,
    key: Option<Value>,
    argument: Value,
    result: Value,
    outcome: EventType,
    invoked: u64,
    completed: u64,
}

fn history(operations: &[Operation]) -> History {
    let mut events = Vec::new();
    for (process, operation) in operations.iter().enumerate() {
        let event = |time, event_type, value: &Value| Event {
            index: 0,
            time,
            process: Process::Client(process as u64),
            event_type,
            f: operation.f.into(),
            key: operation.key.clone(),
            value: value.clone(),
            node: None,
            error: None,
            fault: None,
            stage: None,
        };
        events.push(event(operation.invoked, EventType::Invoke, &operation.argument));
        let is_ok = operation.outcome == EventType::Ok;
        let value = if is_ok { &operation.result } else { &operation.argument };
        events.push(event(operation.completed, operation.outcome, value));
    }
    events.sort_by_key(|event| event.time);
    for (index, event) in events.iter_mut().enumerate() {
        event.index = index as u64;
    }
    History::pair(events).unwrap()
}

fn verdict(model: Model, operations: &[Operation]) -> Verdict {
    let history = history(operations);
    judge::fits(&history, model).unwrap();
    let report = judge::judge_as(&history, model, &Limits::default());
    assert!(is_proved(&history, model), "{model}, not proved: {operations:#?}");
    report.verdict
}

/// Whether the independent verifier accepts every proof of a verdict.
fn is_proved(history: &History, model: Model) -> bool {
    let limits = Limits::default();
    let (name, proofs) = match model.family() {
        Family::Transactions => {
            let consistency = Consistency::StrictSerializable;
            let findings = transactions::check(history, model, consistency, &limits).unwrap();
            (consistency.name(), findings.proofs)
        }
        _ => (linearizability::NAME, linearizability::check_with_proofs(history, model, &limits).1),
    };
    let verified = verify_all(history, model, name, &proofs);
    verified.inspect_err(|refusal| eprintln!("{model}: {refusal}: {proofs:?}")).is_ok()
}

/// An object that behaves: what it is asked, and what it answers at the moment when an operation takes effect.
struct Simulated {
    invoke: fn(&mut Random, &mut u64) -> (&'static str, Value),
    apply: fn(&mut State, &str, &Value) -> Option<Value>,
}

/// Room for the state of any object.
#[derive(Default)]
struct State {
    value: Value,
    elements: VecDeque<Value>,
    lists: BTreeMap<String, Vec<Value>>,
    number: i64,
    is_held: bool,
}

fn fresh(next: &mut u64) -> Value {
    *next += 1;
    json!(*next)
}

fn simulated(model: Model) -> Option<Simulated> {
    Some(match model {
        Model::Register | Model::CasRegister => registers(model == Model::CasRegister),
        Model::Counter => Simulated {
            invoke: |random, _| match random.below(2) {
                0 => ("add", json!(random.below(3))),
                _ => ("read", Value::Null),
            },
            apply: |state, f, argument| {
                if f == "add" {
                    state.number += argument.as_i64()?;
                    return Some(argument.clone());
                }
                Some(json!(state.number))
            },
        },
        Model::Set => Simulated {
            invoke: |random, next| match random.below(3) {
                0 => ("add", fresh(next)),
                1 => ("remove", json!(1 + random.below(*next as usize + 1))),
                _ => ("read", Value::Null),
            },
            apply: |state, f, argument| {
                let is_there = state.elements.contains(argument);
                match f {
                    "read" => return Some(json!(state.elements)),
                    "add" if !is_there => state.elements.push_back(argument.clone()),
                    "remove" => state.elements.retain(|element| element != argument),
                    _ => {}
                }
                Some(argument.clone())
            },
        },
        Model::Queue => Simulated {
            invoke: |random, next| match random.below(2) {
                0 => ("enqueue", fresh(next)),
                _ => ("dequeue", Value::Null),
            },
            apply: |state, f, argument| {
                if f == "enqueue" {
                    state.elements.push_back(argument.clone());
                    return Some(argument.clone());
                }
                Some(state.elements.pop_front().unwrap_or_default())
            },
        },
        Model::Stack => Simulated {
            invoke: |random, next| match random.below(2) {
                0 => ("push", fresh(next)),
                _ => ("pop", Value::Null),
            },
            apply: |state, f, argument| {
                if f == "push" {
                    state.elements.push_back(argument.clone());
                    return Some(argument.clone());
                }
                Some(state.elements.pop_back().unwrap_or_default())
            },
        },
        Model::Mutex => Simulated {
            invoke: |random, _| (["acquire", "release"][random.below(2)], Value::Null),
            apply: |state, f, _| {
                let wanted = f == "acquire";
                (std::mem::replace(&mut state.is_held, wanted) != wanted).then_some(Value::Null)
            },
        },
        Model::List => Simulated {
            invoke: |random, next| match random.below(2) {
                0 => ("append", fresh(next)),
                _ => ("read", Value::Null),
            },
            apply: |state, f, argument| {
                if f == "append" {
                    state.elements.push_back(argument.clone());
                    return Some(argument.clone());
                }
                Some(json!(state.elements))
            },
        },
        Model::Kv => Simulated {
            invoke: |random, next| match random.below(3) {
                0 => ("get", Value::Null),
                1 => ("put", json!(format!("{};", fresh(next)))),
                _ => ("append", json!(format!("{};", fresh(next)))),
            },
            apply: |state, f, argument| {
                let text = state.value.as_str().unwrap_or_default().to_string();
                match f {
                    "get" => return Some(json!(text)),
                    "put" => state.value = argument.clone(),
                    _ => state.value = json!(text + argument.as_str()?),
                }
                Some(argument.clone())
            },
        },
        Model::ListAppend => transactions(true),
        Model::RwRegister | Model::MultiRegister => transactions(false),
        _ => return None,
    })
}

fn registers(with_cas: bool) -> Simulated {
    let invoke = if with_cas {
        |random: &mut Random, next: &mut u64| match random.below(3) {
            0 => ("read", Value::Null),
            1 => ("write", json!(random.below(4))),
            _ => ("cas", json!([random.below(4), fresh(next).as_u64().unwrap_or(0) % 4])),
        }
    } else {
        |random: &mut Random, next: &mut u64| match random.below(2) {
            0 => ("read", Value::Null),
            _ => ("write", fresh(next)),
        }
    };
    Simulated {
        invoke,
        apply: |state, f, argument| match f {
            "read" => Some(state.value.clone()),
            "write" => {
                state.value = argument.clone();
                Some(argument.clone())
            }
            _ => {
                let matches = state.value == argument[0];
                matches.then(|| state.value = argument[1].clone())?;
                Some(argument.clone())
            }
        },
    }
}

fn transactions(lists: bool) -> Simulated {
    fn invoke(random: &mut Random, next: &mut u64, write: &str) -> (&'static str, Value) {
        let acts = (0..1 + random.below(3)).map(|_| {
            let key = ["x", "y"][random.below(2)];
            if random.one_in(2) {
                json!([write, key, fresh(next)])
            } else {
                json!(["r", key, null])
            }
        });
        ("txn", acts.collect())
    }
    fn apply(state: &mut State, argument: &Value, shows_all: bool) -> Option<Value> {
        let acts = argument.as_array()?.iter().map(|act| {
            let list = state.lists.entry(act[1].as_str()?.to_string()).or_default();
            if act[0] != "r" {
                list.push(act[2].clone());
                return Some(act.clone());
            }
            let last = list.last().cloned().unwrap_or_default();
            let seen = if shows_all { json!(list) } else { last };
            Some(json!(["r", act[1], seen]))
        });
        acts.collect::<Option<Vec<_>>>().map(Value::Array)
    }
    match lists {
        true => Simulated {
            invoke: |random, next| invoke(random, next, "append"),
            apply: |state, _, argument| apply(state, argument, true),
        },
        false => Simulated {
            invoke: |random, next| invoke(random, next, "w"),
            apply: |state, _, argument| apply(state, argument, false),
        },
    }
}

/// A valid history: at every moment something begins, takes effect or ends. Times are far apart, so that there is room between events.
fn valid(simulated: &Simulated, random: &mut Random) -> Vec<Operation> {
    let (mut state, mut next, mut time) = (State::default(), 0, 0);
    let mut operations: Vec<Operation> = Vec::new();
    // Open operations, and whether they have taken effect.
    let mut open: Vec<(usize, bool)> = Vec::new();
    while operations.len() < OPERATIONS || !open.is_empty() {
        time += 1000;
        if open.len() < CLIENTS && operations.len() < OPERATIONS && random.one_in(2) {
            let (f, argument) = (simulated.invoke)(random, &mut next);
            open.push((operations.len(), false));
            let (result, outcome) = (Value::Null, EventType::Info);
            let completed = u64::MAX;
            operations.push(Operation {
                f,
                key: None,
                argument,
                result,
                outcome,
                invoked: time,
                completed,
            });
            continue;
        }
        if open.is_empty() {
            continue;
        }
        let place = random.below(open.len());
        let (number, took_effect) = open[place];
        let operation = &mut operations[number];
        if took_effect || random.one_in(24) {
            // One that ends before it took effect never does: its outcome is unknown, or it failed.
            operation.completed = time;
            if !took_effect && random.one_in(2) {
                operation.outcome = EventType::Fail;
            }
            open.swap_remove(place);
        } else {
            open[place].1 = true;
            match (simulated.apply)(&mut state, operation.f, &operation.argument) {
                Some(result) => (operation.result, operation.outcome) = (result, EventType::Ok),
                None => operation.outcome = EventType::Fail,
            }
        }
    }
    operations
}

/// Results are exchanged between operations that asked the same, and moments between any that took effect.
fn corrupted(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
    let mut changed = operations.to_vec();
    for _ in 0..3 {
        let (a, b) = (random.below(changed.len()), random.below(changed.len()));
        if [a, b].iter().any(|place| changed[*place].outcome != EventType::Ok) {
            continue;
        }
        let [first, second] = [changed[a].clone(), changed[b].clone()];
        if (first.f, &first.argument) == (second.f, &second.argument)
            && first.result != second.result
        {
            (changed[a].result, changed[b].result) = (second.result, first.result);
        } else if random.one_in(3) {
            (changed[a].invoked, changed[a].completed) = (second.invoked, second.completed);
            (changed[b].invoked, changed[b].completed) = (first.invoked, first.completed);
        }
    }
    changed
}

fn widened(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
    let mut changed = operations.to_vec();
    let place = random.below(changed.len());
    let operation = &mut changed[place];
    // Odd distances: no two events fall on one moment.
    let (before, after) = (random.below(20) as u64, random.below(20) as u64);
    operation.invoked = operation.invoked.saturating_sub(1000 * before + 1 + place as u64);
    operation.completed += 1000 * after + 1 + place as u64;
    changed
}

fn forgotten(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
    let mut changed = operations.to_vec();
    let place = random.below(changed.len());
    if changed[place].outcome == EventType::Ok {
        changed[place].outcome = EventType::Info;
    }
    changed
}

fn without_one_read(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
    let mut changed = operations.to_vec();
    let place = random.below(changed.len());
    if ["read", "get"].contains(&changed[place].f) {
        changed.remove(place);
    }
    changed
}

/// On an object of its own name; the others are in the history too.
fn keyed(operations: &[Operation], other: &[Operation]) -> Vec<Operation> {
    let named = |operations: &[Operation], name: &str| {
        let mut named = operations.to_vec();
        named.iter_mut().for_each(|operation| operation.key = Some(json!(name)));
        named
    };
    [named(operations, "a"), named(other, "b")].concat()
}

fn check(model: Model, simulated: &Simulated) {
    let cases = std::env::var("FAULTLINE_CASES").ok().and_then(|cases| cases.parse().ok());
    let mut invalid = 0;
    let cases = cases.unwrap_or(CASES);
    for case in 0..cases {
        let random = &mut Random::new(case);
        let good = valid(simulated, random);
        let keeps = |name: &str, changed: &[Operation]| {
            assert_eq!(verdict(model, changed), Verdict::Valid, "{model}, {name}: {changed:#?}");
        };
        keeps("as it is", &good);
        keeps("an interval widened", &widened(&good, random));
        keeps("an outcome forgotten", &forgotten(&good, random));
        keeps("a read left out", &without_one_read(&good, random));
        let bad = corrupted(&good, random);
        if verdict(model, &bad) != Verdict::Invalid {
            continue;
        }
        invalid += 1;
        let appended = [bad.clone(), later(&good)].concat();
        if model.family() == Family::Object {
            keeps("beside another object", &keyed(&good, &good));
            assert_eq!(verdict(model, &keyed(&bad, &good)), Verdict::Invalid, "{model}: {bad:#?}");
            let found = verdict(model, &appended);
            assert_eq!(found, Verdict::Invalid, "{model}, more afterwards: {appended:#?}");
        }
    }
    assert!(invalid * 10 >= cases, "{model}: only {invalid} of {cases} corrupted ones are invalid");
}

/// The same operations long after.
fn later(operations: &[Operation]) -> Vec<Operation> {
    let mut later = operations.to_vec();
    for operation in &mut later {
        operation.invoked += 10_000_000;
        operation.completed += 10_000_000;
    }
    later
}

#[test]
fn what_must_not_change_a_verdict_does_not() {
    let models = Model::all().filter_map(|model| Some((model, simulated(model)?)));
    for (model, simulated) in models {
        check(model, &simulated);
    }
}

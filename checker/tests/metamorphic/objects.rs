//! Simulated objects that behave, one for each model.

use std::collections::{BTreeMap, VecDeque};

use checker::models::Model;
use serde_json::{Value, json};

use super::random::Random;

/// An object that behaves: what it is asked, and what it answers at the moment when an operation takes effect.
pub(super) struct Simulated {
    /// The next operation, with its argument; the number makes values fresh.
    pub(super) invoke: fn(&mut Random, &mut u64) -> (&'static str, Value),
    /// The result, or nothing where the object refuses.
    pub(super) apply: fn(&mut State, &str, &Value) -> Option<Value>,
}

/// Room for the state of any object.
#[derive(Default)]
pub(super) struct State {
    value: Value,
    elements: VecDeque<Value>,
    lists: BTreeMap<String, Vec<Value>>,
    number: i64,
    is_held: bool,
}

/// The object of a model, if one is simulated for it.
pub(super) fn simulated(model: Model) -> Option<Simulated> {
    Some(match model {
        Model::Register => register(),
        Model::CasRegister => cas_register(),
        Model::Counter => counter(),
        Model::Set => set(),
        Model::Queue => queue(),
        Model::Stack => stack(),
        Model::Mutex => mutex(),
        Model::List => list(),
        Model::Kv => key_value(),
        Model::ListAppend => appending_transactions(),
        Model::RwRegister | Model::MultiRegister => writing_transactions(),
        _ => return None,
    })
}

/// A value that no operation used before.
fn fresh(next: &mut u64) -> Value {
    *next += 1;
    json!(*next)
}

fn register() -> Simulated {
    Simulated {
        invoke: |random, next| match random.below(2) {
            0 => ("read", Value::Null),
            _ => ("write", fresh(next)),
        },
        apply: apply_to_register,
    }
}

fn cas_register() -> Simulated {
    Simulated {
        invoke: |random, next| match random.below(3) {
            0 => ("read", Value::Null),
            1 => ("write", json!(random.below(4))),
            _ => ("cas", json!([random.below(4), fresh(next).as_u64().unwrap_or(0) % 4])),
        },
        apply: apply_to_register,
    }
}

fn apply_to_register(state: &mut State, f: &str, argument: &Value) -> Option<Value> {
    match f {
        "read" => return Some(state.value.clone()),
        "write" => state.value = argument.clone(),
        _ if state.value == argument[0] => state.value = argument[1].clone(),
        _ => return None,
    }
    Some(argument.clone())
}

fn counter() -> Simulated {
    Simulated {
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
    }
}

fn set() -> Simulated {
    Simulated {
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
    }
}

fn queue() -> Simulated {
    Simulated {
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
    }
}

fn stack() -> Simulated {
    Simulated {
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
    }
}

fn mutex() -> Simulated {
    Simulated {
        invoke: |random, _| (["acquire", "release"][random.below(2)], Value::Null),
        apply: |state, f, _| {
            let wanted = f == "acquire";
            (std::mem::replace(&mut state.is_held, wanted) != wanted).then_some(Value::Null)
        },
    }
}

fn list() -> Simulated {
    Simulated {
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
    }
}

fn key_value() -> Simulated {
    Simulated {
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
    }
}

/// Transactions on lists: a read shows the whole list.
fn appending_transactions() -> Simulated {
    Simulated {
        invoke: |random, next| transaction(random, next, "append"),
        apply: |state, _, argument| apply_transaction(state, argument, |list| json!(list)),
    }
}

/// Transactions on registers: a read shows what was written last.
fn writing_transactions() -> Simulated {
    Simulated {
        invoke: |random, next| transaction(random, next, "w"),
        apply: |state, _, argument| {
            apply_transaction(state, argument, |list| list.last().cloned().unwrap_or_default())
        },
    }
}

fn transaction(random: &mut Random, next: &mut u64, write: &str) -> (&'static str, Value) {
    let acts = (0..1 + random.below(3)).map(|_| {
        let key = ["x", "y"][random.below(2)];
        if random.one_in(2) { json!([write, key, fresh(next)]) } else { json!(["r", key, null]) }
    });
    ("txn", acts.collect())
}

fn apply_transaction(
    state: &mut State,
    argument: &Value,
    shown: fn(&[Value]) -> Value,
) -> Option<Value> {
    let acts = argument.as_array()?.iter().map(|act| {
        let list = state.lists.entry(act[1].as_str()?.to_string()).or_default();
        if act[0] != "r" {
            list.push(act[2].clone());
            return Some(act.clone());
        }
        Some(json!(["r", act[1], shown(list)]))
    });
    acts.collect::<Option<Vec<_>>>().map(Value::Array)
}

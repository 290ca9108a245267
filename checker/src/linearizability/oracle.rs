//! The search against an oracle that tries every order: it *defines* what is right, and is never made quicker.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::budget::{Budget, Limits};
use super::prepare::Key;
use super::search::{Found, search};
use crate::history::{Operation, Outcome};

/// Whether some order of all operations that happened, and of any of those that may have, is right. By trying them all.
fn linearizable(operations: &[Operation]) -> bool {
    let mut dead = HashSet::new();
    extend(operations, 0, &Value::Null, &mut dead)
}

/// Whether the operations that are not in `done` can follow, from this value.
fn extend(
    operations: &[Operation],
    done: u32,
    value: &Value,
    dead: &mut HashSet<(u32, String)>,
) -> bool {
    let missing = |place: &usize| done & (1 << place) == 0;
    let must =
        |place: &usize| demands(&operations[*place]) && operations[*place].outcome != Outcome::Info;
    if (0..operations.len()).filter(missing).all(|place| !must(&place)) {
        return true;
    }
    if !dead.insert((done, value.to_string())) {
        return false;
    }
    // Nothing that must still happen has completed before this one began.
    let first_end = (0..operations.len()).filter(missing).filter(must);
    let first_end =
        first_end.filter_map(|place| operations[place].completed).min().unwrap_or(usize::MAX);
    let candidates = (0..operations.len())
        .filter(missing)
        .filter(|place| operations[*place].invoked < first_end);
    candidates.into_iter().any(|place| {
        apply(&operations[place], value)
            .is_some_and(|next| extend(operations, done | 1 << place, &next, dead))
    })
}

/// Whether an operation demands anything at all.
fn demands(operation: &Operation) -> bool {
    match operation.outcome {
        Outcome::Ok | Outcome::Info => true,
        Outcome::Fail => operation.error.is_some(),
        Outcome::Open => false,
    }
}

/// The value after the operation, if it may take effect at this value.
fn apply(operation: &Operation, value: &Value) -> Option<Value> {
    let ok = operation.outcome == Outcome::Ok;
    match (operation.f.as_str(), operation.outcome) {
        ("read", Outcome::Ok) => (operation.result == *value).then(|| value.clone()),
        ("write", Outcome::Ok | Outcome::Info) => Some(operation.argument.clone()),
        ("cas", Outcome::Ok | Outcome::Info) if operation.argument[0] == *value => {
            Some(operation.argument[1].clone())
        }
        ("cas", Outcome::Info) => Some(value.clone()),
        ("cas", Outcome::Fail) => (operation.argument[0] != *value).then(|| value.clone()),
        _ => (!ok).then(|| value.clone()),
    }
}

/// A small history, from random bytes: either a run of a real register whose results are right, perhaps with one result changed, or
/// anything at all.
fn history(bytes: &[u8]) -> Vec<Operation> {
    let mut bytes = bytes.iter().copied();
    let mut draw = move |below: u8| bytes.next().unwrap_or(0) % below;
    let (count, values, simulated) = (2 + draw(6), 2 + draw(3), draw(4) > 0);
    let spread = 1 + draw(6);
    let info_share = [0, 2, 5][draw(3) as usize];
    let mut operations: Vec<_> = (0..count)
        .map(|process| {
            let (kind, a, b) = (draw(4), draw(values), draw(values));
            let begin = u32::from(draw(spread * 4)) * 100 + u32::from(process);
            let length = u32::from(1 + draw(spread * 2)) * 100;
            let effect = begin + u32::from(draw(spread * 2) % 16) * (length / 16).max(1);
            let lost = draw(10) < info_share;
            (
                kind,
                json!(a),
                json!(b),
                begin,
                begin + length,
                effect.min(begin + length - 1),
                lost,
                draw(3),
            )
        })
        .collect();
    operations.sort_by_key(|operation| operation.5);
    let mut value = Value::Null;
    let mut finished: Vec<(Operation, u32, u32)> = Vec::new();
    for (kind, a, b, begin, end, _, lost, luck) in operations {
        let process = finished.len() as u64;
        let happens = simulated && !(lost && luck == 0);
        let mut operation = Operation {
            process,
            node: None,
            f: String::new(),
            key: None,
            argument: Value::Null,
            result: Value::Null,
            outcome: if lost { Outcome::Info } else { Outcome::Ok },
            error: None,
            invoked: 0,
            completed: None,
            invoked_time: 0,
            completed_time: None,
        };
        match kind {
            0 | 1 => {
                operation.f = "read".into();
                operation.result = if simulated { value.clone() } else { a };
            }
            2 => {
                operation.f = "write".into();
                operation.argument = a.clone();
                if happens {
                    value = a
                }
            }
            _ => {
                operation.f = "cas".into();
                operation.argument = json!([a, b]);
                let matches = if simulated { value == a } else { luck > 0 };
                if matches && happens {
                    value = b;
                } else if !matches && !lost {
                    operation.outcome = Outcome::Fail;
                    operation.error = Some("mismatch".into());
                }
            }
        }
        finished.push((operation, begin, end));
    }
    if simulated && draw(3) == 0 {
        let wrong = json!(draw(values));
        if let Some((read, ..)) =
            finished.iter_mut().find(|(o, ..)| o.f == "read" && o.outcome == Outcome::Ok)
        {
            read.result = wrong;
        }
    }
    placed(finished)
}

/// Turns times into positions of events.
fn placed(operations: Vec<(Operation, u32, u32)>) -> Vec<Operation> {
    let mut times: Vec<(u32, usize, bool)> = Vec::new();
    for (place, (operation, begin, end)) in operations.iter().enumerate() {
        times.push((*begin, place, false));
        if operation.outcome != Outcome::Info {
            times.push((*end, place, true));
        }
    }
    times.sort_unstable();
    let mut operations: Vec<_> = operations.into_iter().map(|(operation, ..)| operation).collect();
    for (position, (_, place, ends)) in times.into_iter().enumerate() {
        if ends {
            operations[place].completed = Some(position);
        } else {
            operations[place].invoked = position;
        }
    }
    operations.sort_by_key(|operation| operation.invoked);
    operations
}

fn searched(operations: &[Operation]) -> bool {
    let operations: Vec<_> = operations.iter().collect();
    let budget = Budget::new(&Limits::default());
    search(&Key::prepare(&operations), &budget).unwrap() == Found::Linearizable
}

/// Histories in the test suite; more with `FAULTLINE_FUZZ=1000000 cargo test -p faultline-checker --release oracle`.
fn cases() -> u32 {
    std::env::var("FAULTLINE_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

#[test]
fn the_search_agrees_with_the_oracle() {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let (mut valid, mut invalid) = (0_u32, 0_u32);
    let counts = std::cell::RefCell::new((&mut valid, &mut invalid));
    TestRunner::new(config)
        .run(&prop::collection::vec(any::<u8>(), 80), |bytes| {
            let operations = history(&bytes);
            let expected = linearizable(&operations);
            prop_assert_eq!(searched(&operations), expected, "{:#?}", operations);
            let mut counts = counts.borrow_mut();
            if expected {
                *counts.0 += 1
            } else {
                *counts.1 += 1
            }
            Ok(())
        })
        .unwrap();
    println!("{valid} valid and {invalid} invalid histories");
    // Neither kind may be a rarity, or agreement says little.
    assert!(valid * 20 > cases() && invalid * 20 > cases(), "{valid} valid, {invalid} invalid");
}

//! The search against an oracle that tries every order: it *defines* what is right, and is never made quicker.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::super::budget::{Budget, Limits};
use super::super::minimal::is_minimal;
use super::super::objects::Objects;
use super::super::recorded::{Operation, history, placed};
use super::demands::{self, Dense, INITIAL, Register, Step};
use super::search::{Found, search};
use super::unique::{Answer, blocks, zones};
use crate::history::{NEVER, Outcome};
use crate::models::Model;

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
    match (operation.f, operation.outcome) {
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
fn operations(bytes: &[u8], unique: bool) -> Vec<Operation> {
    let mut bytes = bytes.iter().copied();
    let mut draw = move |below: u8| bytes.next().unwrap_or(0) % below;
    let (count, values, simulated) = (2 + draw(6), 2 + draw(3), draw(4) > 0);
    let values = if unique { count + 1 } else { values };
    let (spread, info_share) = (1 + draw(6), [0, 2, 5][draw(3) as usize]);
    let draft = |process| Draft::new(process, unique, (values, spread, info_share), &mut draw);
    let mut drafts: Vec<_> = (0..count).map(draft).collect();
    drafts.sort_by_key(|draft| draft.effect);
    let mut value = Value::Null;
    let mut finished: Vec<(Operation, u32, u32)> = Vec::new();
    for draft in drafts {
        let operation = draft.happen(simulated.then_some(&mut value));
        finished.push((operation, draft.begin, draft.end));
    }
    if simulated && draw(3) == 0 {
        let wrong = json!(draw(values));
        let is_seen =
            |operation: &Operation| operation.f == "read" && operation.outcome == Outcome::Ok;
        if let Some((read, ..)) = finished.iter_mut().find(|(operation, ..)| is_seen(operation)) {
            read.result = wrong;
        }
    }
    placed(finished)
}

/// What an operation is going to do, and when.
struct Draft {
    /// 0 and 1: a read; 2: a write; 3: a cas.
    kind: u8,
    a: Value,
    b: Value,
    begin: u32,
    end: u32,
    /// When it takes effect.
    effect: u32,
    /// Whether nobody learns of its outcome.
    lost: bool,
    luck: u8,
}

impl Draft {
    fn new(
        process: u8,
        unique: bool,
        (values, spread, info_share): (u8, u8, u8),
        draw: &mut impl FnMut(u8) -> u8,
    ) -> Self {
        let (kind, mut a, mut b) = (draw(4), draw(values), draw(values));
        if unique {
            b = process; // What is written is written once.
        }
        if unique && kind == 2 {
            a = process;
        }
        let begin = u32::from(draw(spread * 4)) * 100 + u32::from(process);
        let length = u32::from(1 + draw(spread * 2)) * 100;
        let effect = begin + u32::from(draw(spread * 2) % 16) * (length / 16).max(1);
        let end = begin + length;
        let (lost, effect) = (draw(10) < info_share, effect.min(end - 1));
        Self { kind, a: json!(a), b: json!(b), begin, end, effect, lost, luck: draw(3) }
    }

    /// Takes effect on a register, or without one ends in any way.
    fn happen(&self, register: Option<&mut Value>) -> Operation {
        let (a, b) = (&self.a, &self.b);
        let outcome = if self.lost { Outcome::Info } else { Outcome::Ok };
        let happens = !(self.lost && self.luck == 0);
        let (f, argument) = match self.kind {
            0 | 1 => ("read", Value::Null),
            2 => ("write", a.clone()),
            _ => ("cas", json!([a, b])),
        };
        let (invoked, completed, error) = (0, None, None);
        let mut operation =
            Operation { f, argument, result: Value::Null, outcome, error, invoked, completed };
        let matches = register.as_ref().map_or(self.luck > 0, |value| **value == *a);
        if f == "read" {
            operation.result = register.map_or_else(|| a.clone(), |value| value.clone());
        } else if f == "cas" && !matches {
            if !self.lost {
                (operation.outcome, operation.error) = (Outcome::Fail, Some("mismatch"));
            }
        } else if let Some(value) = register.filter(|_| happens) {
            *value = if f == "write" { a.clone() } else { b.clone() };
        }
        operation
    }
}

/// Whether an order takes every certain demand once, respects real time and is right.
fn is_witness(register: &Register, order: &[u32]) -> bool {
    let mut value: Dense = INITIAL;
    let mut begun = 0;
    let mut used = vec![false; register.demands.len()];
    for place in order {
        let demand = &register.demands[*place as usize];
        let right = match demand.step {
            Step::Is(wanted) | Step::Cas(wanted, _) => wanted == value,
            Step::IsNot(refuted) => refuted != value,
            Step::Write(_) => true,
        };
        let twice = std::mem::replace(&mut used[*place as usize], true);
        if !right || twice || demand.completed < begun {
            return false;
        }
        begun = begun.max(demand.invoked);
        if let Step::Write(new) | Step::Cas(_, new) = demand.step {
            value = new;
        }
    }
    let all = register.demands.iter().zip(used);
    all.into_iter().all(|(demand, used)| used || demand.completed == NEVER)
}

/// Everything that judges a register, against what is expected.
fn judge_all(
    operations: &[Operation],
    expected: bool,
    asked: &mut Tally,
) -> Result<(), TestCaseError> {
    let history = history(operations);
    let functions = demands::functions(&history);
    let objects = Objects::of(&history);
    let object = objects.get(0);
    let register = Register::prepare(&history, &functions, &object);
    let budget = Budget::new(&Limits::default());
    match search(&register, &budget, true).unwrap() {
        Found::Linearizable(order) => {
            prop_assert!(expected, "the search found an order");
            prop_assert!(is_witness(&register, &order), "{:?} is no order", order);
        }
        Found::Stuck { .. } => prop_assert!(!expected, "the search found no order"),
    }
    match blocks(&register) {
        Answer::Valid(order) => {
            asked.blocks += 1;
            prop_assert!(expected, "blocks found an order");
            prop_assert!(is_witness(&register, &order), "{:?} is no order", order);
        }
        Answer::Invalid(core) => {
            asked.blocks += 1;
            prop_assert!(!expected, "blocks found no order");
            let core = register.only(|place, _| core.contains(&(place as u32)));
            let found = search(&core, &budget, false).unwrap();
            prop_assert!(matches!(found, Found::Stuck { .. }), "{:?} is no core", core.demands);
        }
        Answer::NotApplicable => {}
    }
    if zones(&functions, &object, history.events()).is_some() {
        asked.zones += 1;
        prop_assert!(expected, "zones found an order");
    }
    let decided = super::decide(&register, &budget, true).unwrap();
    prop_assert_eq!(decided.is_ok(), expected);
    if let Err(culprit) = decided {
        prop_assert!(super::shrink::is_closed(&register, &culprit.core), "{:?}", culprit.core);
        let culprit = culprit.minimal(&history, &object, &budget);
        let core: Vec<_> = culprit.core.demands.iter().map(|demand| demand.operation).collect();
        let is_minimal = is_minimal(&history, Model::CasRegister, &object, &core);
        prop_assert!(is_minimal, "{:?} is too large", core);
        let parts: Vec<_> = culprit
            .core
            .demands
            .iter()
            .map(|demand| {
                let mut operation = operations[demand.operation as usize].clone();
                if demand.completed == NEVER {
                    (operation.completed, operation.outcome) = (None, Outcome::Info);
                }
                operation
            })
            .collect();
        prop_assert!(!linearizable(&parts), "{:#?} is no core", parts);
    }
    Ok(())
}

/// How many histories of each kind there were.
#[derive(Debug, Default)]
struct Tally {
    valid: u32,
    invalid: u32,
    blocks: u32,
    zones: u32,
}

/// Histories in the test suite; more with `FAULTLINE_FUZZ=1000000 cargo test -p faultline-checker --release oracle`.
fn cases() -> u32 {
    std::env::var("FAULTLINE_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

fn check_against_the_oracle(unique: bool) -> Tally {
    let config = Config { cases: cases() / 2, failure_persistence: None, ..Config::default() };
    let tally = std::cell::RefCell::new(Tally::default());
    TestRunner::new(config)
        .run(&prop::collection::vec(any::<u8>(), 80), |bytes| {
            let operations = operations(&bytes, unique);
            let expected = linearizable(&operations);
            let mut tally = tally.borrow_mut();
            *if expected { &mut tally.valid } else { &mut tally.invalid } += 1;
            judge_all(&operations, expected, &mut tally)
                .map_err(|error| TestCaseError::fail(format!("{error}\n{operations:#?}")))
        })
        .unwrap();
    let tally = tally.into_inner();
    println!("{tally:?}");
    // Neither kind may be a rarity, or agreement says little.
    assert!(tally.valid * 10 > cases() && tally.invalid * 20 > cases(), "{tally:?}");
    tally
}

#[test]
fn repeated_values_agree_with_the_oracle() {
    check_against_the_oracle(false);
}

#[test]
fn unique_values_agree_with_the_oracle() {
    let tally = check_against_the_oracle(true);
    assert!(tally.blocks * 4 > cases() && tally.zones * 50 > cases(), "{tally:?}");
}

//! The judge against an oracle that tries every order of every prefix.
//!
//! `FAULTLINE_CASES=<n>` says how many histories; the default is a sample.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::registers::Registers;
use crate::history::{Event, EventType, Process};

/// An operation of a prefix: what it does, and between which events.
#[derive(Clone, Debug)]
struct Operation {
    f: &'static str,
    value: Value,
    /// Whether it must have taken effect. Otherwise it may have.
    certain: bool,
    invoked: usize,
    completed: usize,
}

/// The operations of a prefix that took effect or may have.
fn operations(events: &[Event]) -> Vec<Operation> {
    let mut operations: Vec<(Process, bool, Operation)> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        let f = ["read", "write", "cas"].into_iter().find(|f| *f == event.f).unwrap();
        if event.event_type == EventType::Invoke {
            let (value, never) = (event.value.clone(), usize::MAX);
            let operation =
                Operation { f, value, certain: false, invoked: place, completed: never };
            operations.push((event.process, true, operation));
            continue;
        }
        let own =
            operations.iter().position(|(process, open, _)| *open && *process == event.process);
        let own = own.unwrap();
        operations[own].1 = false;
        match event.event_type {
            EventType::Ok => {
                let operation = &mut operations[own].2;
                (operation.certain, operation.completed) = (true, place);
                operation.value = event.value.clone();
            }
            EventType::Fail => drop(operations.remove(own)),
            EventType::Info | EventType::Invoke => {}
        }
    }
    let demands = |operation: &Operation| operation.certain || operation.f != "read";
    operations.into_iter().map(|(_, _, operation)| operation).filter(demands).collect()
}

fn linearizable(operations: &[Operation]) -> bool {
    extend(operations, 0, &Value::Null, &mut HashSet::new())
}

fn extend(
    operations: &[Operation],
    done: u32,
    value: &Value,
    dead: &mut HashSet<(u32, String)>,
) -> bool {
    let missing = || (0..operations.len()).filter(|place| done & (1 << place) == 0);
    let must = missing().filter(|place| operations[*place].certain);
    let Some(first_end) = must.map(|place| operations[place].completed).min() else { return true };
    if !dead.insert((done, value.to_string())) {
        return false;
    }
    let mut candidates = missing().filter(|place| operations[*place].invoked < first_end);
    candidates.any(|place| {
        let operation = &operations[place];
        let next = match operation.f {
            "read" => (operation.value == *value).then_some(value),
            "write" => Some(&operation.value),
            _ => (operation.value[0] == *value).then_some(&operation.value[1]),
        };
        next.is_some_and(|next| extend(operations, done | 1 << place, next, dead))
    })
}

/// A generator of small numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn in_hundred(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// What the histories of a case are like.
struct Shape {
    operations: u64,
    /// How many operations are open at once, about.
    processes: u64,
    /// In a hundred.
    cas: u64,
    info: u64,
    fail: u64,
    /// How many results in a hundred are made up.
    wrong: u64,
    /// How many writes in a hundred repeat a value.
    repeats: u64,
}

impl Shape {
    fn draw(random: &mut Random) -> Self {
        let mut pick = |from: &[u64]| from[random.below(from.len() as u64) as usize];
        Self {
            operations: pick(&[3, 5, 7, 9, 14]),
            processes: pick(&[1, 2, 3, 5]),
            cas: pick(&[0, 30, 60, 95]),
            info: pick(&[0, 10, 40]),
            fail: pick(&[0, 10, 30]),
            wrong: pick(&[0, 5, 20, 20, 60]),
            repeats: pick(&[0, 0, 10, 30]),
        }
    }
}

/// A process and its open operation.
struct Running {
    process: u64,
    f: &'static str,
    value: Value,
    /// What it did to the simulated register, once it has.
    effect: Option<bool>,
}

/// A run of a real register, with results that are made up here and there.
fn history(random: &mut Random, shape: &Shape) -> Vec<Event> {
    let (mut events, mut running) = (Vec::new(), Vec::<Running>::new());
    let (mut begun, mut process, mut register) = (0, 0, Value::Null);
    while begun < shape.operations || !running.is_empty() {
        let begins = begun < shape.operations && (running.len() as u64) < shape.processes;
        if begins && (running.is_empty() || random.in_hundred(50)) {
            begun += 1;
            process += 1;
            let (f, value) = invocation(random, shape, begun, &register);
            events.push(event(&events, process, EventType::Invoke, f, value.clone()));
            running.push(Running { process, f, value, effect: None });
            continue;
        }
        if running.is_empty() {
            break;
        }
        let place = random.below(running.len() as u64) as usize;
        if running[place].effect.is_none() && random.in_hundred(70) {
            take_effect(&mut running[place], &mut register);
            continue;
        }
        if begun == shape.operations && random.in_hundred(15) {
            break; // The rest stays open.
        }
        let mut ended = running.swap_remove(place);
        let event_type = outcome(random, shape, &mut ended, &mut register);
        let is_wrong = ended.f == "read" && random.in_hundred(shape.wrong);
        let value = if is_wrong { any_value(random, begun) } else { ended.value };
        events.push(event(&events, ended.process, event_type, ended.f, value));
    }
    events
}

fn invocation(
    random: &mut Random,
    shape: &Shape,
    begun: u64,
    register: &Value,
) -> (&'static str, Value) {
    if random.in_hundred(45) {
        return ("read", Value::Null);
    }
    let repeats = random.in_hundred(shape.repeats);
    let new = if repeats { 1 + random.below(begun) } else { begun };
    if !random.in_hundred(shape.cas) {
        return ("write", json!(new));
    }
    let knows = random.in_hundred(60);
    let old = if knows { register.clone() } else { any_value(random, begun + 1) };
    ("cas", json!([old, new]))
}

/// The initial value or any of so many others.
fn any_value(random: &mut Random, others: u64) -> Value {
    match random.below(others + 1) {
        0 => Value::Null,
        number => json!(number),
    }
}

fn take_effect(running: &mut Running, register: &mut Value) {
    let happens = running.f != "cas" || running.value[0] == *register;
    match running.f {
        "read" => running.value = register.clone(),
        "write" => *register = running.value.clone(),
        _ if happens => *register = running.value[1].clone(),
        _ => {}
    }
    running.effect = Some(happens);
}

fn outcome(
    random: &mut Random,
    shape: &Shape,
    ended: &mut Running,
    register: &mut Value,
) -> EventType {
    if random.in_hundred(shape.info) {
        return EventType::Info;
    }
    let lies = random.in_hundred(shape.wrong / 4);
    if ended.effect.is_none() && random.in_hundred(shape.fail) || lies && random.in_hundred(50) {
        return EventType::Fail;
    }
    if ended.effect.is_none() {
        take_effect(ended, register);
    }
    if ended.effect == Some(true) || lies { EventType::Ok } else { EventType::Fail }
}

fn event(
    before: &[Event],
    process: u64,
    event_type: EventType,
    f: &'static str,
    value: Value,
) -> Event {
    let index = before.len() as u64;
    Event {
        index,
        time: index * 10,
        process: Process::Client(process),
        event_type,
        f: f.into(),
        key: None,
        value,
        node: None,
        error: None,
        fault: None,
        stage: None,
    }
}

/// How many histories ended how.
#[derive(Debug, Default)]
struct Tally {
    valid: u64,
    invalid: u64,
    left: u64,
}

/// Follows a history until a violation, and asks the oracle about every prefix that may bring one.
fn check(events: &[Event], remembered: usize, tally: &mut Tally) {
    let mut judge = Registers::remembering(remembered);
    for (place, event) in events.iter().enumerate() {
        let violation = judge.push(event).unwrap();
        if !judge.followed().left.is_empty() {
            assert_eq!(violation, None);
            tally.left += 1;
            return;
        }
        let decides = matches!(event.event_type, EventType::Ok | EventType::Fail);
        let expected = !decides || linearizable(&operations(&events[..=place]));
        let show = || {
            events
                .iter()
                .map(|e| format!("{} {:?} {} {}", e.process, e.event_type, e.f, e.value))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(violation.is_none(), expected, "event {place} of\n{}\n{violation:?}", show());
        if let Some(violation) = violation {
            let by_then = violation.time.is_some_and(|time| time <= event.time);
            assert!(by_then, "{violation:?}");
            tally.invalid += 1;
            return;
        }
    }
    tally.valid += 1;
}

fn cases(default: u64) -> u64 {
    std::env::var("FAULTLINE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[test]
fn a_violation_is_reported_at_the_first_prefix_that_no_order_explains() {
    let mut tally = Tally::default();
    let cases = cases(3_000);
    for seed in 0..cases {
        let mut random = Random(seed << 20);
        let shape = Shape::draw(&mut random);
        let events = history(&mut random, &shape);
        // Forgetting everything at once, as soon as that is right, and nothing.
        check(&events, [0, 1, 1_000][seed as usize % 3], &mut tally);
    }
    let Tally { valid, invalid, left } = tally;
    println!("{valid} valid, {invalid} invalid, {left} left");
    assert!(valid > cases / 10 && invalid > cases / 10 && left < cases / 3, "{tally:?}");
}

//! Changes to a history: those that keep a right one right, and those that may make it wrong.

use checker::history::EventType;
use serde_json::json;

use super::operations::Operation;
use super::random::Random;

/// Results are exchanged between operations that asked the same, and moments between any that took effect.
pub(super) fn corrupted(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
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

pub(super) fn widened(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
    let mut changed = operations.to_vec();
    let place = random.below(changed.len());
    let operation = &mut changed[place];
    // Odd distances: no two events fall on one moment.
    let (before, after) = (random.below(20) as u64, random.below(20) as u64);
    operation.invoked = operation.invoked.saturating_sub(1000 * before + 1 + place as u64);
    operation.completed += 1000 * after + 1 + place as u64;
    changed
}

pub(super) fn forgotten(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
    let mut changed = operations.to_vec();
    let place = random.below(changed.len());
    if changed[place].outcome == EventType::Ok {
        changed[place].outcome = EventType::Info;
    }
    changed
}

pub(super) fn without_one_read(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
    let mut changed = operations.to_vec();
    let place = random.below(changed.len());
    if ["read", "get"].contains(&changed[place].f) {
        changed.remove(place);
    }
    changed
}

/// On an object of its own name; the others are in the history too.
pub(super) fn keyed(operations: &[Operation], other: &[Operation]) -> Vec<Operation> {
    let named = |operations: &[Operation], name: &str| {
        let mut named = operations.to_vec();
        named.iter_mut().for_each(|operation| operation.key = Some(json!(name)));
        named
    };
    [named(operations, "a"), named(other, "b")].concat()
}

/// The same operations long after.
pub(super) fn later(operations: &[Operation]) -> Vec<Operation> {
    let mut later = operations.to_vec();
    for operation in &mut later {
        operation.invoked += 10_000_000;
        operation.completed += 10_000_000;
    }
    later
}

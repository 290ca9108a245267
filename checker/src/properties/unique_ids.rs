//! Generated identifiers: none is given twice. After Jepsen's `unique-ids`.

use std::collections::BTreeMap;

use serde_json::json;

use super::counted;
use super::elements::Elements;
use super::findings::{Findings, violation};
use crate::explain::{when, who};
use crate::history::{History, Outcome, ValueId};
use crate::linearizability::Objects;
use crate::verdict::CheckReport;

/// Name of the check.
pub const NAME: &str = "unique-ids";

/// Judges a history of `generate`; with keys, identifiers are unique within their key.
pub fn check(history: &History) -> CheckReport {
    let (mut findings, mut doubts) = (Findings::default(), Vec::new());
    let (mut attempted, mut acknowledged) = (0, 0);
    let generate = history.function("generate");
    let objects = Objects::of(history);
    for number in 0..objects.len() {
        let object = objects.get(number);
        let mut ids = Elements::new(history.values(), object.len());
        let mut given: Vec<u32> = Vec::new();
        for (place, operation) in object.iter().filter(|(_, o)| Some(o.function) == generate) {
            attempted += 1;
            if operation.outcome != Outcome::Ok {
                continue;
            }
            if operation.value == ValueId::NIL {
                let line = history.view(place as usize).line();
                doubts.push(format!("the operation of line {line} got ok without an identifier"));
                continue;
            }
            acknowledged += 1;
            let id = ids.number(operation.value);
            match given.get(id) {
                None => given.push(place),
                Some(first) => findings
                    .add("given again", || given_twice(history, &ids.words(id), *first, place)),
            }
        }
    }
    if acknowledged == 0 {
        doubts.push("no identifier was given".into());
    }
    let again = findings.count("given again");
    let figures = BTreeMap::from([
        ("attempted".to_string(), json!(attempted)),
        ("acknowledged".to_string(), json!(acknowledged)),
        ("duplicated".to_string(), json!(again)),
    ]);
    findings.report(
        NAME,
        format!("{} given", counted(acknowledged, "identifier")),
        &doubts,
        figures,
    )
}

fn given_twice(history: &History, id: &str, first: u32, again: u32) -> crate::verdict::Violation {
    let (a, b) = (history.view(first as usize), history.view(again as usize));
    let later = if a.completed() > b.completed() { a } else { b };
    let steps = vec![
        format!("{} was given {id}, {}.", who(a), when(a)),
        format!("{} was given {id} as well, {}.", who(b), when(b)),
    ];
    violation(later, &format!("identifier {id} was given twice"), steps, vec![a, b])
}

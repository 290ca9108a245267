//! Linearizability: is there one order of the operations that respects real time and in which every result is right?
//!
//! Keys are independent objects (`objects.rs`), so each is judged alone, several at a time, by what suits its model: `register/` for registers, and for every
//! other the general search of `search/` over its sequential specification.
//!
//! *info* operations may take effect at any time from their invocation on, or never. They are part of the search from the start, and those
//! that nobody can have observed cost nothing.

mod budget;
mod collections;
mod configuration;
mod counts;
mod decision;
mod fewest;
mod minimal;
mod objects;
#[cfg(test)]
mod recorded;
mod register;
mod search;
mod slots;
mod timeline;
mod trail;

use rayon::prelude::*;

pub use self::budget::Limits;
use self::budget::{Budget, Exhausted};
pub(crate) use self::decision::{Conviction, Decision};
pub(crate) use self::objects::{Object, Objects};
pub(crate) use self::register::{Demand, Dense, Register, explain_register};
use crate::certificate::{ObjectProof, Proof};
use crate::explain::counted;
use crate::history::{History, ValueId};
use crate::models::Model;
use crate::verdict::{CheckReport, Verdict, Violation};

/// Name of the check.
pub const NAME: &str = "linearizable";

/// Judges every object of a history. Operations that the model does not have must not be in it.
pub fn check(history: &History, model: Model, limits: &Limits) -> CheckReport {
    judge(history, model, limits, false).0
}

/// The same, with what shows it.
pub fn check_with_proofs(
    history: &History,
    model: Model,
    limits: &Limits,
) -> (CheckReport, Vec<ObjectProof>) {
    judge(history, model, limits, true)
}

fn judge(
    history: &History,
    model: Model,
    limits: &Limits,
    with_order: bool,
) -> (CheckReport, Vec<ObjectProof>) {
    if history.views().all(|operation| operation.completed().is_none()) {
        let detail = "no operation completed: nothing was proved".into();
        return (report(Verdict::Unknown, detail, vec![]), vec![]);
    }
    let budget = Budget::new(limits);
    let judge = Judge::new(history, model);
    if !with_order && let Some(objects) = judge.all_are_valid() {
        return summarise(history, objects, vec![]);
    }
    let objects = Objects::of(history);
    let decide = |number| {
        let object = objects.get(number);
        let decided = judge.judge(history, &object, &budget, with_order);
        let decision = decided.unwrap_or_else(|exhausted| {
            Decision::Undecided(format!("{}: {exhausted}", name(history, object.key)))
        });
        (object.key, decision)
    };
    let decisions: Vec<_> = (0..objects.len()).into_par_iter().map(decide).collect();
    summarise(history, objects.len(), decisions)
}

/// What is called an object of this key.
fn name(history: &History, key: ValueId) -> String {
    match key {
        ValueId::NIL => "the history".to_string(),
        key => format!("key {}", history.values().words(key)),
    }
}

/// Judges objects of one history and model.
enum Judge<'a> {
    Register(register::Judge<'a>),
    /// Any other object: by an algorithm of its own where there is one and it applies, or else by the search.
    Object(Option<collections::Specialised>, search::Judge<'a>),
}

impl<'a> Judge<'a> {
    fn new(history: &'a History, model: Model) -> Self {
        match model {
            Model::Register | Model::CasRegister => Self::Register(register::Judge::new(history)),
            model => {
                let search = search::Judge::new(history, model);
                Self::Object(collections::specialised(model), search)
            }
        }
    }

    /// How many objects there are, if all of them are linearizable; nothing if that takes longer to find out.
    fn all_are_valid(&self) -> Option<usize> {
        match self {
            Self::Register(judge) => judge.all_are_valid(),
            Self::Object(..) => None,
        }
    }

    fn judge(
        &self,
        history: &History,
        object: &Object<'_>,
        budget: &Budget,
        with_order: bool,
    ) -> Result<Decision, Exhausted> {
        match self {
            Self::Register(judge) => judge.judge(object, budget, with_order),
            Self::Object(specialised, search) => {
                let decided = specialised.and_then(|decide| decide(history, object, with_order));
                decided.map_or_else(|| search.judge(object, budget, with_order), Ok)
            }
        }
    }
}

fn summarise(
    history: &History,
    keys: usize,
    decisions: Vec<(ValueId, Decision)>,
) -> (CheckReport, Vec<ObjectProof>) {
    let operations = history.operations().len();
    let (mut violations, mut undecided, mut proofs) = (Vec::new(), Vec::new(), Vec::new());
    for (key, decision) in decisions {
        match decision {
            Decision::Valid { order } => {
                proofs.extend(order.map(|order| ObjectProof { key, proof: Proof::Order(order) }));
            }
            Decision::Invalid(conviction) => {
                let Conviction { core, violation } = *conviction;
                proofs.push(ObjectProof { key, proof: Proof::Core(core) });
                violations.push(violation);
            }
            Decision::Undecided(reason) => undecided.push(reason),
        }
    }
    violations.sort_by_key(|violation| violation.time);
    let scope = format!("{operations} operations on {}", counted(keys, "key"));
    let report = if !violations.is_empty() {
        let detail = format!("{scope}; {} not linearizable", counted(violations.len(), "key"));
        report(Verdict::Invalid, detail, violations)
    } else if let Some(first) = undecided.first() {
        let detail =
            format!("{scope}; {} undecided, first {first}", counted(undecided.len(), "key"));
        report(Verdict::Unknown, detail, vec![])
    } else {
        report(Verdict::Valid, scope, vec![])
    };
    (report, proofs)
}

fn report(verdict: Verdict, detail: String, violations: Vec<Violation>) -> CheckReport {
    CheckReport { violations, ..CheckReport::new(NAME, verdict, detail) }
}

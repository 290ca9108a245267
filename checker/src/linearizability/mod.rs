//! Linearizability of registers: is there one order of the operations that respects real time and in which every result is right?
//!
//! Keys are independent objects (`objects.rs`), so each is judged alone, several at a time. For one key, `demands.rs`
//! turns operations into what they demand of the register. Where every value that somebody saw has one possible writer, `unique/` decides in near-linear
//! time; where values repeat, `register/` follows the events while it keeps the set of all situations that the register may be in.
//!
//! *info* operations may take effect at any time from their invocation on, or never. They are part of the search from the start, and those
//! that nobody can have observed cost nothing.

mod budget;
mod demands;
mod objects;
mod register;
mod shrink;
mod unique;

#[cfg(test)]
mod oracle;

use rayon::prelude::*;

pub use self::budget::Limits;
use self::budget::{Budget, Exhausted};
use self::demands::Function;
pub(crate) use self::demands::{Demand, Dense, Register};
use self::objects::{Object, Objects};
use self::register::{Found, Tried};
use self::unique::Answer;
use crate::explain;
use crate::history::{History, ValueId};
use crate::verdict::{CheckReport, Verdict, Violation};

/// Name of the check.
pub const NAME: &str = "linearizable";

/// What finding the culprit within a core is worth, in steps of the search.
const STEPS_PER_CULPRIT: u64 = 200_000;

/// Judges every key of a history of registers. Operations that a register does not have must not be in it.
pub fn check(history: &History, limits: &Limits) -> CheckReport {
    if history.views().all(|operation| operation.completed().is_none()) {
        return report(
            Verdict::Unknown,
            "no operation completed: nothing was proved".into(),
            vec![],
        );
    }
    let budget = Budget::new(limits);
    let functions = demands::functions(history);
    let objects = Objects::of(history);
    let judge = |number| judge(history, &functions, &objects.get(number), &budget);
    let judged: Vec<_> = (0..objects.len()).into_par_iter().map(judge).collect();
    summarise(history, judged)
}

/// What was found about one key.
enum Judged {
    Linearizable,
    Violated(Violation),
    Undecided(String),
}

fn judge(
    history: &History,
    functions: &[Function],
    object: &Object<'_>,
    budget: &Budget,
) -> Judged {
    if unique::zones(functions, object, history.events()).is_some() {
        return Judged::Linearizable;
    }
    let register = Register::prepare(history, functions, object);
    match decide(&register, budget) {
        Ok(None) => Judged::Linearizable,
        Ok(Some(culprit)) => {
            let Culprit { core, at, possible } = culprit;
            let operations: Vec<_> =
                object.iter().map(|(place, _)| history.view(place as usize)).collect();
            Judged::Violated(explain::register(history, &operations, &core, at, possible))
        }
        Err(exhausted) => {
            let name = match object.key {
                ValueId::NIL => "the history".to_string(),
                key => format!("key {}", history.values().words(key)),
            };
            Judged::Undecided(format!("{name}: {exhausted}"))
        }
    }
}

/// Why a register is not linearizable.
struct Culprit {
    /// The few demands that show it.
    core: Register,
    /// The one of them whose completion nothing explains, by place.
    at: usize,
    /// The values that the register may have had just before, where the search over everything told.
    possible: Option<Vec<Dense>>,
}

/// Looks for an order of all demands; nothing if there is one.
fn decide(register: &Register, budget: &Budget) -> Result<Option<Culprit>, Exhausted> {
    match unique::blocks(register) {
        Answer::Valid(_) => return Ok(None),
        Answer::Invalid(core) => {
            let core = register.only(|place, _| core.binary_search(&(place as u32)).is_ok());
            return Ok(Some(Culprit::new(core, None, budget)));
        }
        Answer::NotApplicable => {}
    }
    let found = match register::try_few(register, budget, false)? {
        Tried::Found(found) => found,
        Tried::Unsure { at } => {
            // Before everything is searched: what is wrong is often wrong close by.
            if let Some(core) = shrink::local(register, register.demands[at].completed, budget) {
                return Ok(Some(Culprit::new(core, None, budget)));
            }
            register::search_all(register, budget, false)?
        }
    };
    Ok(match found {
        Found::Linearizable(_) => None,
        Found::Stuck { at, possible } => {
            let end = register.demands[at].completed;
            let core = shrink::shrink(register, at, budget);
            Some(Culprit::new(core, Some((end, possible)), budget))
        }
    })
}

impl Culprit {
    /// What a core says; `possible` are the values that the register may have had before the event at which a search of everything ended.
    fn new(core: Register, possible: Option<(u32, Vec<Dense>)>, budget: &Budget) -> Self {
        let stuck = match register::search(&core, &budget.with_steps(STEPS_PER_CULPRIT), false) {
            Ok(Found::Stuck { at, .. }) => Some(at),
            _ => None,
        };
        let certain = core.demands.iter().enumerate().filter(|(_, demand)| demand.is_certain());
        let last = || certain.max_by_key(|(_, demand)| demand.completed).map(|(place, _)| place);
        let at = stuck.or_else(last).unwrap_or(0);
        let end = core.demands[at].completed;
        let possible = possible.filter(|(event, _)| *event == end).map(|(_, possible)| possible);
        Self { core, at, possible }
    }
}

fn summarise(history: &History, judged: Vec<Judged>) -> CheckReport {
    let (keys, operations) = (judged.len(), history.operations().len());
    let (mut violations, mut undecided) = (Vec::new(), Vec::new());
    for key in judged {
        match key {
            Judged::Linearizable => {}
            Judged::Violated(violation) => violations.push(violation),
            Judged::Undecided(reason) => undecided.push(reason),
        }
    }
    violations.sort_by_key(|violation| violation.time);
    let scope = format!("{operations} operations on {}", counted(keys, "key"));
    if !violations.is_empty() {
        let detail = format!("{scope}; {} not linearizable", counted(violations.len(), "key"));
        report(Verdict::Invalid, detail, violations)
    } else if let Some(first) = undecided.first() {
        let detail =
            format!("{scope}; {} undecided, first {first}", counted(undecided.len(), "key"));
        report(Verdict::Unknown, detail, vec![])
    } else {
        report(Verdict::Valid, scope, vec![])
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn report(verdict: Verdict, detail: String, violations: Vec<Violation>) -> CheckReport {
    CheckReport { name: NAME.into(), verdict, detail, violations }
}

//! Registers, with and without cas.
//!
//! `demands.rs` turns operations into what they demand of the register. Where every value that somebody saw has one possible writer, `unique/`
//! decides in near-linear time; where values repeat, `search/` follows the events while it keeps the set of all situations that the
//! register may be in. `shrink.rs` finds the few operations that are impossible already.

mod demands;
mod search;
mod shrink;
mod unique;

#[cfg(test)]
mod oracle;

use self::demands::Function;
pub(crate) use self::demands::{Demand, Dense, Register};
use self::search::{Found, Tried};
use self::unique::Answer;
use super::budget::{Budget, Exhausted};
use super::decision::{Conviction, Decision};
use super::minimal::minimal;
use super::objects::{Object, Objects};
use crate::explain;
use crate::history::History;
use crate::models::Model;
use crate::verdict::Violation;

/// What finding the culprit within a core is worth, in steps of the search.
const STEPS_PER_CULPRIT: u64 = 200_000;

/// Judges registers of one history.
pub(super) struct Judge<'a> {
    history: &'a History,
    functions: Vec<Function>,
}

impl<'a> Judge<'a> {
    /// Prepares what all registers of a history share.
    pub(super) fn new(history: &'a History) -> Self {
        Self { history, functions: demands::functions(history) }
    }

    /// How many there are, if all of them are linearizable; nothing if that takes longer to find out.
    pub(super) fn all_are_valid(&self) -> Option<usize> {
        unique::zones_of_all(&self.functions, self.history)
    }

    /// Judges one of them; with an order that shows it, if one is asked for.
    pub(super) fn judge(
        &self,
        object: &Object<'_>,
        budget: &Budget,
        with_order: bool,
    ) -> Result<Decision, Exhausted> {
        let Self { history, functions } = self;
        if !with_order && unique::zones(functions, object, history.events()).is_some() {
            return Ok(Decision::Valid { order: None });
        }
        let register = Register::prepare(history, functions, object);
        let places = |order: Vec<u32>| {
            let operation = |place: u32| register.demands[place as usize].operation;
            order.into_iter().map(operation).collect()
        };
        Ok(match decide(&register, budget, with_order)? {
            Ok(order) => Decision::Valid { order: with_order.then(|| places(order)) },
            Err(culprit) => {
                let Culprit { core, at, possible } = culprit.minimal(history, object, budget);
                let operations: Vec<_> =
                    object.iter().map(|(place, _)| history.view(place as usize)).collect();
                let violation = explain::register(history, &operations, &core, at, possible);
                let core = core.demands.iter().map(|demand| demand.operation).collect();
                Decision::Invalid(Box::new(Conviction { core, violation }))
            }
        })
    }
}

/// Explains why one operation of a history of one register, by its place, cannot have found what it did. The history is all that is known: the
/// few operations that show it. Nothing if the operation demands nothing.
pub(crate) fn explain_register(history: &History, culprit: usize) -> Option<Violation> {
    let objects = Objects::of(history);
    let core = Register::prepare(history, &demands::functions(history), &objects.get(0));
    let at = core.demands.iter().position(|demand| demand.operation as usize == culprit)?;
    let operations: Vec<_> = history.views().collect();
    Some(explain::register(history, &operations, &core, at, None))
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

/// Looks for an order of all demands, by place. Without being asked for it, the order may be empty.
fn decide(
    register: &Register,
    budget: &Budget,
    with_order: bool,
) -> Result<Result<Vec<u32>, Culprit>, Exhausted> {
    match unique::blocks(register) {
        Answer::Valid(order) => return Ok(Ok(order)),
        Answer::Invalid(core) => {
            let core = register.only(|place, _| core.binary_search(&(place as u32)).is_ok());
            return Ok(Err(Culprit::new(core, None, budget)));
        }
        Answer::NotApplicable => {}
    }
    let found = match search::try_few(register, budget, with_order)? {
        Tried::Found(found) => found,
        Tried::Unsure { at } => {
            // Before everything is searched: what is wrong is often wrong close by.
            if let Some(core) = shrink::local(register, register.demands[at].completed, budget) {
                return Ok(Err(Culprit::new(core, None, budget)));
            }
            search::search_all(register, budget, with_order)?
        }
    };
    Ok(match found {
        Found::Linearizable(order) => Ok(order),
        Found::Stuck { at, possible } => {
            let end = register.demands[at].completed;
            let core = shrink::shrink(register, at, budget);
            Err(Culprit::new(core, Some((end, possible)), budget))
        }
    })
}

impl Culprit {
    /// What a core says; `possible` are the values that the register may have had before the event at which a search of everything ended.
    fn new(core: Register, possible: Option<(u32, Vec<Dense>)>, budget: &Budget) -> Self {
        let stuck = match search::search(&core, &budget.with_steps(STEPS_PER_CULPRIT), false) {
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

    /// The same with the smallest core.
    fn minimal(self, history: &History, object: &Object<'_>, budget: &Budget) -> Self {
        let Self { core, at, possible } = self;
        let places = core.demands.iter().map(|demand| demand.operation).collect();
        let Demand { operation, completed, .. } = core.demands[at];
        // Every register that this judges is one with cas.
        let least = minimal(history, Model::CasRegister, object, places, operation).core;
        if least.len() == core.demands.len() {
            return Self { core, at, possible };
        }
        let core = core.only(|_, demand| least.binary_search(&demand.operation).is_ok());
        Self::new(core, possible.map(|possible| (completed, possible)), budget)
    }
}

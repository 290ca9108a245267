//! The search as a judge of objects: for each model its specification, and from what is found to a decision.

use super::super::budget::{Budget, Exhausted};
use super::super::decision::{Conviction, Decision};
use super::super::minimal::{Minimal, minimal};
use super::super::objects::Object;
use super::demands::Demands;
use super::{Found, search, shrink};
use crate::explain;
use crate::history::{History, NEVER};
use crate::models::Model;
use crate::models::specification::Specification;
use crate::models::{
    counter::Counter,
    kv::Kv,
    list::List,
    lock::Lock,
    multi_register::MultiRegister,
    mutex::Mutex,
    sequence::{Queue, Stack},
    set::Set,
};

/// Does something with the specification of a model, or something else if it has none.
macro_rules! with_specification {
    ($model:expr, $s:ident => $known:expr, $unknown:expr) => {
        with_specification!(@ $model, $s, $known, $unknown,
            MultiRegister, Kv, Counter, Set, Queue, Stack, Lock, Mutex, List)
    };
    (@ $model:expr, $s:ident, $known:expr, $unknown:expr, $($name:ident),*) => {
        match $model {
            $(Model::$name => {
                type $s = $name;
                $known
            })*
            _ => $unknown,
        }
    };
}

/// What finding the culprit within a core is worth, in steps of the search.
const STEPS_PER_CULPRIT: u64 = 200_000;

/// Judges objects of one history and model.
pub(in super::super) struct Judge<'a> {
    history: &'a History,
    model: Model,
}

impl<'a> Judge<'a> {
    /// A judge of a history as this model.
    pub(in super::super) fn new(history: &'a History, model: Model) -> Self {
        Self { history, model }
    }

    /// Judges an object; with an order that shows it, if one is asked for.
    pub(in super::super) fn judge(
        &self,
        object: &Object<'_>,
        budget: &Budget,
        with_order: bool,
    ) -> Result<Decision, Exhausted> {
        with_specification!(self.model, S => decide::<S>(self, object, budget, with_order), {
            let reason = format!("a {} has no sequential specification", self.model);
            Ok(Decision::Undecided(reason))
        })
    }
}

fn decide<S: Specification>(
    judge: &Judge<'_>,
    object: &Object<'_>,
    budget: &Budget,
    with_order: bool,
) -> Result<Decision, Exhausted> {
    let whole = match Demands::<S>::read(judge.history, object) {
        Ok(whole) => whole,
        Err(reason) => return Ok(Decision::Undecided(reason)),
    };
    let place = |demand: u32| whole.demands[demand as usize].operation;
    Ok(match search(&whole, budget, with_order)? {
        Found::Linearizable(order) => {
            Decision::Valid { order: with_order.then(|| order.into_iter().map(place).collect()) }
        }
        Found::Stuck { at, possible } => {
            let core = shrink::shrink(&whole, at, budget);
            Decision::Invalid(Box::new(convict(
                judge,
                object,
                (&whole, at, &possible),
                core,
                budget,
            )))
        }
    })
}

/// What is said of a core: if it is impossible at the same operation as the whole, the states of the whole are told, which are fewer.
fn convict<S: Specification>(
    judge: &Judge<'_>,
    object: &Object<'_>,
    (whole, at, possible): (&Demands<S>, u32, &[S::State]),
    core: Demands<S>,
    budget: &Budget,
) -> Conviction {
    let stuck = whole.demands[at as usize].operation;
    let places = core.demands.iter().map(|demand| demand.operation).collect();
    let found = minimal(judge.history, judge.model, object, places, stuck);
    let Minimal { core: places, culprit } = found;
    if matches!(judge.model, Model::Lock | Model::Mutex) {
        let violation = explain::lock(judge.history, &places, culprit);
        return Conviction { core: places, violation };
    }
    let states = if culprit == stuck {
        words(judge, whole, possible)
    } else {
        let kept = core.demands.iter().filter(|d| places.contains(&d.operation)).copied();
        let core = core.only(kept.collect());
        match search(&core, &budget.with_steps(STEPS_PER_CULPRIT), false) {
            Ok(Found::Stuck { at, possible }) if core.demands[at as usize].operation == culprit => {
                words(judge, &core, &possible)
            }
            _ => Vec::new(),
        }
    };
    let open = |place: &u32| {
        let operation = &judge.history.operations()[*place as usize];
        let end = judge.history.operations()[culprit as usize].completed;
        operation.completed > end || operation.completed == NEVER
    };
    let open = places.iter().copied().filter(open).collect();
    let found = explain::Found { model: judge.model, culprit, states, core: &places, open };
    let violation = explain::object(judge.history, &found);
    Conviction { core: places, violation }
}

fn words<S: Specification>(judge: &Judge<'_>, of: &Demands<S>, states: &[S::State]) -> Vec<String> {
    let values = judge.history.values();
    states.iter().map(|state| of.specification.words(state, values)).collect()
}

/// What each pass of the search alone is sure of: whether there is an order, or nothing.
#[cfg(test)]
pub(super) fn each_pass(
    model: Model,
    history: &History,
    object: &Object<'_>,
    budget: &Budget,
) -> [Option<bool>; 3] {
    with_specification!(model, S => {
        super::each_pass(&Demands::<S>::read(history, object).unwrap(), budget)
    }, [None; 3])
}

/// Whether any of the closed parts around one or two witnesses is impossible. In a history that is possible none may be.
#[cfg(test)]
pub(super) fn some_part_is_impossible(
    model: Model,
    history: &History,
    object: &Object<'_>,
    budget: &Budget,
) -> bool {
    with_specification!(model, S => {
        let whole = Demands::<S>::read(history, object).unwrap();
        shrink::some_part_is_impossible(&whole, budget)
    }, false)
}

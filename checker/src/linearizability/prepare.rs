//! From operations to what they demand of a register.
//!
//! Left out is what demands nothing (CHECKER.md would say: the preprocessing table): reads that did not succeed, whatever certainly failed, and *info* writes that nobody can have
//! noticed. A failed cas that reports a mismatch stays: it says that the value was *not* the expected one.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::history::{Operation, Outcome};

/// A value as a small number. 0 is the initial one, `null`.
pub(crate) type ValueId = u32;
/// The initial value of every register.
pub(crate) const INITIAL: ValueId = 0;

/// What an operation does to the register, or demands of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// The value is this.
    Is(ValueId),
    /// The value is not this.
    IsNot(ValueId),
    /// The value becomes this, whatever it was.
    Write(ValueId),
    /// The value is the first and becomes the second; they differ.
    Cas(ValueId, ValueId),
}

/// A demand with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) step: Step,
    /// The event of its invocation.
    pub(crate) invoked: usize,
    /// The event of its completion. Nothing: it may take effect at any time after its invocation, or never.
    pub(crate) completed: Option<usize>,
    /// Its place among the key's operations.
    pub(crate) operation: usize,
}

/// All demands on one register.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) demands: Vec<Demand>,
    values: Vec<Value>,
}

impl Key {
    /// Prepares the operations of one key, in order of invocation.
    pub(crate) fn prepare(operations: &[&Operation]) -> Self {
        let mut ids = Ids::new();
        let steps: Vec<_> = operations.iter().map(|operation| step(operation, &mut ids)).collect();
        let observed = observed(&steps);
        let refuted = steps.iter().flatten().any(|(step, _)| matches!(step, Step::IsNot(_)));
        let mut demands = Vec::new();
        for (place, (operation, step)) in operations.iter().zip(steps).enumerate() {
            let Some((step, certain)) = step else { continue };
            let step = forget_value(step, &observed);
            // Without a negative observation, a change that nobody saw can be left out of any order.
            if !certain && !refuted && !is_observed(step, &observed) {
                continue;
            }
            let completed = operation.completed.filter(|_| certain);
            demands.push(Demand { step, invoked: operation.invoked, completed, operation: place });
        }
        Self { demands, values: ids.values }
    }

    /// The value that a number stands for.
    pub(crate) fn value(&self, id: ValueId) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Null)
    }

    /// How many values there are; numbers from here on stand for none in particular.
    pub(crate) fn value_count(&self) -> usize {
        self.values.len()
    }
}

/// Stands for every value that nobody ever asks for: they cannot be told apart.
const UNOBSERVED: ValueId = ValueId::MAX;

/// The step of an operation and whether it certainly happened; nothing if it demands nothing.
fn step(operation: &Operation, ids: &mut Ids) -> Option<(Step, bool)> {
    let certain = operation.outcome == Outcome::Ok;
    let possible = certain || matches!(operation.outcome, Outcome::Info | Outcome::Open);
    match operation.f.as_str() {
        "read" if certain => Some((Step::Is(ids.id(&operation.result)), true)),
        "write" if possible => Some((Step::Write(ids.id(&operation.argument)), certain)),
        "cas" => {
            let (old, new) = (ids.id(&operation.argument[0]), ids.id(&operation.argument[1]));
            let mismatch = operation.error.as_deref() == Some("mismatch");
            match operation.outcome {
                Outcome::Fail if mismatch => Some((Step::IsNot(old), true)),
                Outcome::Fail => None,
                // It changes nothing: it is a read, if it happened at all.
                _ if old == new => certain.then_some((Step::Is(old), true)),
                _ => Some((Step::Cas(old, new), certain)),
            }
        }
        _ => None,
    }
}

/// The values that somebody asks for.
fn observed(steps: &[Option<(Step, bool)>]) -> BTreeSet<ValueId> {
    let asked = steps.iter().flatten().filter_map(|(step, _)| match step {
        Step::Is(value) | Step::IsNot(value) | Step::Cas(value, _) => Some(*value),
        Step::Write(_) => None,
    });
    asked.collect()
}

fn is_observed(step: Step, observed: &BTreeSet<ValueId>) -> bool {
    match step {
        Step::Write(value) | Step::Cas(_, value) => observed.contains(&value),
        Step::Is(_) | Step::IsNot(_) => true,
    }
}

fn forget_value(step: Step, observed: &BTreeSet<ValueId>) -> Step {
    let seen = |value| if observed.contains(&value) { value } else { UNOBSERVED };
    match step {
        Step::Write(value) => Step::Write(seen(value)),
        Step::Cas(old, new) => Step::Cas(old, seen(new)),
        Step::Is(_) | Step::IsNot(_) => step,
    }
}

/// Numbers for values, by their text.
struct Ids {
    by_text: HashMap<String, ValueId>,
    values: Vec<Value>,
}

impl Ids {
    fn new() -> Self {
        let by_text = HashMap::from([(Value::Null.to_string(), INITIAL)]);
        Self { by_text, values: vec![Value::Null] }
    }

    fn id(&mut self, value: &Value) -> ValueId {
        let next = self.values.len() as ValueId;
        *self.by_text.entry(value.to_string()).or_insert_with(|| {
            self.values.push(value.clone());
            next
        })
    }
}

//! From operations to what they demand of a register.
//!
//! Left out is what demands nothing: reads that did not succeed, whatever certainly failed, and *info* writes that nobody can have noticed. A failed cas that reports a mismatch stays: it says that the value was *not* the expected one.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::super::objects::Object;
use crate::history::{History, NEVER, Operation, Outcome, ValueId};

/// A value as a small number, dense within one register. 0 is the initial one, `null`.
pub(crate) type Dense = u32;
/// The initial value of every register.
pub(crate) const INITIAL: Dense = 0;
/// Stands for every value that nobody ever asks for: they cannot be told apart.
pub(super) const UNOBSERVED: Dense = Dense::MAX;

/// What an operation does to the register, or demands of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// The value is this.
    Is(Dense),
    /// The value is not this.
    IsNot(Dense),
    /// The value becomes this, whatever it was.
    Write(Dense),
    /// The value is the first and becomes the second; they differ.
    Cas(Dense, Dense),
}

/// A demand with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) step: Step,
    /// The event of its invocation.
    pub(crate) invoked: u32,
    /// The event of its completion. [`NEVER`]: it may take effect at any time after its invocation, or not at all.
    pub(crate) completed: u32,
    /// Its place among all operations of the history.
    pub(crate) operation: u32,
}

impl Demand {
    /// Whether it must have happened.
    pub(super) fn is_certain(&self) -> bool {
        self.completed != NEVER
    }
}

/// All demands on one register, in order of invocation.
#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) demands: Vec<Demand>,
    /// Whether anything says what the value was not.
    pub(super) has_refuted: bool,
    /// By dense number, the values that somebody asks for.
    pub(super) observed: Vec<bool>,
    values: Vec<ValueId>,
}

/// What a function does to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Read,
    Write,
    Cas,
    Unknown,
}

/// What each function of a history does to a register, by number.
pub(super) fn functions(history: &History) -> Vec<Function> {
    history.by_function(Function::Unknown, |name| match name {
        "read" => Function::Read,
        "write" => Function::Write,
        "cas" => Function::Cas,
        _ => Function::Unknown,
    })
}

impl Register {
    /// Prepares the operations on one register.
    pub(super) fn prepare(history: &History, functions: &[Function], object: &Object<'_>) -> Self {
        let mut reader = Reader {
            history,
            functions,
            ids: Ids::new(object.len()),
            mismatch: history.error("mismatch"),
        };
        let mut register = Self {
            demands: Vec::new(),
            has_refuted: false,
            observed: Vec::new(),
            values: Vec::new(),
        };
        register.demands.reserve(object.len());
        for (place, operation) in object.iter() {
            let Some((step, certain)) = reader.step(operation) else { continue };
            let completed = if certain { operation.completed } else { NEVER };
            register.demands.push(Demand {
                step,
                invoked: operation.invoked,
                completed,
                operation: place,
            });
        }
        register.values = reader.ids.values;
        register.observe();
        register
    }

    /// Finds what is observed, and leaves out changes that nobody can have seen: they can be left out of any order, unless
    /// something says what the value was not.
    fn observe(&mut self) {
        self.observed = vec![false; self.values.len()];
        for demand in &self.demands {
            match demand.step {
                Step::Is(value) | Step::Cas(value, _) => self.observed[value as usize] = true,
                Step::IsNot(value) => {
                    self.observed[value as usize] = true;
                    self.has_refuted = true;
                }
                Step::Write(_) => {}
            }
        }
        let (observed, has_refuted) = (&self.observed, self.has_refuted);
        let seen = |value: Dense| if observed[value as usize] { value } else { UNOBSERVED };
        self.demands.retain_mut(|demand| {
            let left = match &mut demand.step {
                Step::Write(value) | Step::Cas(_, value) => {
                    *value = seen(*value);
                    *value != UNOBSERVED
                }
                Step::Is(_) | Step::IsNot(_) => true,
            };
            left || demand.completed != NEVER || has_refuted
        });
    }

    /// The value that a number stands for; nothing for one that nobody asks for.
    pub(crate) fn value(&self, value: Dense) -> Option<ValueId> {
        self.values.get(value as usize).copied()
    }

    /// How many values there are.
    pub(super) fn values(&self) -> usize {
        self.values.len()
    }

    /// The same with only some of its demands.
    pub(super) fn only(&self, keep: impl Fn(usize, &Demand) -> bool) -> Self {
        let demands =
            self.demands.iter().enumerate().filter(|(place, demand)| keep(*place, demand));
        let mut register = Self {
            demands: demands.map(|(_, demand)| *demand).collect(),
            has_refuted: false,
            observed: Vec::new(),
            values: self.values.clone(),
        };
        register.observe_again();
        register
    }

    fn observe_again(&mut self) {
        self.observed = vec![false; self.values.len()];
        for demand in &self.demands {
            if let Step::Is(value) | Step::Cas(value, _) | Step::IsNot(value) = demand.step {
                self.observed[value as usize] = true;
            }
        }
        self.has_refuted = self.demands.iter().any(|demand| matches!(demand.step, Step::IsNot(_)));
    }
}

struct Reader<'a> {
    history: &'a History,
    functions: &'a [Function],
    ids: Ids,
    /// The number of the reason that a failed cas gives when it saw another value.
    mismatch: Option<u8>,
}

impl Reader<'_> {
    /// The step of an operation and whether it certainly happened; nothing if it demands nothing.
    fn step(&mut self, operation: &Operation) -> Option<(Step, bool)> {
        let certain = operation.outcome == Outcome::Ok;
        let possible = operation.outcome != Outcome::Fail;
        match self.functions[operation.function as usize] {
            Function::Read if certain => Some((Step::Is(self.id(operation.value)), true)),
            Function::Write if possible => Some((Step::Write(self.id(operation.value)), certain)),
            Function::Cas => {
                let (old, new) = self.history.values().pair(operation.value)?;
                let (old, new) = (self.id(old), self.id(new));
                match operation.outcome {
                    Outcome::Fail if self.history.is_error(operation, self.mismatch) => {
                        Some((Step::IsNot(old), true))
                    }
                    Outcome::Fail => None,
                    // It changes nothing: it is a read, if it happened at all.
                    _ if old == new => certain.then_some((Step::Is(old), true)),
                    _ => Some((Step::Cas(old, new), certain)),
                }
            }
            _ => None,
        }
    }

    fn id(&mut self, value: ValueId) -> Dense {
        self.ids.id(self.history, value)
    }
}

/// Dense numbers for values.
struct Ids {
    /// By the bare number of a value, for small ones; [`UNOBSERVED`] where it has none yet.
    small: Vec<Dense>,
    /// For other scalars.
    scalars: HashMap<ValueId, Dense, FxBuildHasher>,
    /// Lists and maps are known by their text, for equal ones may stand in several places.
    structures: HashMap<String, Dense>,
    values: Vec<ValueId>,
}

/// Values are small if their numbers are below so many for each operation.
const SMALL_PER_OPERATION: usize = 4;

impl Ids {
    fn new(operations: usize) -> Self {
        let mut small = vec![UNOBSERVED; SMALL_PER_OPERATION * operations + 1];
        small[ValueId::NIL.number() as usize] = INITIAL;
        let (scalars, structures) = (HashMap::default(), HashMap::new());
        Self { small, scalars, structures, values: vec![ValueId::NIL] }
    }

    fn id(&mut self, history: &History, value: ValueId) -> Dense {
        let next = self.values.len() as Dense;
        let slot = match self.small.get_mut(value.number() as usize) {
            Some(slot) => slot,
            None if value.is_scalar() => self.scalars.entry(value).or_insert(UNOBSERVED),
            None => {
                let text = history.values().json(value).to_string();
                self.structures.entry(text).or_insert(UNOBSERVED)
            }
        };
        if *slot == UNOBSERVED {
            *slot = next;
            self.values.push(value);
        }
        *slot
    }
}

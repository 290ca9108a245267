//! What a model is made of: a *sequential specification*, which says what an object does when nobody interferes.
//!
//! # Adding a model
//!
//! One file with one [`Specification`]: what its operations are (`read`), how an object begins (`initial`), and what each operation does
//! (`step`). That alone is judged by the just-in-time search of Lowe (2017) in `linearizability/search/`. Everything else has a
//! default that is always right; a declaration only lets the search leave out what cannot matter, and a wrong one
//! makes verdicts wrong. Then a row in the table of `models/mod.rs`, a line in `linearizability/search/judge.rs`, and an
//! oracle of its own in `linearizability/search/oracle.rs`, which is what tells that the declarations are right.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

use crate::history::{NEVER, Outcome, ValueId, Values};

/// What an object does when nobody interferes.
pub(crate) trait Specification: Sized {
    /// All that decides what the object will do.
    type State: Clone + Eq + Hash + Debug;
    /// What an operation does, with the result that it demands. Two that are equal can be exchanged for each other.
    type Operation: Clone + Eq + Hash + Debug;

    /// Reads a recorded operation that did not fail; nothing if it demands nothing, as whatever only looks and has no result.
    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Self::Operation>, Unreadable>;

    /// The specification of an object on which these operations happened, certainly or possibly, each kind once.
    fn new(certain: &[&Self::Operation], possible: &[&Self::Operation]) -> Self;

    /// The same, told for each kind that certainly happened which event completes the last of it.
    fn with_ends(self, _ends: &[(&Self::Operation, u32)]) -> Self {
        self
    }

    /// The state before anything.
    fn initial(&self) -> Self::State;

    /// The state after an operation; nothing if it cannot have its result in this state.
    fn step(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;

    /// A state in words: `holds 3`.
    fn words(&self, state: &Self::State, values: &Values) -> String;

    /// Whether an operation never changes anything: its result is all that matters.
    fn is_observer(_operation: &Self::Operation) -> bool {
        false
    }

    /// Whether `earlier` is possible in every state, and `later` right after it has the same result and leads to the same state as
    /// without it.
    fn hides(_later: &Self::Operation, _earlier: &Self::Operation) -> bool {
        false
    }

    /// Whether a change that leads to state `to` may have to take effect before `target`, which is completing, does; `wanting` are the open
    /// observers that have not been satisfied. What is of no use now can always follow later.
    fn is_useful<'a>(
        &'a self,
        _to: &Self::State,
        _target: &'a Self::Operation,
        _wanting: impl Iterator<Item = &'a Self::Operation>,
    ) -> bool {
        true
    }

    /// Whether any of the operations that certainly happened could tell that this one did. Where none can, any order
    /// is as good without it.
    fn is_observable(&self, _operation: &Self::Operation) -> bool {
        true
    }

    /// The last event that completes one who could tell that this operation happened. After it, any order goes on as well without it.
    fn observable_until(&self, _operation: &Self::Operation) -> u32 {
        NEVER
    }

    /// A state, without what nobody who completes after this event could tell.
    fn forget(&self, state: &Self::State, _event: u32) -> Self::State {
        state.clone()
    }

    /// The value that an operation is about, in a model in which all operations on a value can be left out of any order.
    fn group(_operation: &Self::Operation) -> Option<ValueId> {
        None
    }

    /// The bytes that a state takes, about.
    fn bytes(_state: &Self::State) -> usize {
        size_of::<Self::State>()
    }
}

/// An operation that does not say what the model needs.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// A recorded operation, as a specification reads it. Equal values have equal numbers here, lists and maps included.
pub(crate) struct Recorded<'a> {
    /// What was done: `push`, `read`, …
    pub(crate) function: &'a str,
    /// The result where there is one, or else the argument.
    pub(crate) value: ValueId,
    /// Whether it certainly happened, and with this result. If not, it may have had any result.
    pub(crate) is_certain: bool,
    values: &'a Values,
    canonical: &'a mut Canonical,
}

impl<'a> Recorded<'a> {
    /// An operation of a history.
    pub(crate) fn new(
        function: &'a str,
        value: ValueId,
        outcome: Outcome,
        values: &'a Values,
        canonical: &'a mut Canonical,
    ) -> Self {
        let value = canonical.of(values, value);
        Self { function, value, is_certain: outcome == Outcome::Ok, values, canonical }
    }

    /// The same if its outcome is known; nothing for one that would only have looked.
    pub(crate) fn seen<T>(&self, operation: impl FnOnce() -> T) -> Option<T> {
        self.is_certain.then(operation)
    }

    /// The value as an integer.
    pub(crate) fn integer(&self) -> Result<i64, Unreadable> {
        self.values.as_integer(self.value).ok_or(Unreadable("needs an integer"))
    }

    /// The value as a text; the empty one if there is none.
    pub(crate) fn text(&self) -> Result<&'a str, Unreadable> {
        match self.value {
            ValueId::NIL => Ok(""),
            value => self.values.as_text(value).ok_or(Unreadable("needs a text")),
        }
    }

    /// The elements of the value, a list. No value is no elements.
    pub(crate) fn list(&mut self) -> Result<Vec<ValueId>, Unreadable> {
        if self.value == ValueId::NIL {
            return Ok(Vec::new());
        }
        self.list_of(self.value).ok_or(Unreadable("needs a list"))
    }

    /// The elements of a list.
    pub(crate) fn list_of(&mut self, value: ValueId) -> Option<Vec<ValueId>> {
        let elements = self.values.list(value)?;
        Some(elements.iter().map(|element| self.canonical.of(self.values, *element)).collect())
    }

    /// An element and a truth about it: `[x, true]`.
    pub(crate) fn truth(&mut self) -> Option<(ValueId, bool)> {
        let (element, truth) = self.values.pair(self.value)?;
        let element = self.canonical.of(self.values, element);
        match truth {
            ValueId::TRUE => Some((element, true)),
            ValueId::FALSE => Some((element, false)),
            _ => None,
        }
    }

    /// A text of the history.
    pub(crate) fn name(&self, value: ValueId) -> Option<&'a str> {
        self.values.as_text(value)
    }
}

/// One number for all values that are equal. Scalars have one anyway; lists and maps are known by their text.
#[derive(Debug, Default)]
pub(crate) struct Canonical {
    structures: HashMap<String, ValueId>,
}

impl Canonical {
    fn of(&mut self, values: &Values, value: ValueId) -> ValueId {
        if value.is_scalar() {
            return value;
        }
        *self.structures.entry(values.json(value).to_string()).or_insert(value)
    }
}

/// Values in words: `1, 2, 3`, or the first few of them.
pub(crate) fn listed(values: &Values, elements: impl ExactSizeIterator<Item = ValueId>) -> String {
    let more = elements.len().saturating_sub(SHOWN_MAX);
    let mut words: Vec<_> =
        elements.take(SHOWN_MAX).map(|element| values.json(element).to_string()).collect();
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

/// More elements of one state do not help a reader.
const SHOWN_MAX: usize = 12;

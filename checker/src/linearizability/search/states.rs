//! The states of an object by number, and what each kind of operation leads to: computed once, compared as one word.

use std::collections::HashMap;
use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::demands::Kind;
use crate::models::specification::Specification;

/// A state by number.
pub(super) type StateId = u32;

/// No state: the operation is not possible.
const NONE: StateId = StateId::MAX;

/// All states that were met and are still kept.
pub(super) struct States<S: Specification> {
    states: Vec<S::State>,
    /// The last state of each hash, and for each state the one before it with the same.
    by_hash: HashMap<u64, StateId, FxBuildHasher>,
    before: Vec<StateId>,
    steps: HashMap<(StateId, Kind), StateId, FxBuildHasher>,
    /// The bytes of the states alone.
    held: usize,
}

impl<S: Specification> States<S> {
    /// Nothing but the initial state, which is number 0.
    pub(super) fn new(initial: S::State) -> Self {
        let mut states = Self {
            states: Vec::new(),
            by_hash: HashMap::default(),
            before: Vec::new(),
            steps: HashMap::default(),
            held: 0,
        };
        states.number(initial);
        states
    }

    /// The state of a number.
    pub(super) fn get(&self, id: StateId) -> &S::State {
        &self.states[id as usize]
    }

    /// The state after an operation, if it is possible.
    #[inline]
    pub(super) fn step(
        &mut self,
        specification: &S,
        from: StateId,
        kind: Kind,
        operation: &S::Operation,
    ) -> Option<StateId> {
        let to = match self.steps.get(&(from, kind)) {
            Some(to) => *to,
            None => {
                let stepped = specification.step(&self.states[from as usize], operation);
                let to = match stepped {
                    Some(_) if S::is_observer(operation) => from,
                    Some(state) => self.number(state),
                    None => NONE,
                };
                self.steps.insert((from, kind), to);
                to
            }
        };
        (to != NONE).then_some(to)
    }

    fn number(&mut self, state: S::State) -> StateId {
        let hash = FxBuildHasher.hash_one(&state);
        let last = self.by_hash.get(&hash).copied().unwrap_or(NONE);
        let mut known = last;
        while known != NONE {
            if self.states[known as usize] == state {
                return known;
            }
            known = self.before[known as usize];
        }
        let number = self.states.len() as StateId;
        self.held += S::bytes(&state);
        self.states.push(state);
        self.before.push(last);
        self.by_hash.insert(hash, number);
        number
    }

    /// The bytes that all of it takes, about.
    pub(super) fn bytes(&self) -> u64 {
        (self.held + 32 * self.states.len() + 24 * self.steps.len()) as u64
    }

    /// Forgets all states but these, and of these what does not matter after an event; each becomes its new number.
    pub(super) fn keep_only<'a>(
        &mut self,
        specification: &S,
        event: u32,
        ids: impl Iterator<Item = &'a mut StateId>,
    ) {
        let old = std::mem::take(&mut self.states);
        self.by_hash.clear();
        self.before.clear();
        self.steps.clear();
        self.held = 0;
        for id in ids {
            *id = self.number(specification.forget(&old[*id as usize], event));
        }
    }
}

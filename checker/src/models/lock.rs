//! A lock whose `acquire` returns a fencing token: each is greater than all before it (Kleppmann 2016, "How to do distributed locking").
//! An acquire with unknown outcome took an unknown token and says nothing about those of others.

use super::specification::{Recorded, Specification, Unreadable};
use crate::history::Values;

/// See [`super::Model::Lock`].
pub(crate) struct Lock;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// With the token that it returned, if it is known.
    Acquire(Option<i64>),
    Release,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    is_held: bool,
    /// The greatest token so far.
    token: Option<i64>,
}

impl Specification for Lock {
    type State = State;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        Ok(match recorded.function {
            "acquire" if recorded.is_certain => Some(Operation::Acquire(Some(recorded.integer()?))),
            "acquire" => Some(Operation::Acquire(None)),
            "release" => Some(Operation::Release),
            _ => None,
        })
    }

    fn new(_certain: &[&Operation], _possible: &[&Operation]) -> Self {
        Self
    }

    fn initial(&self) -> State {
        State { is_held: false, token: None }
    }

    fn step(&self, state: &State, operation: &Operation) -> Option<State> {
        let State { is_held, token } = *state;
        match *operation {
            Operation::Acquire(None) => (!is_held).then_some(State { is_held: true, token }),
            Operation::Acquire(new) => {
                // Before the first token there is none, which is less than any.
                (!is_held && new > token).then_some(State { is_held: true, token: new })
            }
            Operation::Release => is_held.then_some(State { is_held: false, token }),
        }
    }

    fn words(&self, state: &State, _values: &Values) -> String {
        let held = if state.is_held { "held" } else { "free" };
        match state.token {
            Some(token) => format!("{held}, last token {token}"),
            None => format!("{held}, no token yet"),
        }
    }
}

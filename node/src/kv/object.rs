//! The kinds of objects.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Answer, Outcome, Refusal, Store};

/// An object with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// One value.
    Register(i64),
    /// A sum.
    Counter(i64),
    /// Elements in the order in which they were appended.
    List(Vec<i64>),
    /// Elements without order or repetition.
    Set(BTreeSet<i64>),
    /// First in, first out.
    Queue(VecDeque<i64>),
    /// A lock.
    Lock(Lock),
}

/// A lock with fencing tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Who holds it.
    pub holder: Option<String>,
    /// The token of its last holder; 0 if it was never held.
    pub token: u64,
}

impl Lock {
    /// Indexes of the log grow, so tokens do, whoever acquires and however often the lock was deleted.
    pub(super) fn acquire(&mut self, owner: &str, index: u64) -> Outcome {
        if self.holder.is_some() {
            return Err(Refusal::Held);
        }
        *self = Self { holder: Some(owner.to_string()), token: index };
        Ok(Answer::Token(index))
    }

    pub(super) fn release(&mut self, owner: &str) -> Outcome {
        if self.holder.as_deref() != Some(owner) {
            return Err(Refusal::NotHeld);
        }
        self.holder = None;
        Ok(Answer::Done)
    }
}

/// For each kind, the object of a key: an empty one is made where there is none.
macro_rules! of_kind {
    ($($name:ident: $kind:ident($value:ty)),*) => {
        impl Store {
            $(pub(super) fn $name(&mut self, key: &str) -> Result<&mut $value, Refusal> {
                // One search. In a state of millions it costs more than a name that is not needed.
                let object = self.objects.entry(key.to_string());
                match object.or_insert_with(|| Object::$kind(Default::default())) {
                    Object::$kind(value) => Ok(value),
                    _ => Err(Refusal::WrongKind),
                }
            })*
        }
    };
}

of_kind!(
    register: Register(i64),
    counter: Counter(i64),
    list: List(Vec<i64>),
    set: Set(BTreeSet<i64>),
    queue: Queue(VecDeque<i64>),
    lock: Lock(Lock)
);

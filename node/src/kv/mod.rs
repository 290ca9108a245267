//! The replicated state machine: objects by key, and the sessions of clients. Pure.
//!
//! Every replica applies the same [`Proposal`]s in the order of the log and must come to the same state, so nothing here depends on
//! anything but the state and the entry: no clock, no randomness, no map with a random order. Whatever stands in the log was sent by
//! somebody, so `apply` is total: what makes no sense is refused, on every replica alike, and changes nothing.
//!
//! # Objects
//!
//! An object is made by the first command for it that is not refused, and is of that kind until it is deleted: a register, a counter, a
//! list, a set, a queue or a lock. A command for another kind is refused. Most commands touch one object; a [`Command::Transaction`] touches
//! several, and a [`Command::Transfer`] two, at one instant. Reads ([`Query`]) do not go through the log (`raft/reads.rs`).
//!
//! # Exactly once
//!
//! A client that repeats a command whose answer it missed must not have it carried out twice (Ongaro's thesis, 6.3). It registers a
//! *session* and numbers its commands; [`Proposal::Once`] is carried out the first time that it is applied, and answered from memory after that.
//! `session.rs` says how long answers are kept.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod command;
mod object;
mod session;
mod snapshot;
mod transaction;

pub use self::command::{Answer, Command, Proposal, Query, Refusal, Step};
pub use self::object::{Lock, Object};
pub use self::session::{RESULTS_MAX, SESSIONS_MAX};
pub use self::snapshot::{Digest, RestoreError};

use std::collections::BTreeMap;

use self::session::{Sessions, Turn};

/// What a command comes to: an answer, or the reason why nothing was changed.
pub type Outcome = Result<Answer, Refusal>;

/// The state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    objects: BTreeMap<String, Object>,
    sessions: Sessions,
}

impl Store {
    /// Applies the entry of the log at `index`. Indexes grow; gaps are no matter.
    pub fn apply(&mut self, index: u64, proposal: &Proposal) -> Outcome {
        match proposal {
            Proposal::Plain(command) => self.execute(index, command),
            Proposal::Register => Ok(Answer::Session(self.sessions.register(index))),
            Proposal::Once { session, sequence, answered, command } => {
                match self.sessions.turn(*session, *sequence, *answered, index) {
                    Turn::Known(outcome) => outcome,
                    Turn::Refused(refusal) => Err(refusal),
                    Turn::New => {
                        let outcome = self.execute(index, command);
                        self.sessions.remember(*session, *sequence, outcome.clone());
                        outcome
                    }
                }
            }
        }
    }

    /// Looks at the state.
    pub fn query(&self, query: &Query) -> Outcome {
        let object = |key: &String| self.objects.get(key);
        Ok(match query {
            Query::Read { key } => Answer::Object(object(key).cloned()),
            Query::Snapshot { keys } => {
                Answer::Objects(keys.iter().map(|key| object(key).cloned()).collect())
            }
            Query::Contains { key, element } => match object(key) {
                None => Answer::Flag(false),
                Some(Object::Set(elements)) => Answer::Flag(elements.contains(element)),
                Some(_) => return Err(Refusal::WrongKind),
            },
        })
    }

    fn execute(&mut self, index: u64, command: &Command) -> Outcome {
        match command {
            Command::Write { key, value } => {
                *self.register(key)? = *value;
                Ok(Answer::Done)
            }
            Command::Cas { key, old, new } => self.cas(key, *old, *new),
            Command::Delete { key } => Ok(Answer::Flag(self.objects.remove(key).is_some())),
            Command::Add { key, amount } => {
                let sum = self.counter(key)?;
                *sum = sum.checked_add(*amount).ok_or(Refusal::Overflow)?;
                Ok(Answer::Integer(*sum))
            }
            Command::Append { key, element } => {
                self.list(key)?.push(*element);
                Ok(Answer::Done)
            }
            Command::Insert { key, element } => Ok(Answer::Flag(self.set(key)?.insert(*element))),
            Command::Remove { key, element } => Ok(Answer::Flag(self.set(key)?.remove(element))),
            Command::Enqueue { key, element } => {
                self.queue(key)?.push_back(*element);
                Ok(Answer::Done)
            }
            Command::Dequeue { key } => Ok(Answer::Element(self.queue(key)?.pop_front())),
            Command::Acquire { key, owner } => self.lock(key)?.acquire(owner, index),
            Command::Release { key, .. } if !self.objects.contains_key(key) => {
                Err(Refusal::NotHeld)
            }
            Command::Release { key, owner } => self.lock(key)?.release(owner),
            Command::Transfer { from, to, amount } => self.transfer(from, to, *amount),
            Command::Transaction { steps } => self.transaction(steps),
        }
    }

    fn cas(&mut self, key: &str, old: Option<i64>, new: i64) -> Outcome {
        let held = match self.objects.get(key) {
            None => None,
            Some(Object::Register(value)) => Some(*value),
            Some(_) => return Err(Refusal::WrongKind),
        };
        if held != old {
            return Err(Refusal::Mismatch);
        }
        *self.register(key)? = new;
        Ok(Answer::Done)
    }

    /// A missing account is empty. Both balances are known to fit before either is changed.
    fn transfer(&mut self, from: &str, to: &str, amount: u32) -> Outcome {
        let balance = |key: &str| match self.objects.get(key) {
            None => Ok(0),
            Some(Object::Register(balance)) => Ok(*balance),
            Some(_) => Err(Refusal::WrongKind),
        };
        let (giver, taker, amount) = (balance(from)?, balance(to)?, i64::from(amount));
        if giver < amount {
            return Err(Refusal::Insufficient);
        }
        if from != to {
            let fuller = taker.checked_add(amount).ok_or(Refusal::Overflow)?;
            *self.register(from)? = giver - amount;
            *self.register(to)? = fuller;
        }
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests;

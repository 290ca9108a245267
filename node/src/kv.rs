//! The replicated state machine: a map of keys to integers. Pure.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What can be done to the store. Reads do not go through the log (`raft/reads.rs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Sets a key.
    Write {
        /// The key.
        key: String,
        /// Its new value.
        value: i64,
    },
    /// Sets a key if it holds the expected value.
    Cas {
        /// The key.
        key: String,
        /// What it must hold; nothing stands for a missing key.
        old: Option<i64>,
        /// What it then holds.
        new: i64,
    },
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It took effect.
    Done,
    /// The key did not hold the expected value; nothing was changed.
    Mismatch,
}

/// The state.
#[derive(Clone, Debug, Default)]
pub struct Store {
    values: BTreeMap<String, i64>,
}

impl Store {
    /// Carries out a command.
    pub fn apply(&mut self, command: &Command) -> Outcome {
        match command {
            Command::Write { key, value } => {
                self.values.insert(key.clone(), *value);
                Outcome::Done
            }
            Command::Cas { key, old, new } if self.read(key) == *old => {
                self.values.insert(key.clone(), *new);
                Outcome::Done
            }
            Command::Cas { .. } => Outcome::Mismatch,
        }
    }

    /// The value of a key, if it has one.
    pub fn read(&self, key: &str) -> Option<i64> {
        self.values.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cas_changes_only_what_it_expected() {
        let mut store = Store::default();
        let cas = |old, new| Command::Cas { key: "k".into(), old, new };
        assert_eq!(store.apply(&cas(Some(1), 2)), Outcome::Mismatch);
        assert_eq!(store.read("k"), None);
        assert_eq!(store.apply(&cas(None, 1)), Outcome::Done);
        assert_eq!(store.apply(&Command::Write { key: "k".into(), value: 5 }), Outcome::Done);
        assert_eq!(store.apply(&cas(Some(1), 2)), Outcome::Mismatch);
        assert_eq!(store.apply(&cas(Some(5), 2)), Outcome::Done);
        assert_eq!(store.read("k"), Some(2));
    }
}

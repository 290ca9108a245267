//! What a client does, in the words of the history (`docs/formats.md`).

use serde_json::{Value, json};

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operation {
    /// The object; nothing for a transaction, whose steps have keys of their own.
    pub(crate) key: Option<String>,
    /// What is done to it.
    pub(crate) action: Action,
}

/// What is done to an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Reads the object.
    Read {
        /// What is read where there is none.
        missing: Value,
    },
    /// Sets a register.
    Write(i64),
    /// Sets a register if it holds `old`: the last value that the client saw, filled in when it is carried out.
    Cas { old: Option<i64>, new: i64 },
    /// Adds to a counter.
    Add(i64),
    /// Puts an element into a set. `tells` if the history is to say whether it was new.
    Insert { element: i64, tells: bool },
    /// Takes an element out of a set.
    Remove(i64),
    /// Asks whether an element is in a set.
    Contains(i64),
    /// Puts an element into a queue.
    Enqueue(i64),
    /// Takes the first element of a queue.
    Dequeue,
    /// Takes a lock under this name.
    Acquire(String),
    /// Gives a lock back that was taken under this name.
    Release(String),
    /// Does all steps at one instant.
    Transaction(Vec<Micro>),
    /// Moves an amount from one account to another.
    Transfer { from: u32, to: u32, amount: u32 },
    /// Reads so many accounts at one instant.
    ReadAccounts(u32),
    /// Fills so many accounts with this balance. Done before the first operation, and not recorded.
    FillAccounts { accounts: u32, balance: u32 },
    /// Asks for an identifier.
    Generate,
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Micro {
    /// `["r", key, null]`
    Read { key: String },
    /// `["w", key, value]`
    Write { key: String, value: i64 },
    /// `["append", key, element]`
    Append { key: String, element: i64 },
}

impl Operation {
    /// On one object.
    pub(crate) fn on(key: impl Into<String>, action: Action) -> Self {
        Self { key: Some(key.into()), action }
    }

    /// Its name in the history.
    pub(crate) fn f(&self) -> &'static str {
        match self.action {
            Action::Read { .. } | Action::ReadAccounts(_) => "read",
            Action::Write(_) => "write",
            Action::Cas { .. } => "cas",
            Action::Add(_) | Action::Insert { .. } => "add",
            Action::Remove(_) => "remove",
            Action::Contains(_) => "contains",
            Action::Enqueue(_) => "enqueue",
            Action::Dequeue => "dequeue",
            Action::Acquire(_) => "acquire",
            Action::Release(_) => "release",
            Action::Transaction(_) => "txn",
            Action::Transfer { .. } => "transfer",
            Action::FillAccounts { .. } => "fill",
            Action::Generate => "generate",
        }
    }

    /// The value of its invocation in the history.
    pub(crate) fn value(&self) -> Value {
        match &self.action {
            Action::Write(value)
            | Action::Add(value)
            | Action::Remove(value)
            | Action::Contains(value)
            | Action::Enqueue(value)
            | Action::Insert { element: value, .. } => json!(value),
            Action::Cas { old, new } => json!([old, new]),
            Action::Transaction(steps) => steps.iter().map(Micro::value).collect(),
            Action::Transfer { from, to, amount } => {
                json!({ "from": from, "to": to, "amount": amount })
            }
            Action::Read { .. }
            | Action::Dequeue
            | Action::Acquire(_)
            | Action::Release(_)
            | Action::ReadAccounts(_)
            | Action::FillAccounts { .. }
            | Action::Generate => Value::Null,
        }
    }
}

impl Micro {
    /// The step as it is invoked.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Read { key } => json!(["r", key, null]),
            Self::Write { key, value } => json!(["w", key, value]),
            Self::Append { key, element } => json!(["append", key, element]),
        }
    }
}

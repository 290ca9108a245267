//! What can be asked of the store and what it answers: the words of the log and of the client protocol.
//!
//! Variants are numbered by their order on disk and on the wire: new ones go to the end, or the protocol gets a new version.

use serde::{Deserialize, Serialize};

use super::Object;

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proposal {
    /// Carried out as often as it is in the log.
    Plain(Command),
    /// Opens a session. Its id is the index of this entry.
    Register,
    /// Carried out at most once, however often it is in the log.
    Once {
        /// The client's session.
        session: u64,
        /// The command's number within the session.
        sequence: u64,
        /// The client has the answers to all numbers below this one, or does not want them any more.
        answered: u64,
        /// What is to be done.
        command: Command,
    },
}

/// A change of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Sets a register.
    Write {
        /// The register.
        key: String,
        /// Its new value.
        value: i64,
    },
    /// Sets a register if it holds the expected value: else [`Refusal::Mismatch`].
    Cas {
        /// The register.
        key: String,
        /// What it must hold; nothing stands for a missing register.
        old: Option<i64>,
        /// What it then holds.
        new: i64,
    },
    /// Removes an object of any kind. Answers whether there was one.
    Delete {
        /// The object.
        key: String,
    },
    /// Adds to a counter, which begins at 0. Answers the new sum.
    Add {
        /// The counter.
        key: String,
        /// How much, perhaps negative.
        amount: i64,
    },
    /// Appends to a list.
    Append {
        /// The list.
        key: String,
        /// What is appended.
        element: i64,
    },
    /// Puts an element into a set. Answers whether it was new.
    Insert {
        /// The set.
        key: String,
        /// The element.
        element: i64,
    },
    /// Takes an element out of a set. Answers whether it was there.
    Remove {
        /// The set.
        key: String,
        /// The element.
        element: i64,
    },
    /// Puts an element at the end of a queue.
    Enqueue {
        /// The queue.
        key: String,
        /// The element.
        element: i64,
    },
    /// Takes the first element of a queue. Answers nothing where it is empty.
    Dequeue {
        /// The queue.
        key: String,
    },
    /// Takes a lock: else [`Refusal::Held`], also where the owner holds it already. Answers its fencing token, the index of this entry.
    Acquire {
        /// The lock.
        key: String,
        /// The name of the client. A lock outlives the connection of its owner: whoever comes back under this name may release it.
        owner: String,
    },
    /// Gives a lock back: [`Refusal::NotHeld`] where somebody else holds it, or nobody.
    Release {
        /// The lock.
        key: String,
        /// The name of the client.
        owner: String,
    },
    /// Moves an amount from one register to another, unless that has less: [`Refusal::Insufficient`].
    Transfer {
        /// Who gives.
        from: String,
        /// Who takes.
        to: String,
        /// How much.
        amount: u32,
    },
    /// Does all steps at one instant, or none if one of them cannot be done. Each sees what those before it did.
    Transaction {
        /// The steps, in order.
        steps: Vec<Step>,
    },
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Reads an object of any kind.
    Read {
        /// The object.
        key: String,
    },
    /// Sets a register.
    Write {
        /// The register.
        key: String,
        /// Its new value.
        value: i64,
    },
    /// Appends to a list.
    Append {
        /// The list.
        key: String,
        /// What is appended.
        element: i64,
    },
}

/// A look at the state, which changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// An object.
    Read {
        /// The object.
        key: String,
    },
    /// Several objects at one instant.
    Snapshot {
        /// The objects.
        keys: Vec<String>,
    },
    /// Whether an element is in a set. A missing set is empty.
    Contains {
        /// The set.
        key: String,
        /// The element.
        element: i64,
    },
}

/// What came of a command or a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It took effect.
    Done,
    /// Yes or no.
    Flag(bool),
    /// A sum.
    Integer(i64),
    /// An element, if there was one.
    Element(Option<i64>),
    /// A fencing token: greater than all that this lock gave before.
    Token(u64),
    /// An object, if there is one.
    Object(Option<Object>),
    /// For each key of a snapshot, and for each step of a transaction, the object; nothing for a step that is no read.
    Objects(Vec<Option<Object>>),
    /// The id of a new session.
    Session(u64),
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The register does not hold the expected value.
    #[error("mismatch")]
    Mismatch,
    /// The object is of another kind.
    #[error("wrong kind of object")]
    WrongKind,
    /// The lock is held.
    #[error("held")]
    Held,
    /// The lock is not held by this owner.
    #[error("not held")]
    NotHeld,
    /// The sum does not fit.
    #[error("overflow")]
    Overflow,
    /// The account has less.
    #[error("insufficient")]
    Insufficient,
    /// No such session: it was never registered, or others were used later and took its place. Whether the command was carried out
    /// before that is forgotten.
    #[error("no such session")]
    NoSession,
    /// The client said that it does not want this answer any more. Whether the command was carried out before that is forgotten.
    #[error("answered before")]
    Answered,
    /// The client leaves too many answers unacknowledged.
    #[error("too many unacknowledged")]
    Unacknowledged,
}

impl Refusal {
    /// Whether this is about the session, so that an earlier attempt with the same number may have been carried out.
    pub fn is_of_session(self) -> bool {
        matches!(self, Self::NoSession | Self::Answered | Self::Unacknowledged)
    }
}

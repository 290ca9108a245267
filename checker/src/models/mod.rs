//! What can be asked of a history: the promises of an object when nobody interferes, the isolation of transactions, or one property.
//!
//! Each object but the plain registers has a file with its sequential specification; `specification.rs` says how to add one.

pub(crate) mod counter;
mod guess;
pub(crate) mod kv;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod multi_register;
pub(crate) mod mutex;
mod prefixes;
pub(crate) mod sequence;
pub(crate) mod set;
pub(crate) mod specification;

use std::fmt;
use std::str::FromStr;

/// What a history is judged as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// A register: `read` and `write`.
    Register,
    /// A register that also has `cas`.
    CasRegister,
    /// Registers of one map, read and written several at a time: `txn` of `["r", k, v]` and `["w", k, v]`, strictly serializable.
    MultiRegister,
    /// A text that is `get`, `put` and appended to.
    Kv,
    /// A counter: `add` and `read`.
    Counter,
    /// A set: `add`, `remove`, `contains`, and `read` of all elements.
    Set,
    /// A queue, first in, first out: `enqueue` and `dequeue`.
    Queue,
    /// A stack, last in, first out: `push` and `pop`.
    Stack,
    /// A lock whose `acquire` returns a growing fencing token.
    Lock,
    /// A lock without tokens: `acquire` and `release`.
    Mutex,
    /// One list: `append` of an element and `read` of all.
    List,
    /// Transactions that append to lists and read them: `txn` of `["append", k, v]` and `["r", k, [..]]`.
    ListAppend,
    /// Transactions over registers, judged by their dependencies: `txn` of `["r", k, v]` and `["w", k, v]`.
    RwRegister,
    /// Elements of a set that is read as a whole: lost, stale, never read.
    SetFull,
    /// A queue that is drained at the end: nothing lost, nothing unexpected.
    TotalQueue,
    /// A counter whose reads lie between what certainly and what possibly was added.
    CounterBounds,
    /// Transfers between accounts: the total never changes.
    Bank,
    /// Generated identifiers, none twice.
    UniqueIds,
    /// Writes that two readers see in opposite orders.
    LongFork,
    /// No process sees a value go back.
    MonotonicReads,
    /// Read your writes, monotonic reads, monotonic writes, writes follow reads.
    SessionGuarantees,
    /// How long nothing succeeded, whatever the operations are.
    Availability,
    /// How long operations took, whatever they are.
    Latency,
    /// Nodes whose states must agree when they are quiet, whatever the operations are.
    StateDigests,
}

/// Which part of the checker judges a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Linearizability of objects.
    Object,
    /// Isolation of transactions.
    Transactions,
    /// A property of its own.
    Property,
}

/// The operations of a model that takes any.
const ANY: &[&str] = &[];

/// Name, family and operations of each model.
const TABLE: [(Model, &str, Family, &[&str]); 24] = [
    (Model::Register, "register", Family::Object, &["read", "write"]),
    (Model::CasRegister, "cas-register", Family::Object, &["read", "write", "cas"]),
    (Model::MultiRegister, "multi-register", Family::Object, &["txn", "read", "write"]),
    (Model::Kv, "kv", Family::Object, &["get", "put", "append"]),
    (Model::Counter, "counter", Family::Object, &["add", "read"]),
    (Model::Set, "set", Family::Object, &["add", "remove", "contains", "read"]),
    (Model::Queue, "queue", Family::Object, &["enqueue", "dequeue", "peek"]),
    (Model::Stack, "stack", Family::Object, &["push", "pop", "peek"]),
    (Model::Lock, "lock", Family::Object, &["acquire", "release"]),
    (Model::Mutex, "mutex", Family::Object, &["acquire", "release"]),
    (Model::List, "list", Family::Object, &["append", "read"]),
    (Model::ListAppend, "list-append", Family::Transactions, &["txn"]),
    (Model::RwRegister, "rw-register", Family::Transactions, &["txn"]),
    (Model::SetFull, "set-full", Family::Property, &["add", "read"]),
    (Model::TotalQueue, "total-queue", Family::Property, &["enqueue", "dequeue", "drain"]),
    (Model::CounterBounds, "counter-bounds", Family::Property, &["add", "read"]),
    (Model::Bank, "bank", Family::Property, &["transfer", "read"]),
    (Model::UniqueIds, "unique-ids", Family::Property, &["generate"]),
    (Model::LongFork, "long-fork", Family::Property, &["read", "write", "txn"]),
    (
        Model::MonotonicReads,
        "monotonic-reads",
        Family::Property,
        &["read", "write", "cas", "append", "txn"],
    ),
    (
        Model::SessionGuarantees,
        "session-guarantees",
        Family::Property,
        &["read", "write", "cas", "append", "txn"],
    ),
    (Model::Availability, "availability", Family::Property, ANY),
    (Model::Latency, "latency", Family::Property, ANY),
    (Model::StateDigests, "state-digests", Family::Property, ANY),
];

impl Model {
    /// Every model.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, Family, &'static [&'static str]) {
        TABLE.iter().find(|row| row.0 == self).expect("every model is in the table")
    }

    /// Its name on the command line and in `run.json`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Which part of the checker judges it.
    pub fn family(self) -> Family {
        self.row().2
    }

    /// Whether a history of this kind may have the operation.
    pub fn has(self, f: &str) -> bool {
        self.row().3 == ANY || self.names(f)
    }

    /// Whether the operation is one of those that a history of this kind is known by.
    pub fn names(self, f: &str) -> bool {
        self.row().3.contains(&f)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::all().find(|model| model.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::all().map(Self::name).collect();
            format!("unknown model `{name}`; known are {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_found_by_its_name() {
        assert!(Model::all().all(|model| model.name().parse() == Ok(model)));
        assert!("regster".parse::<Model>().unwrap_err().contains("known are register, "));
    }
}

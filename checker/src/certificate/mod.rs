//! Certificates: what makes somebody believe a verdict who trusts none of us.
//!
//! The algorithms that judge give a [`Proof`] for each object. A [`Certificate`] is the file that holds them (`docs/certificates.md`), tied to its
//! history by a [`Fingerprint`]. [`verify()`] checks proofs with code of its own.

mod document;
mod fingerprint;
mod verify;

use serde::{Deserialize, Serialize};

pub use self::document::{
    Certificate, EdgeDocument, Error, FORMAT, HistoryMark, ObjectDocument, ProofDocument,
    consistency_of,
};
pub use self::fingerprint::Fingerprint;
pub(crate) use self::verify::Cores;
pub use self::verify::{Accepted, Claim, Refusal, verify, verify_all};
use crate::history::ValueId;

/// What shows a verdict on one object. Operations are told by their place among all operations of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Valid: everything that took effect, in an order in which every result is right and which respects real time.
    Order(Vec<u32>),
    /// Invalid: these operations are impossible already, and leaving out the others changes nothing about that.
    Core(Vec<u32>),
    /// Invalid: each of these transactions must come before the next, and the last before the first.
    Cycle(Vec<Edge>),
    /// Invalid: what these transactions say is impossible in itself, for the reason that the name tells (`G1a`, `internal`, …).
    Anomaly {
        /// The anomaly, as Elle names it.
        name: String,
        /// The transactions that show it.
        transactions: Vec<u32>,
    },
}

/// Why one transaction must come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The earlier transaction, by place.
    pub from: u32,
    /// The later one.
    pub to: u32,
    /// The reason.
    pub kind: Dependency,
    /// The key concerned; [`ValueId::NIL`] for order in time or within a process.
    pub key: ValueId,
    /// The value that was written by `from` (ww: the one that `to` overwrote; wr: the one that `to` read); for rw the first value written by `to` that
    /// `from` did not see. [`ValueId::NIL`] where there is no key.
    pub value: ValueId,
}

/// The kinds of dependency between transactions (Adya 1999; real time and process order as in Elle).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Dependency {
    /// `to` overwrote what `from` wrote.
    #[serde(rename = "ww")]
    WriteWrite,
    /// `to` read what `from` wrote.
    #[serde(rename = "wr")]
    WriteRead,
    /// `to` overwrote what `from` read.
    #[serde(rename = "rw")]
    ReadWrite,
    /// One process did first `from`, then `to`.
    #[serde(rename = "process")]
    Process,
    /// `from` was over before `to` began.
    #[serde(rename = "realtime")]
    RealTime,
}

/// The proof for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectProof {
    /// Its key; [`ValueId::NIL`] in a history without keys.
    pub key: ValueId,
    /// What shows the verdict.
    pub proof: Proof,
}

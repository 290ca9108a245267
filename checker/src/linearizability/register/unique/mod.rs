//! Registers whose observed values have one possible writer each (Gibbons and Korach 1997; CHECKER.md, section 3): near-linear and exact.
//!
//! It is then known which write each read read from. A value's *cluster* is its write and its reads; in any order it stands in one piece.
//! Let `f` be the first completion and `s` the last invocation in a cluster. A cluster must precede another one if and only if its `f` is
//! before the other's `s`. A *forward* cluster has `f < s`: between the two its value certainly is the value. The history is
//! linearizable if and only if no read completes before its write begins, forward clusters are disjoint in time,
//! and no backward cluster lies within a forward one. A successful cas ties two clusters into one *block*.

mod blocks;
mod refuted;
mod zones;

pub(super) use blocks::blocks;
pub(super) use zones::{zones, zones_of_all};

/// What a specialised algorithm says. It never guesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Linearizable: the demands in an order that shows it, by place.
    Valid(Vec<u32>),
    /// Not linearizable: these few demands, by place, suffice to show it.
    Invalid(Vec<u32>),
    /// This is not the algorithm to ask.
    NotApplicable,
}

//! Certificates: what makes somebody believe a verdict who trusts none of us.

use crate::history::ValueId;

/// What shows a verdict on one object. Operations are told by their place among all operations of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Valid: everything that took effect, in an order in which every result is right and which respects real time.
    Order(Vec<u32>),
    /// Invalid: these operations are impossible already, and leaving out the others changes nothing about that.
    Core(Vec<u32>),
}

/// The proof for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectProof {
    /// Its key; [`ValueId::NIL`] in a history without keys.
    pub key: ValueId,
    /// What shows the verdict.
    pub proof: Proof,
}

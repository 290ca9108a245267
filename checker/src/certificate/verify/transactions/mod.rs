//! Proofs about transactions: a serial order that is replayed (`order.rs`), a cycle of which every edge is derived again (`cycle.rs`), or a
//! named anomaly that is looked at again (`anomaly.rs`); and which levels of isolation each of them refutes (`level.rs`).

mod anomaly;
mod cycle;
mod facts;
mod level;
mod order;

use self::facts::Facts;
use super::{Refusal, Verifier, refuse};
use crate::certificate::Proof;

impl Verifier<'_> {
    /// Checks a proof about all transactions of a history.
    pub(super) fn transactions(&mut self, places: &[u32], proof: &Proof) -> Result<(), Refusal> {
        if let Proof::Order(order) = proof {
            return self.serial_order(places, order);
        }
        let facts = Facts::read(self)?;
        match proof {
            Proof::Cycle(edges) => self.cycle(&facts, edges),
            Proof::Anomaly { name, transactions } => self.anomaly(&facts, name, transactions),
            Proof::Order(_) | Proof::Core(_) => {
                refuse("transactions are not proved in this way".into())
            }
        }
    }
}

//! What was found in a history of transactions.

use super::anomaly::Anomaly;
use super::consistency::RuledOut;
use crate::certificate::{Edge, ObjectProof};
use crate::history::ValueId;
use crate::verdict::CheckReport;

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The verdict on the model that was asked for.
    pub report: CheckReport,
    /// What shows it.
    pub proofs: Vec<ObjectProof>,
    /// Every kind of anomaly, with one example. Those that do not break what was asked for are facts, and convict nobody.
    pub anomalies: Vec<Found>,
    /// The models that the anomalies rule out.
    pub ruled_out: RuledOut,
}

/// An example of an anomaly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub anomaly: Anomaly,
    /// How many examples were met; cycles are shown once, by a shortest one.
    pub count: usize,
    /// The key concerned; nil for a cycle.
    pub key: ValueId,
    /// The value concerned; nil for a cycle.
    pub value: ValueId,
    /// The transactions that show it, by place. Who read comes before who wrote.
    pub transactions: Vec<u32>,
    /// The cycle, if it is one.
    pub cycle: Vec<Edge>,
}

/// Collects anomalies, one example of each.
#[derive(Debug, Default)]
pub(super) struct Anomalies {
    pub(super) found: Vec<Found>,
}

impl Anomalies {
    /// Takes note of an example.
    pub(super) fn note(
        &mut self,
        anomaly: Anomaly,
        key: ValueId,
        value: ValueId,
        transactions: &[u32],
    ) {
        match self.found.iter_mut().find(|found| found.anomaly == anomaly) {
            Some(found) => found.count += 1,
            None => self.found.push(Found {
                anomaly,
                count: 1,
                key,
                value,
                transactions: transactions.to_vec(),
                cycle: vec![],
            }),
        }
    }

    /// Takes note of a cycle.
    pub(super) fn note_cycle(&mut self, anomaly: Anomaly, cycle: Vec<Edge>) {
        let transactions = cycle.iter().map(|edge| edge.from).collect();
        let (key, value) = (ValueId::NIL, ValueId::NIL);
        self.found.push(Found { anomaly, count: 1, key, value, transactions, cycle });
    }
}

/// The dependencies between transactions, as far as they are known.
pub(super) struct Dependencies {
    pub(super) arcs: Vec<super::graph::Arc>,
    /// Which transactions took effect: those that ended *ok*, and those of unknown outcome whose writes were seen.
    pub(super) live: Vec<bool>,
    /// Whether every order that respects all dependencies explains the history.
    pub(super) exact: bool,
    /// Whether there were more arcs than memory for them, so that some are missing.
    pub(super) is_cut: bool,
    pub(super) anomalies: Anomalies,
}

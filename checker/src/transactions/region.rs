//! The part of the graph in which there are cycles.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::anomaly::Order;
use super::graph::{Arc, Graph};
use super::micro::Transactions;
use super::versions::NONE;
use crate::certificate::Dependency;
use crate::history::ValueId;

/// Every component of more than one transaction, with the order of each process.
pub(super) struct Region {
    /// The transaction of each node.
    pub(super) places: Vec<u32>,
    pub(super) graph: Graph,
    pub(super) invoked: Vec<u32>,
    /// `NEVER` where it is not known to be over.
    pub(super) completed: Vec<u32>,
}

impl Region {
    /// From the component of every transaction in the graph of everything that counts.
    pub(super) fn of(
        transactions: &Transactions<'_>,
        graph: &Graph,
        live: &[bool],
        component: &[u32],
    ) -> Self {
        let mut sizes = vec![0_u32; component.iter().max().map_or(0, |last| *last as usize + 1)];
        let all = || (0..graph.len()).filter(|place| live[*place]);
        all().for_each(|place| sizes[component[place] as usize] += 1);
        let places: Vec<_> = all()
            .filter(|place| sizes[component[*place] as usize] > 1)
            .map(|place| place as u32)
            .collect();
        let mut node = vec![NONE; graph.len()];
        for (number, place) in places.iter().enumerate() {
            node[*place as usize] = number as u32;
        }
        let within = |arc: &&Arc| component[arc.from as usize] == component[arc.to as usize];
        let mut arcs: Vec<_> = places
            .iter()
            .flat_map(|place| graph.from(*place).iter().filter(within))
            .map(|arc| Arc { from: node[arc.from as usize], to: node[arc.to as usize], ..*arc })
            .collect();
        arcs.extend(process_order(transactions, &places));
        let operation = |place: &u32| transactions.operation(*place);
        Self {
            graph: Graph::of(places.len(), &arcs),
            invoked: places.iter().map(|place| operation(place).invoked).collect(),
            completed: places.iter().map(|place| operation(place).completed).collect(),
            places,
        }
    }
}

/// From each transaction to the next of its process.
fn process_order(transactions: &Transactions<'_>, places: &[u32]) -> Vec<Arc> {
    let mut last = HashMap::<u32, u32, FxBuildHasher>::default();
    let mut arcs = Vec::new();
    for (node, place) in places.iter().enumerate() {
        let to = node as u32;
        if let Some(from) = last.insert(transactions.operation(*place).process, to) {
            let kind = Dependency::Process;
            arcs.push(Arc {
                from,
                to,
                key: ValueId::NIL,
                value: ValueId::NIL,
                kind,
                rests_on: Order::Plain,
            });
        }
    }
    arcs
}

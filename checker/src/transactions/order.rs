//! One order of all transactions that respects every dependency (Kahn 1962).

use super::graph::Graph;
use super::micro::{Action, Transactions};
use super::versions::NONE;
use crate::history::{NEVER, Outcome, ValueId};

/// An order that also respects real time, if there is one.
///
/// Real time needs no arcs: events are passed in order, and a transaction is free once it was invoked and nothing that must come before it is
/// left. One that completes without having become free cannot be placed.
pub(super) fn in_real_time(
    transactions: &Transactions<'_>,
    graph: &Graph,
    live: &[bool],
) -> Option<Vec<u32>> {
    let events = events(transactions, live);
    let mut kahn = Kahn::new(graph, live);
    for event in events {
        let place = event / 2;
        if event == NONE {
            continue;
        } else if event % 2 == 0 {
            kahn.invoke(place);
        } else if !kahn.is_placed(place) {
            return None;
        }
    }
    kahn.finish()
}

/// An order, if there is one.
pub(super) fn in_any_time(graph: &Graph, live: &[bool]) -> Option<Vec<u32>> {
    let mut kahn = Kahn::new(graph, live);
    let all = (0..graph.len() as u32).filter(|place| live[*place as usize]);
    all.for_each(|place| kahn.invoke(place));
    kahn.finish()
}

/// Whether every result is right when transactions over registers are run in this order, one after another.
pub(super) fn explains_registers(transactions: &Transactions<'_>, order: &[u32]) -> bool {
    let mut state = vec![ValueId::NIL; transactions.keys.len()];
    order.iter().all(|place| {
        let reads_count = transactions.outcome(*place) == Outcome::Ok;
        transactions.micros(*place).iter().all(|micro| {
            let value = &mut state[micro.key as usize];
            match micro.action {
                Action::Write => *value = micro.value,
                Action::Read => return !reads_count || *value == micro.value,
            }
            true
        })
    })
}

/// What happens at each event: twice the transaction that is invoked, one more for a completion.
fn events(transactions: &Transactions<'_>, live: &[bool]) -> Vec<u32> {
    let mut events = vec![NONE; transactions.history.events()];
    for (place, operation) in transactions.history.operations().iter().enumerate() {
        if !live[place] {
            continue;
        }
        events[operation.invoked as usize] = 2 * place as u32;
        if operation.completed != NEVER {
            events[operation.completed as usize] = 2 * place as u32 + 1;
        }
    }
    events
}

struct Kahn<'a> {
    graph: &'a Graph,
    /// How many transactions that must come first are not yet placed; one more as long as it was not invoked.
    waits_for: Vec<u32>,
    free: Vec<u32>,
    order: Vec<u32>,
    live: usize,
}

impl<'a> Kahn<'a> {
    fn new(graph: &'a Graph, live: &[bool]) -> Self {
        let mut waits_for = vec![1; graph.len()];
        graph.arcs().iter().for_each(|arc| waits_for[arc.to as usize] += 1);
        let live = live.iter().filter(|live| **live).count();
        Self { graph, waits_for, free: vec![], order: Vec::with_capacity(live), live }
    }

    fn invoke(&mut self, place: u32) {
        self.release(place);
        while let Some(place) = self.free.pop() {
            self.order.push(place);
            let graph = self.graph;
            graph.from(place).iter().for_each(|arc| self.release(arc.to));
        }
    }

    fn release(&mut self, place: u32) {
        let waits_for = &mut self.waits_for[place as usize];
        *waits_for -= 1;
        if *waits_for == 0 {
            self.free.push(place);
        }
    }

    fn is_placed(&self, place: u32) -> bool {
        self.waits_for[place as usize] == 0
    }

    fn finish(self) -> Option<Vec<u32>> {
        (self.order.len() == self.live).then_some(self.order)
    }
}

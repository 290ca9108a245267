//! The graph of dependencies, as arrays, and its strongly connected components (Tarjan 1972, with a stack of its own).

use super::anomaly::Order;
use super::micro::Transactions;
use super::versions::NONE;
use crate::certificate::Dependency;
use crate::history::{NEVER, ValueId};

/// One transaction must come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arc {
    pub(super) from: u32,
    pub(super) to: u32,
    /// The key; nil where there is none.
    pub(super) key: ValueId,
    /// As in [`crate::certificate::Edge`].
    pub(super) value: ValueId,
    pub(super) kind: Dependency,
    /// What had to be assumed to know the order of the versions.
    pub(super) rests_on: Order,
}

/// Arcs by where they begin.
#[derive(Debug, Default)]
pub(super) struct Graph {
    offsets: Vec<u32>,
    arcs: Vec<Arc>,
}

impl Graph {
    /// Sorts the arcs between so many nodes.
    pub(super) fn of(nodes: usize, arcs: &[Arc]) -> Self {
        let mut offsets = vec![0_u32; nodes + 1];
        for arc in arcs {
            offsets[arc.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            offsets[node + 1] += offsets[node];
        }
        let Some(first) = arcs.first() else { return Self { offsets, arcs: vec![] } };
        let mut sorted = vec![*first; arcs.len()];
        let mut next = offsets.clone();
        for arc in arcs {
            let slot = &mut next[arc.from as usize];
            sorted[*slot as usize] = *arc;
            *slot += 1;
        }
        Self { offsets, arcs: sorted }
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(super) fn arcs(&self) -> &[Arc] {
        &self.arcs
    }

    /// The numbers of the arcs that begin at a node.
    pub(super) fn range(&self, node: u32) -> std::ops::Range<usize> {
        self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize
    }

    pub(super) fn from(&self, node: u32) -> &[Arc] {
        &self.arcs[self.range(node)]
    }
}

/// What stands at a place of a node's list of successors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Node(u32),
    /// Nothing, but there may be more.
    Skip,
    /// The list is over.
    End,
}

/// The strongly connected component of each node. A component has a smaller number than all from which it can be reached.
pub(super) fn components(count: usize, next: impl Fn(u32, usize) -> Next) -> Vec<u32> {
    let mut tarjan = Tarjan {
        component: vec![NONE; count],
        low: vec![NONE; count],
        stack: vec![],
        walk: vec![],
        seen: 0,
        components: 0,
    };
    for root in 0..count as u32 {
        if tarjan.low[root as usize] == NONE {
            tarjan.enter(root);
            tarjan.run(&next);
        }
    }
    tarjan.component
}

struct Tarjan {
    component: Vec<u32>,
    /// The earliest node on the stack that is known to be reachable, as a number of arrival.
    low: Vec<u32>,
    stack: Vec<u32>,
    /// Where the walk stands: node, its number of arrival, and the next of its successors.
    walk: Vec<(u32, u32, usize)>,
    seen: u32,
    components: u32,
}

impl Tarjan {
    fn enter(&mut self, node: u32) {
        self.low[node as usize] = self.seen;
        self.walk.push((node, self.seen, 0));
        self.stack.push(node);
        self.seen += 1;
    }

    fn run(&mut self, next: &impl Fn(u32, usize) -> Next) {
        while let Some((node, _, place)) = self.walk.last_mut() {
            let (from, at) = (*node, *place);
            *place += 1;
            match next(from, at) {
                Next::Node(to) if self.low[to as usize] == NONE => self.enter(to),
                Next::Node(to) if self.component[to as usize] == NONE => self.lower(from, to),
                Next::Node(_) | Next::Skip => {}
                Next::End => self.leave(),
            }
        }
    }

    fn lower(&mut self, node: u32, reached: u32) {
        self.low[node as usize] = self.low[node as usize].min(self.low[reached as usize]);
    }

    fn leave(&mut self) {
        let Some((node, arrival, _)) = self.walk.pop() else { return };
        if self.low[node as usize] == arrival {
            while let Some(member) = self.stack.pop() {
                self.component[member as usize] = self.components;
                if member == node {
                    break;
                }
            }
            self.components += 1;
        }
        if let Some((parent, ..)) = self.walk.last() {
            self.lower(*parent, node);
        }
    }
}

/// The component of every transaction in the graph together with an order.
pub(super) fn components_in(
    order: Order,
    transactions: &Transactions<'_>,
    graph: &Graph,
    live: &[bool],
) -> Vec<u32> {
    let next_arc = |node: u32, at: usize| match graph.from(node).get(at) {
        Some(arc) if arc.rests_on <= order => Next::Node(arc.to),
        Some(_) => Next::Skip,
        None => Next::End,
    };
    match order {
        Order::Plain => components(graph.len(), next_arc),
        Order::Process => {
            let follower = followers(transactions, live);
            components(graph.len(), |node, at| match (at, follower[node as usize]) {
                (0, NONE) => Next::Skip,
                (0, next) => Next::Node(next),
                _ => next_arc(node, at - 1),
            })
        }
        Order::RealTime => components_in_time(transactions, graph, live),
    }
}

/// The next transaction of the same process that took effect.
fn followers(transactions: &Transactions<'_>, live: &[bool]) -> Vec<u32> {
    let mut followers = vec![NONE; live.len()];
    let mut last = std::collections::HashMap::<u32, usize, rustc_hash::FxBuildHasher>::default();
    for place in (0..live.len()).filter(|place| live[*place]) {
        let process = transactions.operation(place as u32).process;
        if let Some(before) = last.insert(process, place) {
            followers[before] = place as u32;
        }
    }
    followers
}

/// The component of every transaction in the graph together with real time.
///
/// Real time costs no arc for each pair: one node for each completion, in a chain. A transaction leads to its completion, and the last completion
/// before an invocation leads to the transaction.
fn components_in_time(transactions: &Transactions<'_>, graph: &Graph, live: &[bool]) -> Vec<u32> {
    let operations = transactions.history.operations();
    let mut completions: Vec<_> = (0..graph.len() as u32)
        .filter(|place| live[*place as usize] && operations[*place as usize].completed != NEVER)
        .collect();
    completions.sort_unstable_by_key(|place| operations[*place as usize].completed);
    let first = graph.len() as u32;
    let chain = completions.len() as u32;
    let mut own_link = vec![NONE; graph.len()];
    let mut after: Vec<Vec<u32>> = vec![vec![]; completions.len()];
    let mut over = 0;
    for (link, place) in completions.iter().enumerate() {
        own_link[*place as usize] = first + link as u32;
    }
    for (place, operation) in operations.iter().enumerate() {
        let is_over = |place: &u32| operations[*place as usize].completed < operation.invoked;
        while completions.get(over).is_some_and(is_over) {
            over += 1;
        }
        if over > 0 && live[place] {
            after[over - 1].push(place as u32);
        }
    }
    let mut component =
        components(graph.len() + completions.len(), |node, at| match node.checked_sub(first) {
            None => match (at, own_link[node as usize]) {
                (0, NONE) => Next::Skip,
                (0, link) => Next::Node(link),
                _ => graph.from(node).get(at - 1).map_or(Next::End, |arc| Next::Node(arc.to)),
            },
            Some(link) if at == 0 => match link + 1 < chain {
                true => Next::Node(node + 1),
                false => Next::Skip,
            },
            Some(link) => after[link as usize].get(at - 1).map_or(Next::End, |to| Next::Node(*to)),
        });
    component.truncate(graph.len());
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_those_of_a_naive_search_and_come_in_order() {
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..500 {
            let count = 1 + random(9) as usize;
            let arcs: Vec<_> = (0..random(20))
                .map(|_| (random(count as u64) as usize, random(count as u64) as u32))
                .collect();
            let from =
                |node: u32| arcs.iter().filter(move |arc| arc.0 == node as usize).map(|arc| arc.1);
            let found =
                components(count, |node, at| from(node).nth(at).map_or(Next::End, Next::Node));
            let mut reach = vec![vec![false; count]; count];
            (0..count).for_each(|node| reach[node][node] = true);
            for _ in 0..count {
                for (a, b) in &arcs {
                    for row in &mut reach {
                        row[*b as usize] |= row[*a];
                    }
                }
            }
            for a in 0..count {
                for b in 0..count {
                    assert_eq!(found[a] == found[b], reach[a][b] && reach[b][a]);
                    assert!(!reach[a][b] || found[b] <= found[a]);
                }
            }
        }
    }
}

//! The shortest cycle of each kind.
//!
//! Every cycle lies within one strongly connected component of the graph with real time. A cycle through real time needs only one such step: of two
//! steps `a before b` and `c before d` one of `a before d`, `c before b` holds (real time is an interval order), and the chord leaves a shorter cycle with fewer
//! dependencies, an anomaly that rules out at least as much. So it is a path of dependencies from `b` to some `a` that was over before `b` began.
//!
//! The search goes breadth first from every place where a cycle of the kind can begin, with a bound on the length that grows as long as nothing
//! was found: a cycle found at a bound is a shortest one. A closed walk that passes a transaction twice falls apart into smaller cycles, which rule out at least as
//! much, and is left to these.

use super::anomaly::{Order, Shape};
use super::graph::{Arc, Next, components};
use super::pattern::{Pattern, State, States};
use super::region::Region;
use super::versions::NONE;
use crate::certificate::{Dependency, Edge};
use crate::history::{NEVER, ValueId};

/// The steps that all searches together may still take.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) left: u64,
}

/// The steps were used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsedUp;

impl Region {
    /// The shortest cycle of a shape and order. An error means that the steps were used up.
    pub(super) fn shortest(
        &self,
        shape: Shape,
        order: Order,
        steps: &mut Steps,
    ) -> Result<Option<Vec<Edge>>, UsedUp> {
        let closed = Pattern { shape, order, timed: false };
        let is_possible =
            order != Order::RealTime || self.graph.arcs().iter().any(|arc| arc.rests_on == order);
        let mut found = match is_possible {
            true => Search::new(self, closed, steps).run()?,
            false => None,
        };
        if order == Order::RealTime {
            let timed = Search::new(self, Pattern { timed: true, ..closed }, steps).run()?;
            let shorter =
                timed.filter(|timed| found.as_ref().is_none_or(|found| timed.len() < found.len()));
            found = shorter.or(found);
        }
        Ok(found)
    }
}

/// Looks for the shortest cycle of one pattern.
struct Search<'a> {
    region: &'a Region,
    pattern: Pattern,
    states: States,
    steps: &'a mut Steps,
    /// For each node and state, the earliest completion of a transaction at which a timed path may end; [`NEVER`] for none.
    earliest_end: Vec<u32>,
    /// For each node, an order that paths without anti-dependencies never climb; empty where they are allowed.
    rank: Vec<u32>,
    /// The last start from which a node was reached in a state.
    reached: Vec<u32>,
    /// What was reached: the node, the state, the step before and the arc.
    queue: Vec<Visit>,
}

#[derive(Clone, Copy)]
struct Visit {
    node: u32,
    state: State,
    before: u32,
    arc: u32,
    length: u32,
}

/// What came of one start.
enum Outcome {
    Found(Vec<usize>),
    /// There may be longer ones.
    Cut,
    Nothing,
}

impl<'a> Search<'a> {
    fn new(region: &'a Region, pattern: Pattern, steps: &'a mut Steps) -> Self {
        Self {
            region,
            pattern,
            states: pattern.states(),
            steps,
            earliest_end: vec![],
            rank: vec![],
            reached: vec![],
            queue: vec![],
        }
    }

    fn run(mut self) -> Result<Option<Vec<Edge>>, UsedUp> {
        let mut starts = self.starts();
        if starts.is_empty() {
            return Ok(None);
        }
        self.reached = vec![NONE; self.region.places.len() * self.states.len()];
        let mut best: Option<Vec<usize>> = None;
        let mut bound = self.pattern.shortest();
        let mut round = 0;
        while best.is_none() && !starts.is_empty() {
            let (mut limit, mut cut) = (bound, vec![]);
            for start in starts {
                match self.from(start, limit, round)? {
                    Outcome::Found(path) => {
                        limit = path.len() - 1;
                        best = Some(path);
                        if limit < self.pattern.shortest() {
                            break;
                        }
                    }
                    Outcome::Cut => cut.push(start),
                    Outcome::Nothing => {}
                }
                round += 1;
            }
            starts = cut;
            bound += bound.div_ceil(2);
        }
        Ok(best.map(|path| self.edges(&path)))
    }

    /// Arcs that a closed cycle begins with, or nodes that a timed path begins at.
    fn starts(&mut self) -> Vec<u32> {
        let (region, pattern) = (self.region, self.pattern);
        if pattern.timed {
            self.earliest_end = self.earliest_ends();
            let invoked = |node: u32| region.invoked[node as usize];
            let nodes = 0..region.places.len() as u32;
            return nodes
                .filter(|node| {
                    self.earliest_end[self.states.cell(*node, pattern.start())] < invoked(*node)
                })
                .collect();
        }
        let arcs = region.graph.arcs();
        let component = self.circles();
        let lies_on_one = |arc: &Arc| {
            let (from, to) = ends(pattern.shape, arc);
            component[from as usize] == component[to as usize]
        };
        if pattern.shape == Shape::GSingle {
            self.rank = self.ranks();
        }
        let begins = |arc: &Arc| pattern.begins_with(arc) && lies_on_one(arc);
        (0..arcs.len() as u32).filter(|arc| begins(&arcs[*arc as usize])).collect()
    }

    /// The components within which closed cycles of the pattern lie. Where no two anti-dependencies may follow each other every transaction is two
    /// nodes, the odd one for arriving by an anti-dependency (CHECKER.md 5.4; Cerone and Gotsman 2018): all cycles are of such paths.
    fn circles(&self) -> Vec<u32> {
        let (graph, pattern) = (&self.region.graph, self.pattern);
        components(2 * graph.len(), |node, at| match graph.from(node / 2).get(at) {
            Some(arc) if pattern.has(arc) => {
                let (even, to) = ends(pattern.shape, arc);
                let is_anti = to % 2 == 1;
                if is_anti && node != even { Next::Skip } else { Next::Node(to) }
            }
            Some(_) => Next::Skip,
            None => Next::End,
        })
    }

    /// Without anti-dependencies nothing leads from a lower to a higher rank.
    fn ranks(&self) -> Vec<u32> {
        let (graph, pattern) = (&self.region.graph, self.pattern);
        components(graph.len(), |node, at| match graph.from(node).get(at) {
            Some(arc) if pattern.has(arc) && arc.kind != Dependency::ReadWrite => {
                Next::Node(arc.to)
            }
            Some(_) => Next::Skip,
            None => Next::End,
        })
    }

    /// By a pass over the components of nodes and states, ends first.
    fn earliest_ends(&self) -> Vec<u32> {
        let cells = self.region.places.len() * self.states.len();
        let component = components(cells, |cell, at| self.next_cell(cell, at));
        let mut earliest = vec![NEVER; cells];
        let in_order = by_component(&component);
        for members in in_order.chunk_by(|a, b| component[*a as usize] == component[*b as usize]) {
            let ends = members.iter().map(|cell| self.earliest_end_of(*cell, &earliest));
            let least = ends.min().unwrap_or(NEVER);
            members.iter().for_each(|member| earliest[*member as usize] = least);
        }
        earliest
    }

    fn next_cell(&self, cell: u32, at: usize) -> Next {
        let (node, state) = self.states.of(cell as usize);
        match self.region.graph.from(node).get(at) {
            Some(arc) => match self.pattern.step(state, arc) {
                Some(state) => Next::Node(self.states.cell(arc.to, state) as u32),
                None => Next::Skip,
            },
            None => Next::End,
        }
    }

    /// From what is known of the cells that follow one.
    fn earliest_end_of(&self, cell: u32, earliest: &[u32]) -> u32 {
        let (node, state) = self.states.of(cell as usize);
        let own =
            if self.pattern.accepts(state) { self.region.completed[node as usize] } else { NEVER };
        let all = (0..).map(|at| self.next_cell(cell, at)).take_while(|next| *next != Next::End);
        all.fold(own, |least, next| match next {
            Next::Node(to) => least.min(earliest[to as usize]),
            Next::Skip | Next::End => least,
        })
    }

    /// The shortest path from one start within a bound.
    fn from(&mut self, start: u32, bound: usize, round: u32) -> Result<Outcome, UsedUp> {
        let first = self.enter(start);
        let (root, goal) = match first {
            Some(arc) => (arc.to, arc.from),
            None => (start, start),
        };
        let mut at = 0;
        while at < self.queue.len() {
            let visit = self.queue[at];
            if visit.length as usize >= bound {
                return Ok(Outcome::Cut);
            }
            for number in self.region.graph.range(visit.node) {
                self.steps.left = self.steps.left.checked_sub(1).ok_or(UsedUp)?;
                let arc = &self.region.graph.arcs()[number];
                let Some(state) = self.pattern.step(visit.state, arc) else { continue };
                if self.is_end(arc.to, state, goal) {
                    let path = self.path(at, number);
                    if self.is_simple(&path) {
                        return Ok(Outcome::Found(path));
                    }
                }
                if self.leads_on(arc.to, state, root, goal, round) {
                    self.reached[self.states.cell(arc.to, state)] = round;
                    self.queue.push(Visit {
                        node: arc.to,
                        state,
                        before: at as u32,
                        arc: number as u32,
                        length: visit.length + 1,
                    });
                }
            }
            at += 1;
        }
        Ok(Outcome::Nothing)
    }

    /// Empties the queue but for the start; the first arc of a closed cycle.
    fn enter(&mut self, start: u32) -> Option<Arc> {
        self.queue.clear();
        let visit = |node, state, arc, length| Visit { node, state, before: NONE, arc, length };
        let begin = self.pattern.start();
        if self.pattern.timed {
            self.queue.push(visit(start, begin, NONE, 0));
            return None;
        }
        let arc = self.region.graph.arcs()[start as usize];
        let state = self.pattern.step(begin, &arc)?;
        self.queue.push(visit(arc.to, state, start, 1));
        Some(arc)
    }

    fn is_end(&self, node: u32, state: State, goal: u32) -> bool {
        let there = match self.pattern.timed {
            true => self.region.completed[node as usize] < self.region.invoked[goal as usize],
            false => node == goal,
        };
        there && self.pattern.accepts(state)
    }

    fn leads_on(&self, node: u32, state: State, root: u32, goal: u32, round: u32) -> bool {
        let cell = self.states.cell(node, state);
        let hopeless =
            self.pattern.timed && self.earliest_end[cell] >= self.region.invoked[goal as usize];
        let climbs =
            self.rank.get(node as usize).is_some_and(|rank| *rank < self.rank[goal as usize]);
        self.reached[cell] != round && node != root && node != goal && !hopeless && !climbs
    }

    fn path(&self, last: usize, arc: usize) -> Vec<usize> {
        let mut path = vec![arc];
        let mut at = last as u32;
        while at != NONE {
            let visit = self.queue[at as usize];
            if visit.arc != NONE {
                path.push(visit.arc as usize);
            }
            at = visit.before;
        }
        path.reverse();
        path
    }

    fn is_simple(&self, path: &[usize]) -> bool {
        let arc = |number: &usize| &self.region.graph.arcs()[*number];
        let mut nodes: Vec<_> = path.iter().map(|number| arc(number).to).collect();
        if self.pattern.timed {
            nodes.push(arc(&path[0]).from);
        }
        nodes.sort_unstable();
        nodes.windows(2).all(|pair| pair[0] != pair[1])
    }

    fn edges(&self, path: &[usize]) -> Vec<Edge> {
        let place = |node: u32| self.region.places[node as usize];
        let edge = |number: &usize| {
            let Arc { from, to, key, value, kind, .. } = self.region.graph.arcs()[*number];
            Edge { from: place(from), to: place(to), kind, key, value }
        };
        let mut edges: Vec<_> = path.iter().map(edge).collect();
        join_process_steps(&mut edges);
        if let (true, [first, .., last] | [first @ last]) = (self.pattern.timed, &edges[..]) {
            let (from, to, kind) = (last.to, first.from, Dependency::RealTime);
            edges.push(Edge { from, to, kind, key: ValueId::NIL, value: ValueId::NIL });
        }
        edges
    }
}

/// Steps of one process in a row are one step.
fn join_process_steps(edges: &mut Vec<Edge>) {
    let is_step = |edge: &Edge| edge.kind == Dependency::Process;
    edges.dedup_by(|next, last| {
        let joined = is_step(next) && is_step(last);
        if joined {
            last.to = next.to;
        }
        joined
    });
    if let [first, .., last] = &mut edges[..]
        && is_step(first)
        && is_step(last)
    {
        first.from = last.from;
        edges.pop();
    }
}

/// The nodes of [`Search::circles`] that an arc leads from and to.
fn ends(shape: Shape, arc: &Arc) -> (u32, u32) {
    let apart = matches!(shape, Shape::GSingle | Shape::GNonadjacent);
    let odd = apart && arc.kind == Dependency::ReadWrite;
    (2 * arc.from, 2 * arc.to + u32::from(odd))
}

/// All cells, by component.
fn by_component(component: &[u32]) -> Vec<u32> {
    let count = component.iter().max().map_or(0, |last| *last as usize + 1);
    let mut next = vec![0_u32; count + 1];
    component.iter().for_each(|component| next[*component as usize + 1] += 1);
    (0..count).for_each(|component| next[component + 1] += next[component]);
    let mut sorted = vec![0; component.len()];
    for (cell, component) in component.iter().enumerate() {
        let slot = &mut next[*component as usize];
        sorted[*slot as usize] = cell as u32;
        *slot += 1;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::consistency::RuledOut;
    use super::super::graph::Graph;
    use super::*;
    use crate::transactions::Anomaly;

    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    fn region(random: &mut Random) -> Region {
        let count = 2 + random.below(5);
        let kinds = [Dependency::WriteWrite, Dependency::WriteRead, Dependency::ReadWrite];
        let mut arcs = Vec::new();
        for _ in 0..random.below(3 * count) {
            let (from, to) = (random.below(count) as u32, random.below(count) as u32);
            let rests_on = [Order::Plain, Order::Plain, Order::Process, Order::RealTime]
                [random.below(4) as usize];
            let kind = kinds[random.below(3) as usize];
            if from != to {
                arcs.push(Arc { from, to, key: ValueId::NIL, value: ValueId::NIL, kind, rests_on });
            }
        }
        let invoked: Vec<_> = (0..count).map(|_| random.below(20) as u32).collect();
        let completed = invoked.iter().map(|at| match random.below(6) {
            0 => NEVER,
            length => at + length as u32,
        });
        Region {
            places: (0..count as u32).collect(),
            graph: Graph::of(count as usize, &arcs),
            completed: completed.collect(),
            invoked,
        }
    }

    /// One step of a naive search: where to, which kind, and what it rests on.
    type Step = (u32, Dependency, Order);

    /// Every simple cycle, as its steps.
    fn all_cycles(region: &Region) -> Vec<Vec<Step>> {
        let count = region.places.len() as u32;
        let steps = |from: u32| -> Vec<Step> {
            let arcs = region.graph.from(from).iter().map(|arc| (arc.to, arc.kind, arc.rests_on));
            let later = (0..count)
                .filter(|to| region.completed[from as usize] < region.invoked[*to as usize]);
            arcs.chain(later.map(|to| (to, Dependency::RealTime, Order::RealTime))).collect()
        };
        let mut cycles = Vec::new();
        let mut walks: Vec<(u32, Vec<Step>)> = (0..count).map(|start| (start, vec![])).collect();
        while let Some((start, walk)) = walks.pop() {
            for step in steps(walk.last().map_or(start, |last: &Step| last.0)) {
                let longer: Vec<Step> = walk.iter().copied().chain([step]).collect();
                if step.0 == start {
                    cycles.push(longer);
                } else if step.0 > start && !walk.iter().any(|known| known.0 == step.0) {
                    walks.push((start, longer));
                }
            }
        }
        cycles
    }

    fn class(cycle: &[Step]) -> (Shape, Order) {
        let kinds: Vec<_> = cycle.iter().map(|step| step.1).collect();
        let anti = |at: usize| kinds[at % kinds.len()] == Dependency::ReadWrite;
        let count = (0..kinds.len()).filter(|at| anti(*at)).count();
        let in_a_row = (0..kinds.len()).any(|at| anti(at) && anti(at + 1));
        let shape = match count {
            0 if kinds.contains(&Dependency::WriteRead) => Shape::G1c,
            0 => Shape::G0,
            1 => Shape::GSingle,
            _ if in_a_row => Shape::G2,
            _ => Shape::GNonadjacent,
        };
        (shape, cycle.iter().map(|step| step.2).max().unwrap())
    }

    /// A cycle in real time may rest on the order of processes too, so that every cycle of a lower order counts.
    fn shortest_by_trying_all(region: &Region) -> HashMap<(Shape, Order), usize> {
        let mut shortest = HashMap::new();
        for cycle in all_cycles(region) {
            let in_time = cycle.iter().filter(|step| step.1 == Dependency::RealTime).count();
            if in_time <= 1 {
                let length = shortest.entry(class(&cycle)).or_insert(usize::MAX);
                *length = cycle.len().min(*length);
            }
        }
        shortest
    }

    #[test]
    fn cycles_are_as_short_as_any_and_what_is_not_found_is_ruled_out_by_others() {
        let mut random = Random(11);
        let mut seen = HashMap::new();
        for _ in 0..4_000 {
            let region = region(&mut random);
            let expected = shortest_by_trying_all(&region);
            let mut steps = Steps { left: u64::MAX };
            let mut found = Vec::new();
            for order in [Order::Plain, Order::Process, Order::RealTime] {
                for shape in Shape::ALL {
                    let Some(cycle) = region.shortest(shape, order, &mut steps).unwrap() else {
                        continue;
                    };
                    let known = expected.get(&(shape, order));
                    assert_eq!(known, Some(&cycle.len()), "{shape:?} {order:?} {cycle:?}");
                    found.push((shape, order));
                    *seen.entry((shape, order)).or_insert(0) += 1;
                }
            }
            let rules_out = |(shape, order): &(Shape, Order)| {
                Anomaly::Cycle(*shape, *order).rules_out().iter().copied()
            };
            let ruled_out = RuledOut::from_weakest(found.iter().flat_map(rules_out));
            let all = all_cycles(&region);
            for model in all.iter().flat_map(|cycle| rules_out(&class(cycle))) {
                assert!(ruled_out.has(model), "{model}: {found:?} of {expected:?}");
            }
        }
        assert_eq!(seen.len(), 15, "{seen:?}");
    }

    #[test]
    fn a_search_without_steps_says_so() {
        let arc = |from, to| Arc {
            from,
            to,
            key: ValueId::NIL,
            value: ValueId::NIL,
            kind: Dependency::WriteWrite,
            rests_on: Order::Plain,
        };
        let graph = Graph::of(2, &[arc(0, 1), arc(1, 0)]);
        let region =
            Region { places: vec![0, 1], graph, invoked: vec![0, 1], completed: vec![2, 3] };
        assert_eq!(region.shortest(Shape::G0, Order::Plain, &mut Steps { left: 0 }), Err(UsedUp));
        let found = region.shortest(Shape::G0, Order::Plain, &mut Steps { left: 9 });
        assert_eq!(found.map(|cycle| cycle.map(|cycle| cycle.len())), Ok(Some(2)));
    }
}

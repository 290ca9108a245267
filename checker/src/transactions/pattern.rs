//! What the arcs of a cycle must be for it to show an anomaly: a small automaton that reads them one by one.

use super::anomaly::{Order, Shape};
use super::graph::Arc;
use crate::certificate::Dependency;
use crate::history::ValueId;

/// How far an automaton is.
pub(super) type State = u8;

/// How many states there are.
const STATES: usize = 16;

/// Something that the order asks for was passed.
const MARK: State = 1;
/// The last arc was an anti-dependency.
const LAST: State = 2;
/// One arc that the shape asks for was passed.
const ONE: State = 4;
/// Two anti-dependencies were passed; for [`Shape::G2`]: in a row.
const TWO: State = 8;

/// The states of one pattern, numbered densely: most patterns have few.
#[derive(Clone, Debug)]
pub(super) struct States {
    numbers: [State; STATES],
    all: Vec<State>,
}

impl States {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The number of a node in a state.
    pub(super) fn cell(&self, node: u32, state: State) -> usize {
        node as usize * self.all.len() + self.numbers[state as usize] as usize
    }

    /// The node and the state of a number.
    pub(super) fn of(&self, cell: usize) -> (u32, State) {
        ((cell / self.all.len()) as u32, self.all[cell % self.all.len()])
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) shape: Shape,
    pub(super) order: Order,
    /// Whether the cycle is closed by one step in real time.
    pub(super) timed: bool,
}

impl Pattern {
    /// Before any arc.
    pub(super) fn start(self) -> State {
        if self.timed || self.order == Order::Plain { MARK } else { 0 }
    }

    /// The fewest arcs that can make it up.
    pub(super) fn shortest(self) -> usize {
        match (self.shape, self.timed) {
            (Shape::GNonadjacent, true) => 3,
            (Shape::GNonadjacent, false) => 4,
            (Shape::G2, _) | (_, false) => 2,
            (_, true) => 1,
        }
    }

    /// Whether the arc may be part of it at all.
    pub(super) fn has(self, arc: &Arc) -> bool {
        let kind = match arc.kind {
            Dependency::WriteWrite => true,
            Dependency::WriteRead => self.shape >= Shape::G1c,
            Dependency::ReadWrite => self.shape >= Shape::GSingle,
            Dependency::Process => self.order == Order::Process,
            Dependency::RealTime => false,
        };
        kind && arc.rests_on <= self.order
    }

    /// Whether a cycle can be told from any other by beginning with this arc.
    pub(super) fn begins_with(self, arc: &Arc) -> bool {
        self.has(arc)
            && match self.shape {
                Shape::G0 => self.order == Order::Plain || self.marks(arc),
                Shape::G1c => arc.kind == Dependency::WriteRead,
                Shape::GSingle | Shape::GNonadjacent | Shape::G2 => {
                    arc.kind == Dependency::ReadWrite
                }
            }
    }

    fn marks(self, arc: &Arc) -> bool {
        arc.kind == Dependency::Process || arc.rests_on == self.order
    }

    /// One arc further; nothing if it does not fit.
    pub(super) fn step(self, state: State, arc: &Arc) -> Option<State> {
        if !self.has(arc) {
            return None;
        }
        let anti = arc.kind == Dependency::ReadWrite;
        let kept = state & (MARK | ONE | TWO) | if self.marks(arc) { MARK } else { 0 };
        let second = if state & ONE != 0 { TWO } else { 0 };
        let in_a_row = if state & LAST != 0 { TWO } else { 0 };
        match self.shape {
            Shape::G0 => Some(kept),
            Shape::G1c if arc.kind == Dependency::WriteRead => Some(kept | ONE),
            Shape::GSingle if anti => (state & ONE == 0).then_some(kept | ONE),
            Shape::GNonadjacent if anti => {
                (state & LAST == 0).then_some(kept | LAST | ONE | second)
            }
            Shape::G2 if anti => Some(kept | LAST | in_a_row),
            // Every cycle of this shape can be turned so that it begins with two in a row.
            Shape::G2 if !self.timed && state & LAST != 0 && state & TWO == 0 => None,
            Shape::G1c | Shape::GSingle | Shape::GNonadjacent | Shape::G2 => Some(kept),
        }
    }

    /// The states that can be reached, each with its number among them.
    pub(super) fn states(self) -> States {
        let mut states = States { numbers: [State::MAX; STATES], all: vec![self.start()] };
        let kinds = [
            Dependency::WriteWrite,
            Dependency::WriteRead,
            Dependency::ReadWrite,
            Dependency::Process,
        ];
        let mut at = 0;
        while let Some(state) = states.all.get(at).copied() {
            states.numbers[state as usize] = at as State;
            for kind in kinds {
                for rests_on in [Order::Plain, Order::Process, Order::RealTime] {
                    let arc = Arc {
                        from: 0,
                        to: 0,
                        key: ValueId::NIL,
                        value: ValueId::NIL,
                        kind,
                        rests_on,
                    };
                    let next = self.step(state, &arc);
                    states.all.extend(next.filter(|next| !states.all.contains(next)));
                }
            }
            at += 1;
        }
        states
    }

    /// Whether what was passed is enough.
    pub(super) fn accepts(self, state: State) -> bool {
        let has = |bit: State| state & bit != 0;
        has(MARK)
            && match self.shape {
                Shape::G0 => true,
                Shape::G1c | Shape::GSingle => has(ONE),
                Shape::GNonadjacent => has(TWO) && (self.timed || !has(LAST)),
                Shape::G2 => has(TWO),
            }
    }
}

//! How a situation came about, kept only where a witness is asked for: a tree of steps, each with the one before it.

/// A step by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrailId(u32);

impl TrailId {
    /// Before the first step.
    pub(super) const START: Self = Self(0);
}

#[derive(Clone, Copy, Debug)]
struct Node {
    before: TrailId,
    demand: u32,
    /// A change that took effect just before the last visible one that hides it, without a trace.
    is_hidden: bool,
}

/// All steps of all situations.
#[derive(Debug)]
pub(super) struct Trail {
    nodes: Vec<Node>,
    is_kept: bool,
}

impl Trail {
    pub(super) fn new(is_kept: bool) -> Self {
        let start = Node { before: TrailId::START, demand: 0, is_hidden: false };
        Self { nodes: vec![start], is_kept }
    }

    #[inline]
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// A demand takes effect.
    #[inline]
    pub(super) fn visible(&mut self, before: TrailId, demand: u32) -> TrailId {
        self.push(before, demand, false)
    }

    /// A change completes that took effect before the last visible one that hides it.
    #[inline]
    pub(super) fn hidden(&mut self, before: TrailId, demand: u32) -> TrailId {
        self.push(before, demand, true)
    }

    fn push(&mut self, before: TrailId, demand: u32, is_hidden: bool) -> TrailId {
        if !self.is_kept {
            return TrailId::START;
        }
        let id = TrailId(self.nodes.len() as u32);
        self.nodes.push(Node { before, demand, is_hidden });
        id
    }

    /// How many steps there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets all steps but the first so many.
    pub(super) fn truncate(&mut self, len: usize) {
        self.nodes.truncate(len);
    }

    /// The bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.nodes.len() * size_of::<Node>()) as u64
    }

    /// The demands in the order in which they took effect; `hides` tells whether the first of two demands, right after the second, hides it.
    pub(super) fn order(&self, mut last: TrailId, hides: impl Fn(u32, u32) -> bool) -> Vec<u32> {
        let mut steps = Vec::new();
        while last != TrailId::START {
            let node = self.nodes[last.0 as usize];
            steps.push(node);
            last = node.before;
        }
        // Backwards, a hidden change waits for the one that hid it: the next one that is visible and can.
        let (mut order, mut waiting) = (Vec::with_capacity(steps.len()), Vec::new());
        for node in steps {
            if node.is_hidden {
                waiting.push(node.demand);
                continue;
            }
            order.push(node.demand);
            let hidden = waiting.extract_if(.., |demand| hides(node.demand, *demand));
            order.extend(hidden);
        }
        order.append(&mut waiting);
        order.reverse();
        order
    }
}

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
    /// A write that took effect just before the last visible write, without a trace.
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

    /// A write completes that took effect before the last visible write.
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

    /// The bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.nodes.len() * size_of::<Node>()) as u64
    }

    /// The demands in the order in which they took effect; `is_write` tells which of them are plain writes.
    pub(super) fn order(&self, mut last: TrailId, is_write: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut steps = Vec::new();
        while last != TrailId::START {
            let node = self.nodes[last.0 as usize];
            steps.push(node);
            last = node.before;
        }
        // Backwards, a hidden write waits for the write that hid it: the next one that is visible.
        let (mut order, mut waiting) = (Vec::with_capacity(steps.len()), Vec::new());
        for node in steps {
            if node.is_hidden {
                waiting.push(node.demand);
                continue;
            }
            order.push(node.demand);
            if is_write(node.demand) {
                order.append(&mut waiting);
            }
        }
        order.append(&mut waiting);
        order.reverse();
        order
    }
}

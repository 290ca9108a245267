//! Who belongs to the cluster, and what a majority of it is.

use std::collections::BTreeSet;

use super::NodeId;

/// The members of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    /// Whose votes and logs count.
    pub(super) voters: BTreeSet<NodeId>,
}

/// How many of so many nodes make a majority: two majorities always share a node.
pub(super) fn majority(nodes: usize) -> usize {
    nodes / 2 + 1
}

impl Configuration {
    /// The highest number that a majority has reached. Elections, commits, reads and leases all ask this one question: how many granted
    /// (0 or 1), how far the logs match, which round was answered, when somebody was heard.
    ///
    /// `majority` says how many of so many nodes are enough.
    pub(super) fn agreed(
        &self,
        majority: fn(usize) -> usize,
        reached: impl Fn(NodeId) -> u64,
    ) -> u64 {
        let mut numbers: Vec<_> = self.voters.iter().map(|id| reached(*id)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.get(majority(numbers.len()) - 1).copied().unwrap_or_default()
    }
}

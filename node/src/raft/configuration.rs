//! Who belongs to the cluster, and what a majority of it is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::NodeId;

/// The members of a cluster, at some index of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Whose votes and logs count.
    pub voters: BTreeSet<NodeId>,
    /// The voters before, while a change is under way (*joint consensus*): both majorities are needed then. Empty otherwise.
    pub outgoing: BTreeSet<NodeId>,
    /// Who gets the log and counts for nothing. A node learns before it votes.
    pub learners: BTreeSet<NodeId>,
    /// Who was a member and is none any more. Its name never comes back: a node of that name might have forgotten its votes.
    pub removed: BTreeSet<NodeId>,
}

/// How many of so many nodes make a majority: two majorities always share a node.
pub(super) fn majority(nodes: usize) -> usize {
    nodes / 2 + 1
}

impl Configuration {
    /// The first configuration of a cluster.
    pub(super) fn founded_by(voters: BTreeSet<NodeId>) -> Self {
        Self { voters, ..Self::default() }
    }

    /// Whether a change is under way.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether this node's vote and log count.
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.contains(&id) || self.outgoing.contains(&id)
    }

    /// Everybody who gets the log.
    pub fn members(&self) -> BTreeSet<NodeId> {
        [&self.voters, &self.outgoing, &self.learners].into_iter().flatten().copied().collect()
    }

    /// The highest number that a majority has reached; while joint, that both majorities have. Elections, commits, reads, leases and
    /// CheckQuorum all ask this one question: how many granted (0 or 1), how far the logs match, which round was answered, when somebody was heard.
    ///
    /// `majority` says how many of so many nodes are enough.
    pub(super) fn agreed(
        &self,
        majority: fn(usize) -> usize,
        reached: impl Fn(NodeId) -> u64,
    ) -> u64 {
        let of = |voters: &BTreeSet<NodeId>| {
            let mut numbers: Vec<_> = voters.iter().map(|id| reached(*id)).collect();
            numbers.sort_unstable_by(|a, b| b.cmp(a));
            numbers.get(majority(numbers.len()) - 1).copied().unwrap_or_default()
        };
        match self.is_joint() {
            true => of(&self.voters).min(of(&self.outgoing)),
            false => of(&self.voters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u32]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn check(voters: &[u32], outgoing: &[u32], reached: &[u64], expected: u64) {
        let configuration = Configuration {
            voters: ids(voters),
            outgoing: ids(outgoing),
            ..Configuration::default()
        };
        let agreed = configuration.agreed(majority, |id| reached[id.0 as usize - 1]);
        assert_eq!(agreed, expected, "{configuration:?} {reached:?}");
    }

    #[test]
    fn a_majority_is_more_than_half_and_joint_needs_both() {
        check(&[1], &[], &[7], 7);
        check(&[1, 2], &[], &[7, 3], 3);
        check(&[1, 2, 3], &[], &[7, 3, 5], 5);
        check(&[1, 2, 3, 4], &[], &[7, 3, 5, 1], 3);
        check(&[1, 2, 3, 4, 5], &[], &[7, 3, 5, 1, 9], 5);
        check(&[3, 4, 5], &[1, 2, 3], &[9, 9, 1, 2, 2], 2);
        check(&[3, 4, 5], &[1, 2, 3], &[1, 2, 9, 8, 7], 2);
        check(&[], &[], &[], 0);
    }
}

//! Who belongs to the cluster, and what a majority of it is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::NodeId;
use super::effects::Refusal;

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

/// What an operator wants of the members. A voter that is removed is in the same place as one that never was, but for its name, which is used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberChange {
    /// Somebody new gets the log and counts for nothing yet.
    Add(NodeId),
    /// A learner that has caught up votes.
    Promote(NodeId),
    /// A voter gets the log and counts for nothing any more.
    Demote(NodeId),
    /// A member leaves for good.
    Remove(NodeId),
    /// These take the place of all members, in one joint change. Whoever is not among them leaves for good.
    Replace {
        /// Whose votes and logs count then.
        voters: BTreeSet<NodeId>,
        /// Who gets the log besides.
        learners: BTreeSet<NodeId>,
    },
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

    /// The voters and the learners that a change of these members comes to.
    ///
    /// # Errors
    ///
    /// Why these members cannot be changed so. Whether the leader may change members at all is another question.
    pub fn changed(
        &self,
        change: &MemberChange,
    ) -> Result<(BTreeSet<NodeId>, BTreeSet<NodeId>), Refusal> {
        if self.is_joint() {
            return Err(Refusal::ChangeUnderWay);
        }
        let (mut voters, mut learners) = (self.voters.clone(), self.learners.clone());
        match change {
            MemberChange::Add(id) if self.members().contains(id) => {
                return Err(Refusal::IsMember(*id));
            }
            MemberChange::Add(id) => drop(learners.insert(*id)),
            MemberChange::Promote(id) if !learners.remove(id) => {
                return Err(Refusal::NoLearner(*id));
            }
            MemberChange::Promote(id) => drop(voters.insert(*id)),
            MemberChange::Demote(id) if !voters.remove(id) => return Err(Refusal::NoVoter(*id)),
            MemberChange::Demote(id) => drop(learners.insert(*id)),
            MemberChange::Remove(id) if !voters.remove(id) && !learners.remove(id) => {
                return Err(Refusal::NoMember(*id));
            }
            MemberChange::Remove(_) => {}
            MemberChange::Replace { voters: new, learners: others } => {
                (voters, learners) = (new.clone(), others.clone());
            }
        }
        Ok((voters, learners))
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

    #[test]
    fn a_change_names_somebody_whom_it_can_concern() {
        let now = Configuration {
            voters: ids(&[1, 2, 3]),
            learners: ids(&[4]),
            removed: ids(&[5]),
            ..Configuration::default()
        };
        let check = |change: MemberChange, expected: Result<(&[u32], &[u32]), Refusal>| {
            let expected = expected.map(|(voters, learners)| (ids(voters), ids(learners)));
            assert_eq!(now.changed(&change), expected, "{change:?}");
        };
        check(MemberChange::Add(NodeId(6)), Ok((&[1, 2, 3], &[4, 6])));
        check(MemberChange::Add(NodeId(1)), Err(Refusal::IsMember(NodeId(1))));
        check(MemberChange::Add(NodeId(4)), Err(Refusal::IsMember(NodeId(4))));
        check(MemberChange::Promote(NodeId(4)), Ok((&[1, 2, 3, 4], &[])));
        check(MemberChange::Promote(NodeId(3)), Err(Refusal::NoLearner(NodeId(3))));
        check(MemberChange::Demote(NodeId(3)), Ok((&[1, 2], &[3, 4])));
        check(MemberChange::Demote(NodeId(4)), Err(Refusal::NoVoter(NodeId(4))));
        check(MemberChange::Remove(NodeId(3)), Ok((&[1, 2], &[4])));
        check(MemberChange::Remove(NodeId(4)), Ok((&[1, 2, 3], &[])));
        check(MemberChange::Remove(NodeId(5)), Err(Refusal::NoMember(NodeId(5))));
        let joint = Configuration { outgoing: ids(&[1]), ..now.clone() };
        let change = MemberChange::Add(NodeId(6));
        assert_eq!(joint.changed(&change), Err(Refusal::ChangeUnderWay));
    }
}

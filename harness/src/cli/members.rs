//! `faultline kv members`: who belongs to a cluster, and who is to.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use node::client::{Members, Status};
use node::raft::{MemberChange, NodeId};

/// Arguments: without a change, the members are shown.
#[derive(Clone, Debug, Args)]
pub(super) struct MembersArguments {
    #[command(subcommand)]
    change: Option<Change>,
}

#[derive(Clone, Debug, Subcommand)]
enum Change {
    /// Send the log to a new node, which counts for nothing yet
    Add { node: NodeId },
    /// Let a learner vote that has caught up
    Promote { node: NodeId },
    /// Let a voter count for nothing any more; it still gets the log
    Demote { node: NodeId },
    /// Remove a member for good: no node of that name can be added again
    Remove { node: NodeId },
    /// Replace all members in one joint change; whoever is not named is removed for good
    Set {
        /// Who votes then, as n1,n2,n4; new voters must be learners already
        #[arg(long, value_name = "NODES", value_delimiter = ',', required = true)]
        voters: Vec<NodeId>,
        /// Who gets the log besides
        #[arg(long, value_name = "NODES", value_delimiter = ',')]
        learners: Vec<NodeId>,
    },
}

impl MembersArguments {
    /// What is to change, if anything.
    pub(super) fn change(&self) -> Option<MemberChange> {
        Some(match self.change.clone()? {
            Change::Add { node } => MemberChange::Add(node),
            Change::Promote { node } => MemberChange::Promote(node),
            Change::Demote { node } => MemberChange::Demote(node),
            Change::Remove { node } => MemberChange::Remove(node),
            Change::Set { voters, learners } => {
                let set = |nodes: Vec<NodeId>| nodes.into_iter().collect::<BTreeSet<_>>();
                MemberChange::Replace { voters: set(voters), learners: set(learners) }
            }
        })
    }
}

/// The members as the leader of the highest term has them; nothing where nobody claims to lead.
pub(super) fn as_led(statuses: &[Status]) -> Option<String> {
    let leading = statuses.iter().filter(|status| status.leads);
    let leader = leading.max_by_key(|status| status.term)?;
    Some(format!("{}  led by {} in term {}", words(&leader.members), leader.id, leader.term))
}

/// The members in one line.
pub(super) fn words(members: &Members) -> String {
    let Members { index, committed, voters, outgoing, learners, removed } = members;
    let mut words = format!("voters {}", names(voters));
    for (what, ids) in [("instead of", outgoing), ("learners", learners), ("removed", removed)] {
        if !ids.is_empty() {
            words += &format!("  {what} {}", names(ids));
        }
    }
    match (index, committed) {
        (0, _) => words + "  since the beginning",
        (index, true) => words + &format!("  since entry {index}"),
        (index, false) => words + &format!("  with entry {index}, which is not committed yet"),
    }
}

fn names(ids: &[NodeId]) -> String {
    ids.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_one_line() {
        let ids = |ids: &[u32]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        let founders = Members { voters: ids(&[1, 2, 3]), committed: true, ..Members::default() };
        assert_eq!(words(&founders), "voters n1 n2 n3  since the beginning");
        let joint = Members {
            index: 7,
            committed: false,
            voters: ids(&[1, 4]),
            outgoing: ids(&[1, 2]),
            learners: ids(&[2]),
            removed: ids(&[3]),
        };
        assert_eq!(
            words(&joint),
            "voters n1 n4  instead of n1 n2  learners n2  removed n3  with entry 7, which is not committed yet"
        );
    }
}

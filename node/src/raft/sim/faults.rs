//! What goes wrong in a simulated cluster, and what operators do meanwhile.

use std::collections::BTreeSet;

use super::super::effects::Input;
use super::super::{NodeId, Payload, RequestId};
use super::VOTERS_MIN;
use super::cluster::Sim;
use crate::bug::Bug;

impl Sim {
    /// Crashes, restarts, cuts links, changes members, hands the leadership over: now and then.
    pub(super) fn break_something(&mut self) {
        match self.random.between(0, 120) {
            0..=2 => self.change_members(),
            3 => {
                let id = self.victim();
                self.step(id, Input::TransferLeadership { to: None });
                self.tally.transfers += 1;
            }
            _ => {}
        }
        if self.random.between(0, 100) == 0 {
            let id = self.victim();
            self.crash(id);
        }
        let down: Vec<_> =
            self.nodes.iter().filter(|(_, node)| node.raft.is_none()).map(|(id, _)| *id).collect();
        for id in down {
            if self.random.between(0, 8) == 0 {
                self.start(id);
            }
        }
        match self.random.between(0, 150) {
            0 => self.cut.clear(),
            1 => {
                let cut_off = self.victim();
                self.cut = self.links(|from, to| from == cut_off || to == cut_off);
            }
            2 => {
                let mute = self.victim();
                self.cut = self.links(|from, _| from == mute);
            }
            3 => {
                let border = self.any_node();
                self.cut = self.links(|from, to| (from <= border) != (to <= border));
            }
            4 | 5 => {
                // Two that do not hear each other, with a bridge between them.
                let (one, other) = (self.any_node(), self.any_node());
                self.cut =
                    self.links(|from, to| (from, to) == (one, other) || (to, from) == (one, other));
            }
            _ => {}
        }
    }

    /// Whether a disk has lost something that it has not got back.
    fn is_repairing(&self) -> bool {
        self.nodes.values().any(|node| node.disk.durable.damaged_up_to.is_some())
    }

    /// Whether a disk has members of which its node does not know that they are committed.
    fn is_changing(&self) -> bool {
        self.nodes.values().any(|node| {
            node.disk.durable.entries.iter().any(|entry| {
                let is_members = matches!(entry.payload, Payload::Configuration(_));
                is_members && entry.index.0 > node.committed
            })
        })
    }

    /// An operator adds a learner, makes learners voters, or removes a voter, as the leader sees the members.
    fn change_members(&mut self) {
        let id = self.victim();
        let is_repairing = self.is_repairing();
        let Some(raft) = self.nodes[&id].raft.as_ref().filter(|_| !is_repairing) else { return };
        let now = raft.configuration().clone();
        let members = now.members();
        let known = |id: &NodeId| members.contains(id) || now.removed.contains(id);
        let outside: Vec<_> = self.nodes.keys().copied().filter(|id| !known(id)).collect();
        let (mut voters, mut learners) = (now.voters, now.learners);
        // With the bug that is about members, the operator removes them by the dozen.
        let wild = self.nodes[&id].config.bug == Some(Bug::SingleServerChange2015);
        match self.random.between(0, 3) {
            0 => learners.extend(outside.first()),
            1 => voters.append(&mut learners),
            _ if wild => voters.retain(|voter| *voter == id || self.chance(50)),
            _ if voters.len() > VOTERS_MIN => {
                let place = self.random.between(0, voters.len() as u32) as usize;
                let gone = voters.iter().nth(place).copied();
                voters.retain(|id| Some(*id) != gone);
            }
            _ => return,
        }
        self.next_value += 1;
        let request = RequestId(self.next_value as u64);
        self.step(id, Input::ChangeMembers { id: request, voters, learners });
    }

    pub(super) fn links(&self, cut: impl Fn(NodeId, NodeId) -> bool) -> BTreeSet<(NodeId, NodeId)> {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        let pairs = ids.iter().flat_map(|from| ids.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| cut(*from, *to)).collect()
    }

    /// Now and then a disk loses the end of the log, and knows it: what was acknowledged is gone. One disk at a time, and not while members are
    /// changed: who has the newest log may then be no voter yet, and nobody can be elected before the disk is replaced.
    pub(super) fn maybe_damage(&mut self, id: NodeId) {
        if !self.faulty || self.is_repairing() || self.is_changing() || !self.chance(50) {
            return;
        }
        let node = self.nodes.get_mut(&id).expect("nodes are numbered");
        let (committed, durable) = (node.committed, &mut node.disk.durable);
        let Some(last) = durable.entries.last().map(|entry| entry.index) else { return };
        if last.0 > committed {
            durable.entries.retain(|entry| entry.index.0 <= committed);
            durable.damaged_up_to = Some(last);
            self.tally.damaged += 1;
        }
    }
}

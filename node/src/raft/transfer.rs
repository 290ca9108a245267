//! Handing the leadership over (dissertation, 3.10): at an orderly end, so that nobody need wait for a time-out.

use super::core::{Raft, Role};
use super::message::Body;
use super::{LogIndex, NodeId, Term};

/// A leadership on its way to another node. Meanwhile proposals are refused, or the other would never have caught up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    to: NodeId,
    /// After so many more ticks it has failed, and everything goes on as before.
    ticks_left: u32,
}

impl Raft {
    /// The shell wants somebody else to lead: the one named, or the voter who has most of the log.
    pub(super) fn handle_transfer(&mut self, to: Option<NodeId>) {
        let configuration = self.configuration().clone();
        let ticks_left = self.config.election_timeout_ticks.end;
        let Role::Leader(leadership) = &mut self.role else { return };
        let may_lead = leadership.progress.iter().filter(|(id, _)| {
            configuration.voters.contains(id) && to.is_none_or(|wanted| wanted == **id)
        });
        let Some((to, _)) = may_lead.max_by_key(|(_, progress)| progress.match_index) else {
            return;
        };
        let to = *to;
        leadership.transfer = Some(Transfer { to, ticks_left });
        self.send_entries(to);
        self.maybe_hand_over(to);
    }

    /// Tells the next leader to begin, once it has the whole log.
    pub(super) fn maybe_hand_over(&mut self, peer: NodeId) {
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(progress) = leadership.progress.get(&peer) else { return };
        let chosen = leadership.transfer.is_some_and(|transfer| transfer.to == peer);
        if chosen && progress.match_index == last_index {
            // From now on somebody else may be elected at any moment of this term, however late the message comes.
            leadership.handed_over = true;
            self.send(peer, Body::TimeoutNow { last_index, last_term });
        }
    }

    /// A tick passes for a transfer.
    pub(super) fn abandon_transfer(&mut self) {
        let Role::Leader(leadership) = &mut self.role else { return };
        leadership.transfer = match leadership.transfer {
            Some(Transfer { to, ticks_left }) if ticks_left > 1 => {
                Some(Transfer { to, ticks_left: ticks_left - 1 })
            }
            _ => None,
        };
    }

    /// The leader wants this node to lead, if it still has what the leader thinks it has.
    pub(super) fn handle_timeout_now(
        &mut self,
        leader: NodeId,
        last_index: LogIndex,
        last_term: Term,
    ) {
        let has_it_all = (self.log.last_term(), self.log.last_index()) >= (last_term, last_index);
        if self.leader() == Some(leader) && has_it_all && self.may_campaign() {
            self.campaign(true);
        }
    }
}

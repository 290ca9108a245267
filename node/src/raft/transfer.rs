//! Handing the leadership over (dissertation, 3.10): at an orderly end, so that nobody need wait for a time-out.

use super::core::Raft;
use super::effects::{Answer, Refusal};
use super::message::Body;
use super::role::Role;
use super::{LogIndex, NodeId, Term};

/// A leadership on its way to another node. Meanwhile proposals are refused, or the other would never have caught up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    to: NodeId,
    /// After so many more ticks it has failed, and everything goes on as before.
    ticks_left: u32,
}

/// How far a leader has handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// Nobody was told to take over in this term.
    None,
    /// The leader waits for the other.
    UnderWay,
    /// It waits no longer, but somebody was told in this term and may yet take over.
    Told,
}

impl Raft {
    /// Whether this node could begin to hand the leadership over to another now; else why not.
    pub fn may_transfer(&self, to: NodeId) -> Result<(), Answer> {
        let Role::Leader(leadership) = &self.role else {
            return Err(Answer::NotLeader { leader: self.leader() });
        };
        if leadership.transfer.is_some() {
            return Err(Answer::Refused(Refusal::HandingOver));
        }
        let votes = self.configuration().voters.contains(&to);
        if votes { Ok(()) } else { Err(Answer::Refused(Refusal::NoVoter(to))) }
    }

    /// How far the leadership of this term has been handed over; nothing where this node does not lead.
    pub fn handover(&self) -> Option<Handover> {
        let Role::Leader(leadership) = &self.role else { return None };
        Some(match (leadership.transfer, leadership.handed_over) {
            (Some(_), _) => Handover::UnderWay,
            (None, true) => Handover::Told,
            (None, false) => Handover::None,
        })
    }

    /// The shell wants somebody else to lead: the one named, or of the voters that have been heard lately the one who has most of the log, and of several the one heard
    /// last. Nobody who repairs its log would take over.
    pub(super) fn handle_transfer(&mut self, to: Option<NodeId>) {
        let configuration = self.configuration().clone();
        let ticks_left = self.config.election_timeout_ticks.end;
        let Role::Leader(leadership) = &mut self.role else { return };
        let lately =
            leadership.ticks.saturating_sub(self.config.election_timeout_ticks.start.into());
        let may_lead = leadership.progress.iter().filter(|(id, progress)| {
            let is_meant = to.map_or(progress.heard_at >= lately, |wanted| wanted == **id);
            is_meant && configuration.voters.contains(id) && !progress.repairing
        });
        let best = may_lead.max_by_key(|(_, progress)| (progress.match_index, progress.heard_at));
        let Some(to) = best.map(|(id, _)| *id) else { return };
        leadership.transfer = Some(Transfer { to, ticks_left });
        self.send_entries(to);
        self.maybe_hand_over(to);
    }

    /// Whether the leadership is on its way to another node.
    pub fn is_handing_over(&self) -> bool {
        matches!(&self.role, Role::Leader(leadership) if leadership.transfer.is_some())
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

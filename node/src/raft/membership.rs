//! Membership changes by joint consensus (6; dissertation, 4.3 and 4.1).
//!
//! The members are an entry of the log, and count from the moment when that is appended, on every node that has it; if it is cut off, the ones before
//! count again.

use std::collections::BTreeSet;

use super::configuration::Configuration;
use super::core::Raft;
use super::effects::{Answer, Refusal};
use super::log::Payload;
use super::progress::Progress;
use super::role::{Proposal, Role};
use super::{LogIndex, NodeId, RequestId};
use crate::bug::Bug;
use crate::trace::Event;

impl Raft {
    /// The members that count now: those of the last such entry of the log, committed or not.
    pub fn configuration(&self) -> &Configuration {
        self.configurations.last_key_value().expect("there is always one").1
    }

    /// The entry that the members are from; 0 for the founders.
    pub fn configured_at(&self) -> LogIndex {
        *self.configurations.last_key_value().expect("there is always one").0
    }

    /// The members as of an index.
    pub(super) fn configuration_at(&self, index: LogIndex) -> &Configuration {
        self.configurations.range(..=index).next_back().expect("there is always one").1
    }

    /// Whether the entry that the members are from is committed.
    pub fn change_is_committed(&self) -> bool {
        self.configured_at() <= self.commit
    }

    /// Somebody asks for other members.
    pub(super) fn handle_change(
        &mut self,
        id: RequestId,
        voters: BTreeSet<NodeId>,
        learners: BTreeSet<NodeId>,
    ) {
        if !matches!(self.role, Role::Leader(_)) {
            let leader = self.leader();
            self.answer(id, Answer::NotLeader { leader });
            return;
        }
        if let Err(refusal) = self.may_change(&voters, &learners) {
            self.answer(id, Answer::Refused(refusal));
            return;
        }
        let learners = learners.difference(&voters).copied().collect();
        let old = self.configuration().clone();
        // Who gets no vote and loses none changes no majority.
        let in_one_step =
            voters == old.voters || self.config.bug == Some(Bug::SingleServerChange2015);
        let outgoing = if in_one_step { BTreeSet::new() } else { old.voters.clone() };
        let joint = Configuration { voters, outgoing, learners, removed: old.removed.clone() };
        match in_one_step {
            true => self.append_final(joint, old.members(), Some(id)),
            false => {
                if let Role::Leader(leadership) = &mut self.role {
                    leadership.change = Some(id);
                }
                self.append_and_replicate(Payload::Configuration(joint.into()));
            }
        }
    }

    /// Why the members cannot be changed so, at least not now.
    fn may_change(
        &self,
        voters: &BTreeSet<NodeId>,
        learners: &BTreeSet<NodeId>,
    ) -> Result<(), Refusal> {
        let Role::Leader(leadership) = &self.role else { return Ok(()) };
        let now = self.configuration();
        let careless = self.config.bug == Some(Bug::SingleServerChange2015);
        // Another leader's change may be under way without our knowledge, until something of our own term is committed (Ongaro, 2015).
        if self.commit < leadership.noop_index && !careless {
            return Err(Refusal::TermNotCommitted);
        }
        if (now.is_joint() || !self.change_is_committed()) && !careless {
            return Err(Refusal::ChangeUnderWay);
        }
        if leadership.transfer.is_some() {
            return Err(Refusal::HandingOver);
        }
        if voters.is_empty() {
            return Err(Refusal::NoVoters);
        }
        if let Some(id) = voters.union(learners).find(|id| now.removed.contains(id)) {
            return Err(Refusal::NameUsed(*id));
        }
        let lag_max = self.config.limits.learner_lag_entries;
        let has_caught_up = |id: &NodeId| {
            let matched = leadership.progress.get(id).map(|progress| progress.match_index.0);
            matched.is_some_and(|matched| matched + lag_max >= self.log.last_index().0)
        };
        let ready = |id: &NodeId| now.voters.contains(id) || has_caught_up(id);
        voters.iter().find(|id| !ready(id)).map_or(Ok(()), |id| Err(Refusal::NotCaughtUp(*id)))
    }

    /// The second step of a change, or the only one: whoever is no member any more is one who was.
    fn append_final(
        &mut self,
        new: Configuration,
        before: BTreeSet<NodeId>,
        id: Option<RequestId>,
    ) {
        let new = Configuration { outgoing: BTreeSet::new(), ..new };
        let gone = before.difference(&new.members()).copied().collect();
        let removed = new.removed.union(&gone).copied().collect();
        let index = self.log.last_index().next();
        if let (Role::Leader(leadership), Some(id)) = (&mut self.role, id) {
            leadership.proposals.insert(index, Proposal { id, bytes: 0 });
        }
        self.append_and_replicate(Payload::Configuration(Box::new(Configuration {
            removed,
            ..new
        })));
    }

    /// Goes on with a change of which the first step is committed, whoever began it; gives up the leadership of a cluster to which this node does
    /// not belong any more.
    pub(super) fn maybe_finish_change(&mut self) {
        let committed = self.change_is_committed();
        let Role::Leader(leadership) = &mut self.role else { return };
        let own_term = self.commit >= leadership.noop_index;
        if !own_term || !committed {
            return;
        }
        let id = leadership.change.take();
        let now = self.configuration().clone();
        if now.is_joint() {
            let before = now.members();
            self.append_final(now, before, id);
        } else if !now.voters.contains(&self.config.id) {
            for peer in self.peers() {
                self.send_append(peer, true); // They learn that it is committed.
            }
            self.become_follower(self.term(), None);
        }
    }

    /// What the log said about members from an index on is gone.
    pub(super) fn forget_configurations(&mut self, from: LogIndex) {
        if !self.configurations.split_off(&from).is_empty() {
            self.configuration_changed();
        }
    }

    /// The log begins anew, or later, with these members.
    pub(super) fn configurations_begin(&mut self, index: LogIndex, configuration: Configuration) {
        self.configurations = self.configurations.split_off(&index.next());
        self.configurations.insert(index, configuration);
    }

    /// Tells the trace who counts now; a leader replicates to them and to nobody else.
    pub(super) fn configuration_changed(&mut self) {
        let Configuration { voters, outgoing, learners, .. } = self.configuration().clone();
        let members = self.configuration().members();
        let next = self.log.last_index().next();
        if let Role::Leader(leadership) = &mut self.role {
            let now = leadership.ticks;
            leadership.progress.retain(|id, _| members.contains(id));
            for peer in members.iter().filter(|id| **id != self.config.id) {
                let unknown = || Progress::unknown(next, now);
                leadership.progress.entry(*peer).or_insert_with(unknown);
            }
        }
        let list = |ids: BTreeSet<NodeId>| ids.into_iter().collect();
        self.trace(Event::Configured {
            voters: list(voters),
            outgoing: list(outgoing),
            learners: list(learners),
        });
    }
}

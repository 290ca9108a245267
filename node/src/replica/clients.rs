//! What clients ask for, and what they are told.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

use crate::client::{Members, Request, Response, Status};
use crate::kv::{self, Command, Proposal};
use crate::raft::{
    Answer, Configuration, Input, LogIndex, MemberChange, NodeId, Refusal, RequestId, Role,
};

use super::Replica;
use super::disk::{DISK_FULL, Room};
use super::handover::Waiter;

/// A client that waits for an answer.
pub(super) struct Waiting {
    pub(super) request: Request,
    reply: oneshot::Sender<Response>,
}

impl Replica {
    /// Takes a client's request. A client that has gone away is found out when it is answered.
    pub(crate) fn request(&mut self, request: Request, reply: oneshot::Sender<Response>) {
        if self.room != Room::Enough && request != Request::Status {
            let _ = reply.send(Response::Refused { reason: DISK_FULL.into() });
            return;
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let input = match &request {
            Request::Status => {
                let _ = reply.send(Response::Status(Box::new(self.status())));
                return;
            }
            Request::Query(_) => Ok(Input::Read { id, forward: false }),
            Request::QueryHere(_) => Ok(Input::Read { id, forward: true }),
            Request::Propose(proposal) => Ok(Input::Propose { id, command: encode(proposal) }),
            Request::ChangeMembers(change) => self.change(id, change),
            Request::TransferLeadership { to } => return self.transfer(*to, reply),
        };
        match input {
            Ok(input) => {
                self.waiting.insert(id, Waiting { request, reply });
                self.step(input);
            }
            Err(answer) => drop(reply.send(self.response(answer))),
        }
    }

    /// What a change of members comes to here and now, or why it does not.
    fn change(&self, id: RequestId, change: &MemberChange) -> Result<Input, Answer> {
        if !self.leads() {
            return Err(Answer::NotLeader { leader: self.raft.leader() });
        }
        let (voters, learners) =
            self.raft.configuration().changed(change).map_err(Answer::Refused)?;
        let is_known = |node: NodeId| node == self.raft.id() || self.peers.knows(node);
        match voters.union(&learners).find(|node| !is_known(**node)) {
            Some(stranger) => Err(Answer::Refused(Refusal::NoAddress(*stranger))),
            None => Ok(Input::ChangeMembers { id, voters, learners }),
        }
    }

    /// Begins to hand the leadership over, for a client that waits until it has come to something.
    fn transfer(&mut self, to: NodeId, reply: oneshot::Sender<Response>) {
        let term = self.raft.term();
        let may = match self.handover.is_some() {
            true => Err(Answer::Refused(Refusal::HandingOver)),
            false => self.raft.may_transfer(to),
        };
        match may {
            Err(answer) => drop(reply.send(self.response(answer))),
            Ok(()) if to == self.raft.id() => {
                let _ = reply.send(Response::HandedOver { term: term.0 });
            }
            Ok(()) => {
                self.handover = Some(Waiter::new(to, term, self.election_timeout_ticks, reply));
                self.step(Input::TransferLeadership { to: Some(to) });
            }
        }
    }

    pub(super) fn answer(&mut self, id: RequestId, response: impl FnOnce(&Self) -> Response) {
        if let Some(waiting) = self.waiting.remove(&id) {
            let _ = waiting.reply.send(response(self)); // The client may have given up.
        }
    }

    pub(super) fn response(&self, answer: Answer) -> Response {
        match answer {
            Answer::NotLeader { leader } => {
                let address = |id| self.advertise.get(&id).map(|address| (id, *address));
                Response::NotLeader { leader: leader.and_then(address) }
            }
            Answer::OutcomeUnknown => Response::Unknown { reason: "leadership lost".into() },
            Answer::ReadAbandoned => {
                let reason = "the leadership was lost, or the leader did not answer".into();
                Response::Refused { reason }
            }
            Answer::Refused(refusal) if refusal.passes() => {
                Response::Refused { reason: refusal.to_string() }
            }
            Answer::Refused(refusal) => Response::Declined { reason: refusal.to_string() },
        }
    }

    /// Tells everybody who waits that it is in vain. What was begun may still be done.
    pub(super) fn give_up_waiting(&mut self, reason: &str) {
        for (_, Waiting { request, reply }) in std::mem::take(&mut self.waiting) {
            let reason = reason.into();
            let _ = reply.send(match request {
                Request::Query(_) | Request::QueryHere(_) => Response::Refused { reason },
                _ => Response::Unknown { reason },
            });
        }
    }

    /// The planted bug `ack-before-commit`: whatever write is in the own log counts as done.
    pub(super) fn acknowledge_early(&mut self) {
        let is_write = |waiting: &Waiting| {
            use Proposal::{Once, Plain};
            let Request::Propose(Plain(command) | Once { command, .. }) = &waiting.request else {
                return false;
            };
            matches!(command, Command::Write { .. })
        };
        let writes = self.waiting.extract_if(.., |_, waiting| is_write(waiting));
        for (_, waiting) in writes {
            let _ = waiting.reply.send(Response::Outcome(Ok(kv::Answer::Done)));
        }
    }

    fn status(&self) -> Status {
        let raft = &self.raft;
        let committed = raft.change_is_committed();
        Status {
            id: self.raft.id(),
            term: self.raft.term().0,
            leads: self.leads(),
            campaigns: matches!(raft.role(), Role::PreCandidate { .. } | Role::Candidate { .. }),
            leader: self.raft.leader(),
            commit: self.raft.commit().0,
            applied: self.applied.0,
            last_index: self.raft.last_index().0,
            snapshot_index: self.snapshot_index.0,
            members: members(raft.configuration(), raft.configured_at(), committed),
            matched: self.raft.matched().map(|(peer, index)| (peer, index.0)).collect(),
            reads: self.reads,
            syncs: self.storage.sync_times().figures(),
            repairing: self.storage.repairing().map(|up_to| up_to.0),
            disk_full: self.room != Room::Enough,
        }
    }
}

/// Members as clients are told of them.
pub(super) fn members(configuration: &Configuration, index: LogIndex, committed: bool) -> Members {
    let Configuration { voters, outgoing, learners, removed } = configuration;
    let list = |ids: &BTreeSet<NodeId>| ids.iter().copied().collect();
    Members {
        index: index.0,
        committed,
        voters: list(voters),
        outgoing: list(outgoing),
        learners: list(learners),
        removed: list(removed),
    }
}

fn encode(proposal: &Proposal) -> Vec<u8> {
    postcard::to_stdvec(proposal).expect("a command always serialises")
}

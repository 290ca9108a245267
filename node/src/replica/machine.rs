//! The state machine: what is committed is applied, and read.

use crate::bug::Bug;
use crate::client::{Request, Response};
use crate::kv::{self, Proposal, Store};
use crate::raft::{Answer, Commit, ConfirmedRead, LogIndex, Payload, RequestId, Role, Snapshot};
use crate::server::Error;
use crate::trace::{Event, Hash, Record};

use super::clients::members;
use super::{Replica, Ticker};

/// The trace tells the state at every index that this divides: at the same ones on every node, so that they can be compared. Often enough for a
/// short run. It costs as much as the state is large, which is little in a test; without a trace none is taken.
const DIGEST_ENTRIES: u64 = 64;

impl Replica {
    pub(super) fn apply(&mut self, commit: Commit) -> Result<(), Error> {
        let index = commit.entry.index;
        match &commit.entry.payload {
            // The entry may have come from a peer: what cannot be read has no effect, on every replica alike.
            Payload::Command(bytes) => match postcard::from_bytes(bytes) {
                Ok(proposal) => self.apply_proposal(index, &proposal, commit.request),
                Err(error) => tracing::error!(%index, %error, "unreadable command"),
            },
            Payload::Configuration(configuration) => {
                if let Some(id) = commit.request {
                    let members = members(configuration, index, true);
                    self.answer(id, |_| Response::Changed(members));
                }
            }
            Payload::Noop => {}
        }
        self.applied = index;
        if index.0.is_multiple_of(DIGEST_ENTRIES) { self.trace_state() } else { Ok(()) }
    }

    fn apply_proposal(&mut self, index: LogIndex, proposal: &Proposal, request: Option<RequestId>) {
        let outcome = match (self.bug, proposal) {
            (Some(Bug::RetryAppliedTwice), Proposal::Once { command, .. }) => {
                self.store.apply(index.0, &Proposal::Plain(command.clone()))
            }
            (Some(Bug::ApplyNondeterminism), Proposal::Plain(_)) if self.finds_it_late() => {
                Ok(kv::Answer::Done)
            }
            _ => self.store.apply(index.0, proposal),
        };
        if let Some(id) = request {
            self.answer(id, |_| Response::Outcome(outcome));
        }
    }

    /// The planted bug `apply-nondeterminism`: whether to apply a command is for the node's own clock to say.
    fn finds_it_late(&self) -> bool {
        let microseconds = self.trace.now() / 1_000;
        microseconds.is_multiple_of(64)
    }

    /// Tells the trace what the state is after everything that was applied.
    pub(super) fn trace_state(&mut self) -> Result<(), Error> {
        if !self.trace.is_wanted() {
            return Ok(());
        }
        let state = Hash(self.store.digest().0);
        let event = Event::StateDigest { index: self.applied, state };
        self.trace.write(vec![Record { term: self.raft.term(), event }])
    }

    pub(super) fn answer_read(
        &mut self,
        ConfirmedRead { id, leased }: ConfirmedRead,
        ticker: &mut Ticker,
    ) {
        // The disk may have taken its time since the core was asked.
        if leased && ticker.is_due() {
            self.tick();
        }
        if leased && !self.raft.lease_holds() {
            self.answer(id, |node| node.response(Answer::ReadAbandoned));
            return;
        }
        let request = self.waiting.get(&id).map(|waiting| &waiting.request);
        let Some(Request::Query(query) | Request::QueryHere(query)) = request else { return };
        self.reads.leased += u64::from(leased);
        self.reads.followed += u64::from(!matches!(self.raft.role(), Role::Leader(_)));
        let outcome = self.store.query(query);
        self.answer(id, |_| Response::Outcome(outcome));
    }
}

pub(super) fn restore(snapshot: &Snapshot) -> Result<Store, Error> {
    Ok(Store::restore(&snapshot.data)?)
}

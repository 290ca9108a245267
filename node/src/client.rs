//! The client protocol, and an async client.
//!
//! A request is one bidirectional stream: the request in one frame, the answer in one frame. What is asked of the store and what it answers are
//! its own words ([`crate::kv`]). The client never repeats a request by itself: a repeated write is a second write, unless it is
//! sent within a session ([`Proposal::Once`]), and only the caller knows.

use std::net::SocketAddr;
use std::path::Path;

use quinn::{ClientConfig, Endpoint};
use serde::{Deserialize, Serialize};

use crate::kv::{Outcome, Proposal, Query};
use crate::raft::{MemberChange, NodeId};
use crate::storage::SyncFigures;
use crate::transport::{self, CLIENT_ALPN, FRAME_BYTES_MAX, Identity, decode, encode};

/// What a client may ask of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A linearizable look at the state.
    Query(Query),
    /// A change of the state, through the log.
    Propose(Proposal),
    /// What the node is; answered at once by any node.
    Status,
    /// Other members, through the log. Only the leader changes them.
    ChangeMembers(MemberChange),
    /// Another node is to lead. Only the leader hands over.
    TransferLeadership {
        /// Who.
        to: NodeId,
    },
    /// A linearizable look at the state of this very node: a follower asks the leader how far it must have come for that.
    QueryHere(Query),
}

/// What a node answers. Every answer but [`Response::Unknown`] is definite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// What the store says: the request was carried out, or refused and changed nothing. A refusal that is about the session says nothing of earlier
    /// requests with the same number ([`kv::Refusal::is_of_session`](crate::kv::Refusal::is_of_session)).
    Outcome(Outcome),
    /// Nothing was done: this node does not lead.
    NotLeader {
        /// Who does, and where clients reach it, where known.
        leader: Option<(NodeId, SocketAddr)>,
    },
    /// Nothing was done.
    Refused {
        /// Why.
        reason: String,
    },
    /// The change was begun, and nobody knows whether it will take effect.
    Unknown {
        /// Why.
        reason: String,
    },
    /// What the node is.
    Status(Box<Status>),
    /// Nothing was done, and asking again is of no use while nothing else has changed.
    Declined {
        /// Why.
        reason: String,
    },
    /// The members are these now, and that is committed.
    Changed(Members),
    /// The leadership was handed over to whoever was asked for.
    HandedOver {
        /// The term in which it leads.
        term: u64,
    },
}

/// Who belongs to the cluster, as a node knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// The entry of the log that says so; 0 for the members with which the cluster began.
    pub index: u64,
    /// Whether the node knows that this entry is committed.
    pub committed: bool,
    /// Whose votes and logs count.
    pub voters: Vec<NodeId>,
    /// The voters before, while a change is under way: a majority of both counts then.
    pub outgoing: Vec<NodeId>,
    /// Who gets the log besides.
    pub learners: Vec<NodeId>,
    /// Whose names are used up.
    pub removed: Vec<NodeId>,
}

impl Members {
    /// Whether a node gets the log.
    pub fn contains(&self, id: NodeId) -> bool {
        [&self.voters, &self.outgoing, &self.learners]
            .into_iter()
            .flatten()
            .any(|known| *known == id)
    }
}

/// What a node says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub id: NodeId,
    /// Its term.
    pub term: u64,
    /// Whether it believes that it leads.
    pub leads: bool,
    /// Whether it stands for election: it asks for votes, or whether it would get them.
    pub campaigns: bool,
    /// Whom it follows, or itself.
    pub leader: Option<NodeId>,
    /// Its commit index.
    pub commit: u64,
    /// The last entry that its state machine has taken in.
    pub applied: u64,
    /// The last index of its log.
    pub last_index: u64,
    /// The last index that its newest snapshot covers; 0 without one.
    pub snapshot_index: u64,
    /// Who belongs to the cluster.
    pub members: Members,
    /// Of a leader: how far the log of each of its peers matches, for certain.
    pub matched: Vec<(NodeId, u64)>,
    /// How many reads it has answered since it started, by some of the ways.
    pub reads: ReadCounts,
    /// How long its syncs took since it started.
    pub syncs: SyncFigures,
    /// How far its log may have reached before it was damaged. Until it has that again it neither votes nor stands.
    pub repairing: Option<u64>,
    /// Whether it waits for room on its disk and takes nothing on meanwhile.
    pub disk_full: bool,
}

/// Reads that were answered in ways that not every cluster uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadCounts {
    /// As the leader, under its lease alone.
    pub leased: u64,
    /// As a follower, as far as the leader said.
    pub followed: u64,
}

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request never left: it certainly has no effect.
    #[error("not sent: {0}")]
    NotSent(quinn::ConnectionError),
    /// The request may have arrived.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// The client side of a run: one endpoint, from which connections to any node can be made.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
    config: ClientConfig,
}

impl Client {
    /// Opens an endpoint with the identity `name` of a directory of certificates. Must be called within a tokio runtime.
    pub fn open(certificates: &Path, name: &str) -> Result<Self, transport::Error> {
        let identity = Identity::load(certificates, name, [])?;
        let config = transport::client_config(&identity, CLIENT_ALPN)?;
        Ok(Self { endpoint: transport::dialing()?, config })
    }

    /// The address from which all requests come.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Connects to a node.
    pub async fn connect(
        &self,
        address: SocketAddr,
        node: NodeId,
    ) -> Result<Connection, transport::ConnectError> {
        let name = node.to_string();
        let quic = transport::connect(&self.endpoint, self.config.clone(), address, &name).await?;
        Ok(Connection { quic })
    }
}

/// A connection to one node.
#[derive(Clone, Debug)]
pub struct Connection {
    quic: quinn::Connection,
}

impl Connection {
    /// Whether the connection is known to be gone.
    pub fn is_closed(&self) -> bool {
        self.quic.close_reason().is_some()
    }

    /// Closes the connection: whatever is under way gets no answer.
    pub fn close(&self) {
        self.quic.close(0u32.into(), b"client gone");
    }

    /// Sends a request and waits for the answer. Without a time limit: that is the caller's.
    pub async fn call(&self, request: &Request) -> Result<Response, CallError> {
        let (mut send, mut receive) = self.quic.open_bi().await.map_err(CallError::NotSent)?;
        let no_answer = |error: &dyn std::fmt::Display| CallError::NoAnswer(error.to_string());
        send.write_all(&encode(request)).await.map_err(|error| no_answer(&error))?;
        let _ = send.finish(); // If the connection is gone, reading says so.
        let bytes =
            receive.read_to_end(FRAME_BYTES_MAX).await.map_err(|error| no_answer(&error))?;
        decode(&bytes).map_err(|error| no_answer(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Answer, Command, Object, Refusal, Step};

    fn check<T>(value: &T, bytes: &[u8])
    where
        T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        assert_eq!(encode(value), bytes, "{value:?}");
        assert_eq!(decode::<T>(bytes).as_ref(), Ok(value));
    }

    /// The first byte is the version of frames; that of what they hold is in the name of the protocol.
    #[test]
    fn the_bytes_of_requests_and_answers_never_change_within_a_version() {
        assert_eq!(CLIENT_ALPN, b"faultline-kv/4");
        let key = || "k".to_string();
        check(&Request::Query(Query::Read { key: key() }), &[2, 0, 0, 1, b'k']);
        let contains = Query::Contains { key: key(), element: -1 };
        check(&Request::Query(contains), &[2, 0, 2, 1, b'k', 1]);
        check(&Request::Propose(Proposal::Register), &[2, 1, 1]);
        let write = Command::Write { key: key(), value: 7 };
        check(&Request::Propose(Proposal::Plain(write)), &[2, 1, 0, 0, 1, b'k', 14]);
        let steps = vec![Step::Read { key: key() }, Step::Append { key: key(), element: 3 }];
        let command = Command::Transaction { steps };
        let once = Proposal::Once { session: 9, sequence: 300, answered: 2, command };
        let bytes = [2, 1, 2, 9, 172, 2, 2, 12, 2, 0, 1, b'k', 2, 1, b'k', 6];
        check(&Request::Propose(once), &bytes);
        check(&Request::Status, &[2, 2]);
        check(&Request::ChangeMembers(MemberChange::Promote(NodeId(4))), &[2, 3, 1, 4]);
        check(&Request::TransferLeadership { to: NodeId(2) }, &[2, 4, 2]);
        check(&Request::QueryHere(Query::Read { key: key() }), &[2, 5, 0, 1, b'k']);

        check(&Response::Outcome(Ok(Answer::Done)), &[2, 0, 0, 0]);
        let list = Answer::Objects(vec![Some(Object::List(vec![1])), None]);
        check(&Response::Outcome(Ok(list)), &[2, 0, 0, 6, 2, 1, 2, 1, 2, 0]);
        check(&Response::Outcome(Err(Refusal::NoSession)), &[2, 0, 1, 6]);
        check(&Response::NotLeader { leader: None }, &[2, 1, 0]);
        check(&Response::Unknown { reason: "why".into() }, &[2, 3, 3, b'w', b'h', b'y']);
        check(&Response::Declined { reason: "no".into() }, &[2, 5, 2, b'n', b'o']);
        let voters = [1, 2].map(NodeId).to_vec();
        let members = Members { index: 300, committed: true, voters, ..Members::default() };
        check(&Response::Changed(members), &[2, 6, 172, 2, 1, 2, 1, 2, 0, 0, 0]);
        check(&Response::HandedOver { term: 9 }, &[2, 7, 9]);
    }
}

//! One client's connections to the nodes, and single attempts over them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use checker::history::EventType;
use node::client::{CallError, Client, Connection, Request, Response, Status};
use node::kv::{Answer, Proposal};
use node::raft::NodeId;
use node::transport::ConnectError;
use tokio::task::JoinHandle;

use super::protocol::{Outcome, Place, classify, wish};
use crate::plan::Operation;

/// One client's connections, at most one to each node.
#[derive(Debug)]
pub(crate) struct Connections {
    client: Client,
    addresses: BTreeMap<String, SocketAddr>,
    /// Whether nodes are to answer reads themselves where they only follow.
    follower_reads: bool,
    open: BTreeMap<String, Connection>,
    /// Handshakes under way.
    dialling: BTreeMap<String, JoinHandle<Result<Connection, ConnectError>>>,
}

impl Connections {
    pub(crate) fn new(client: Client, addresses: BTreeMap<String, SocketAddr>) -> Self {
        let (open, dialling) = (BTreeMap::new(), BTreeMap::new());
        Self { client, addresses, follower_reads: false, open, dialling }
    }

    /// Whoever is asked answers reads, leader or not.
    pub(super) fn with_follower_reads(self, follower_reads: bool) -> Self {
        Self { follower_reads, ..self }
    }

    /// Tries an operation on a node once, within a time limit; a change with its place in a session, if there is one.
    pub(super) async fn attempt(
        &mut self,
        node: &str,
        operation: &Operation,
        place: Option<Place>,
        limit: Duration,
    ) -> Outcome {
        let request = match wish(operation).request(place) {
            Request::Query(query) if self.follower_reads => Request::QueryHere(query),
            request => request,
        };
        match self.call(node, &request, limit).await {
            Ok(response) => classify(operation, response),
            Err((event_type, error)) => Outcome::unanswered(event_type, operation, error),
        }
    }

    /// Opens a session. On failure says why not, as an attempt at `operation` that had no effect.
    pub(super) async fn register(
        &mut self,
        node: &str,
        operation: &Operation,
        limit: Duration,
    ) -> Result<u64, Outcome> {
        let error = match self.call(node, &Request::Propose(Proposal::Register), limit).await {
            Ok(Response::Outcome(Ok(Answer::Session(session)))) => return Ok(session),
            Ok(other @ Response::NotLeader { .. }) => return Err(classify(operation, other)),
            Ok(other) => format!("no session: {other:?}"),
            Err((_, error)) => format!("no session: {error}"),
        };
        Err(Outcome::unanswered(EventType::Fail, operation, error))
    }

    /// Asks a node. On failure says why, and whether the request certainly had no effect (*fail*) or may have had one (*info*).
    pub(crate) async fn call(
        &mut self,
        node: &str,
        request: &Request,
        limit: Duration,
    ) -> Result<Response, (EventType, String)> {
        let deadline = tokio::time::Instant::now() + limit;
        let not_sent = |why: String| (EventType::Fail, format!("not sent: {why}"));
        let connection = tokio::time::timeout_at(deadline, self.connection(node)).await;
        let connection = connection
            .map_err(|_| not_sent("no connection".into()))?
            .map_err(|error| not_sent(error.to_string()))?;
        let (event_type, error) =
            match tokio::time::timeout_at(deadline, connection.call(request)).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error @ CallError::NotSent(_))) => (EventType::Fail, error.to_string()),
                Ok(Err(error @ CallError::NoAnswer(_))) => (EventType::Info, error.to_string()),
                Err(_) => (EventType::Info, "timed out".into()),
            };
        self.forget(node);
        Err((event_type, error))
    }

    /// What a node says about itself, if it answers in time.
    pub(crate) async fn status(&mut self, node: &str, limit: Duration) -> Option<Status> {
        let asked = async {
            let connection = self.connection(node).await.ok()?;
            match connection.call(&Request::Status).await {
                Ok(Response::Status(status)) => Some(*status),
                _ => None,
            }
        };
        let status = tokio::time::timeout(limit, asked).await.ok().flatten();
        if status.is_none() {
            self.forget(node);
        }
        status
    }

    /// A handshake that takes longer than its attempt goes on, for the next.
    async fn connection(&mut self, node: &str) -> Result<Connection, ConnectError> {
        if let Some(connection) = self.open.get(node).filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let dialling = self.dialling.entry(node.to_string()).or_insert_with(|| {
            let (client, address) = (self.client.clone(), self.addresses[node]);
            let id: NodeId = node.parse().expect("nodes are named by us");
            tokio::spawn(async move { client.connect(address, id).await })
        });
        let dialled = dialling.await.expect("no handshake panics");
        self.dialling.remove(node);
        let connection = dialled?;
        self.open.insert(node.to_string(), connection.clone());
        Ok(connection)
    }

    fn forget(&mut self, node: &str) {
        if let Some(connection) = self.open.remove(node) {
            connection.close();
        }
    }
}

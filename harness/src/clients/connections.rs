//! The client protocol of our own node: sessions, and the classification of outcomes.
//!
//! *fail* is recorded only where it is certain that the operation has no effect: the node said so, or the request never left.
//! Whatever else went wrong after it left is *info*: nobody knows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use checker::history::EventType;
use node::client::{CallError, Client, Request, Response, Session, Status};
use node::raft::NodeId;
use serde_json::{Value, json};

/// An operation of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Read { key: String },
    Write { key: String, value: i64 },
    Cas { key: String, old: Option<i64>, new: i64 },
}

impl Operation {
    /// Its name in the history.
    pub(crate) fn f(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Cas { .. } => "cas",
        }
    }

    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Read { key } | Self::Write { key, .. } | Self::Cas { key, .. } => key,
        }
    }

    /// The value of its invocation in the history.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Read { .. } => Value::Null,
            Self::Write { value, .. } => json!(value),
            Self::Cas { old, new, .. } => json!([old, new]),
        }
    }

    fn request(&self) -> Request {
        match self.clone() {
            Self::Read { key } => Request::Read { key },
            Self::Write { key, value } => Request::Write { key, value },
            Self::Cas { key, old, new } => Request::Cas { key, old, new },
        }
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) event_type: EventType,
    pub(crate) value: Value,
    pub(crate) error: Option<String>,
    /// The leader that the node named.
    pub(crate) leader: Option<String>,
}

impl Outcome {
    fn new(event_type: EventType, value: Value) -> Self {
        Self { event_type, value, error: None, leader: None }
    }

    fn error(event_type: EventType, operation: &Operation, error: impl Into<String>) -> Self {
        let error = Some(error.into());
        Self { event_type, value: operation.value(), error, leader: None }
    }

    /// The value that the key certainly had at the end of the operation, where that is known.
    pub(crate) fn seen(&self, operation: &Operation) -> Option<Option<i64>> {
        match (self.event_type, operation) {
            (EventType::Ok, Operation::Read { .. }) => Some(self.value.as_i64()),
            (EventType::Ok, Operation::Write { value, .. }) => Some(Some(*value)),
            (EventType::Ok, Operation::Cas { new, .. }) => Some(Some(*new)),
            _ => None,
        }
    }
}

/// What a node's answer means for the history.
fn classify(operation: &Operation, response: Response) -> Outcome {
    match (response, operation) {
        (Response::Value(value), Operation::Read { .. }) => {
            Outcome::new(EventType::Ok, json!(value))
        }
        (Response::Done, Operation::Write { .. } | Operation::Cas { .. }) => {
            Outcome::new(EventType::Ok, operation.value())
        }
        (Response::Mismatch, Operation::Cas { .. }) => {
            Outcome::error(EventType::Fail, operation, "mismatch")
        }
        (Response::NotLeader { leader }, _) => {
            let leader = leader.map(|(id, _)| id.to_string());
            let error = match &leader {
                Some(leader) => format!("not the leader, {leader} is"),
                None => "not the leader, and knows none".into(),
            };
            Outcome { leader, ..Outcome::error(EventType::Fail, operation, error) }
        }
        (Response::Refused { reason }, _) => Outcome::error(EventType::Fail, operation, reason),
        (Response::Unknown { reason }, _) => Outcome::error(EventType::Info, operation, reason),
        // An answer to another question: nobody knows what the node did.
        (other, _) => {
            Outcome::error(EventType::Info, operation, format!("unexpected answer {other:?}"))
        }
    }
}

/// One client's connections, at most one to each node.
#[derive(Debug)]
pub(crate) struct Sessions {
    client: Client,
    addresses: BTreeMap<String, SocketAddr>,
    open: BTreeMap<String, Session>,
}

impl Sessions {
    pub(crate) fn new(client: Client, addresses: BTreeMap<String, SocketAddr>) -> Self {
        Self { client, addresses, open: BTreeMap::new() }
    }

    /// Carries out an operation on a node within a time limit.
    pub(crate) async fn perform(
        &mut self,
        node: &str,
        operation: &Operation,
        limit: Duration,
    ) -> Outcome {
        let deadline = tokio::time::Instant::now() + limit;
        let session = match tokio::time::timeout_at(deadline, self.session(node)).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => {
                return Outcome::error(EventType::Fail, operation, format!("not sent: {error}"));
            }
            Err(_) => return Outcome::error(EventType::Fail, operation, "not sent: no connection"),
        };
        let request = operation.request();
        match tokio::time::timeout_at(deadline, session.call(&request)).await {
            Ok(Ok(response)) => classify(operation, response),
            Ok(Err(error @ CallError::NotSent(_))) => {
                self.forget(node);
                Outcome::error(EventType::Fail, operation, error.to_string())
            }
            Ok(Err(error)) => {
                self.forget(node);
                Outcome::error(EventType::Info, operation, error.to_string())
            }
            Err(_) => {
                self.forget(node);
                Outcome::error(EventType::Info, operation, "timed out")
            }
        }
    }

    /// What a node says about itself, if it answers in time.
    pub(crate) async fn status(&mut self, node: &str, limit: Duration) -> Option<Status> {
        let asked = async {
            let session = self.session(node).await.ok()?;
            match session.call(&Request::Status).await {
                Ok(Response::Status(status)) => Some(status),
                _ => None,
            }
        };
        let status = tokio::time::timeout(limit, asked).await.ok().flatten();
        if status.is_none() {
            self.forget(node);
        }
        status
    }

    async fn session(&mut self, node: &str) -> Result<Session, node::transport::ConnectError> {
        if let Some(session) = self.open.get(node).filter(|session| !session.is_closed()) {
            return Ok(session.clone());
        }
        let id: NodeId = node.parse().expect("nodes are named by us");
        let session = self.client.connect(self.addresses[node], id).await?;
        self.open.insert(node.to_string(), session.clone());
        Ok(session)
    }

    fn forget(&mut self, node: &str) {
        if let Some(session) = self.open.remove(node) {
            session.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        "k1".into()
    }

    fn check(operation: Operation, response: Response, event_type: EventType, value: Value) {
        let outcome = classify(&operation, response.clone());
        assert_eq!((outcome.event_type, outcome.value), (event_type, value), "{response:?}");
    }

    #[test]
    fn every_answer_has_its_outcome() {
        let read = || Operation::Read { key: key() };
        let write = || Operation::Write { key: key(), value: 7 };
        let cas = || Operation::Cas { key: key(), old: None, new: 8 };
        let reason = || "why".to_string();
        check(read(), Response::Value(Some(3)), EventType::Ok, json!(3));
        check(read(), Response::Value(None), EventType::Ok, Value::Null);
        check(write(), Response::Done, EventType::Ok, json!(7));
        check(cas(), Response::Done, EventType::Ok, json!([null, 8]));
        check(cas(), Response::Mismatch, EventType::Fail, json!([null, 8]));
        check(write(), Response::NotLeader { leader: None }, EventType::Fail, json!(7));
        check(read(), Response::Refused { reason: reason() }, EventType::Fail, Value::Null);
        check(write(), Response::Unknown { reason: reason() }, EventType::Info, json!(7));
        // Nonsense is never taken for success or failure.
        check(write(), Response::Value(Some(7)), EventType::Info, json!(7));
        check(read(), Response::Done, EventType::Info, Value::Null);
        check(write(), Response::Mismatch, EventType::Info, json!(7));
    }

    #[test]
    fn a_mismatch_is_named_and_a_hint_is_kept() {
        let cas = Operation::Cas { key: key(), old: Some(1), new: 2 };
        assert_eq!(classify(&cas, Response::Mismatch).error.as_deref(), Some("mismatch"));
        let leader = Some((NodeId(2), SocketAddr::from(([127, 0, 0, 1], 1))));
        assert_eq!(classify(&cas, Response::NotLeader { leader }).leader.as_deref(), Some("n2"));
    }
}

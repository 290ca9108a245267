//! The client protocol, and an async client.
//!
//! A request is one bidirectional stream: the request in one frame, the answer in one frame. The client never repeats a request by itself:
//! a repeated write is a second write, and only the caller knows whether that is wanted.

use std::net::SocketAddr;
use std::path::Path;

use quinn::{ClientConfig, Connection, Endpoint};
use serde::{Deserialize, Serialize};

use crate::raft::NodeId;
use crate::transport::{self, CLIENT_ALPN, FRAME_BYTES_MAX, Identity, decode, encode};

/// What a client may ask of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A linearizable read.
    Read {
        /// The key.
        key: String,
    },
    /// Sets a key.
    Write {
        /// The key.
        key: String,
        /// The new value.
        value: i64,
    },
    /// Sets a key if it holds the expected value.
    Cas {
        /// The key.
        key: String,
        /// What it must hold; nothing stands for a missing key.
        old: Option<i64>,
        /// What it then holds.
        new: i64,
    },
    /// What the node is; answered at once by any node.
    Status,
}

/// What a node answers. Every answer but [`Response::Unknown`] is definite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The value of the key that was read.
    Value(Option<i64>),
    /// The write or cas took effect.
    Done,
    /// The cas found another value than it expected, and changed nothing.
    Mismatch,
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
    /// The write or cas was begun, and nobody knows whether it will take effect.
    Unknown {
        /// Why.
        reason: String,
    },
    /// What the node is.
    Status(Status),
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
    /// Whom it follows, or itself.
    pub leader: Option<NodeId>,
    /// Its commit index; all of it is applied.
    pub commit: u64,
    /// The last index of its log.
    pub last_index: u64,
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
    ) -> Result<Session, transport::ConnectError> {
        let name = node.to_string();
        let connection =
            transport::connect(&self.endpoint, self.config.clone(), address, &name).await?;
        Ok(Session { connection })
    }
}

/// A connection to one node.
#[derive(Clone, Debug)]
pub struct Session {
    connection: Connection,
}

impl Session {
    /// Whether the connection is known to be gone.
    pub fn is_closed(&self) -> bool {
        self.connection.close_reason().is_some()
    }

    /// Closes the connection: whatever is under way gets no answer.
    pub fn close(&self) {
        self.connection.close(0u32.into(), b"client gone");
    }

    /// Sends a request and waits for the answer. Without a time limit: that is the caller's.
    pub async fn call(&self, request: &Request) -> Result<Response, CallError> {
        let (mut send, mut receive) =
            self.connection.open_bi().await.map_err(CallError::NotSent)?;
        let no_answer = |error: &dyn std::fmt::Display| CallError::NoAnswer(error.to_string());
        send.write_all(&encode(request)).await.map_err(|error| no_answer(&error))?;
        let _ = send.finish(); // If the connection is gone, reading says so.
        let bytes =
            receive.read_to_end(FRAME_BYTES_MAX).await.map_err(|error| no_answer(&error))?;
        decode(&bytes).map_err(|error| no_answer(&error))
    }
}

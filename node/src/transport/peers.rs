//! Sending to peers, and receiving from them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, ReadToEndError};
use rustls::pki_types::CertificateDer;
use tokio::task::JoinSet;

use super::endpoint::{ConnectError, PEER_ALPN, client_config, connect, refusal, widen};
use super::frame::{FRAME_BYTES_MAX, decode, encode};
use super::outbox::Outbox;
use super::{Error, Identity};
use crate::raft::{Body, Message, NodeId};
use crate::trace::Event;

/// Pause after a connection was lost, or refused.
const REDIAL_PAUSE: Duration = Duration::from_millis(50);
/// An attempt to connect is begun so often until one succeeds.
const DIAL_EVERY: Duration = Duration::from_millis(150);
/// A connection on which nothing at all came back for so long is dropped: acknowledgements of keep-alives come several
/// times as often on any link that works.
const SILENCE_MAX: Duration = Duration::from_millis(700);
const SILENCE_CHECK: Duration = Duration::from_millis(100);

/// Why somebody of our authority is turned away.
const NOT_A_PEER: &str = "not a peer's certificate";
/// Of several streams of a connection those of higher priority are sent first; messages have 0.
const SNAPSHOT_PRIORITY: i32 = -1;

/// The sending side: a connection to each peer, kept up by a task of its own for as long as this lives.
#[derive(Debug)]
pub struct Peers {
    outboxes: BTreeMap<NodeId, Arc<Outboxes>>,
    _links: JoinSet<()>,
}

/// What waits for one peer. Pieces of snapshots have their own: a large one on a slow link must not hold up the heartbeats that say it is worth waiting for.
#[derive(Debug, Default)]
struct Outboxes {
    messages: Outbox,
    snapshots: Outbox,
}

impl Peers {
    /// Begins to dial every peer, for ever, and tells `refused` of each dial that fails for a certificate. Must be called within a tokio runtime.
    pub fn dial(
        endpoint: &Endpoint,
        identity: &Identity,
        addresses: &BTreeMap<NodeId, SocketAddr>,
        refused: impl Fn(Event) + Clone + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let config = client_config(identity, PEER_ALPN)?;
        let (mut outboxes, mut links) = (BTreeMap::new(), JoinSet::new());
        for (peer, address) in addresses {
            let waiting = Arc::<Outboxes>::default();
            let link = Link {
                endpoint: endpoint.clone(),
                config: config.clone(),
                peer: *peer,
                address: *address,
                outboxes: waiting.clone(),
            };
            links.spawn(link.keep_up(refused.clone()));
            outboxes.insert(*peer, waiting);
        }
        Ok(Self { outboxes, _links: links })
    }

    /// Whether it was said where this peer is.
    pub fn knows(&self, peer: NodeId) -> bool {
        self.outboxes.contains_key(&peer)
    }

    /// Sends a message, or drops it: there is no promise that it arrives.
    pub fn send(&self, to: NodeId, message: Message) {
        let Some(outboxes) = self.outboxes.get(&to) else { return };
        match message.body {
            Body::InstallSnapshot { .. } => outboxes.snapshots.push(message),
            _ => outboxes.messages.push(message),
        }
    }
}

/// The way to one peer.
struct Link {
    endpoint: Endpoint,
    config: ClientConfig,
    peer: NodeId,
    address: SocketAddr,
    outboxes: Arc<Outboxes>,
}

impl Link {
    async fn keep_up(self, refused: impl Fn(Event)) {
        loop {
            match self.dial().await {
                Ok(connection) => {
                    tracing::debug!(peer = %self.peer, "connected");
                    self.send_all(&connection).await;
                    tracing::debug!(peer = %self.peer, "connection lost");
                    self.maybe_refused(connection.close_reason().as_ref(), &refused);
                }
                Err(error) => {
                    tracing::trace!(peer = %self.peer, %error, "cannot connect");
                    if let ConnectError::Handshake(error) = &error {
                        self.maybe_refused(Some(error), &refused);
                    }
                }
            }
            tokio::time::sleep(REDIAL_PAUSE).await;
            self.forget();
        }
    }

    /// Dials until there is a connection, or a reason why there will be none but that nobody answered.
    ///
    /// Several attempts are under way at a time: one that goes unanswered repeats itself at doubling intervals, and would find out about a heal late.
    async fn dial(&self) -> Result<Connection, ConnectError> {
        let mut attempts = JoinSet::new();
        let mut next = tokio::time::interval(DIAL_EVERY);
        loop {
            tokio::select! {
                _ = next.tick() => drop(attempts.spawn(self.attempt())),
                Some(ended) = attempts.join_next() => match ended.expect("a dial neither panics nor is aborted") {
                    Err(ConnectError::TimedOut) => self.forget(),
                    ended => return ended,
                },
            }
        }
    }

    fn attempt(&self) -> impl Future<Output = Result<Connection, ConnectError>> + 'static {
        let (endpoint, config) = (self.endpoint.clone(), self.config.clone());
        let (address, name) = (self.address, self.peer.to_string());
        async move { connect(&endpoint, config, address, &name).await }
    }

    /// What waited for a connection is out of date: Raft sends what matters again.
    fn forget(&self) {
        self.outboxes.messages.clear();
        self.outboxes.snapshots.clear();
    }

    /// Tells of a connection that was lost for a certificate.
    fn maybe_refused(&self, error: Option<&ConnectionError>, refused: &impl Fn(Event)) {
        if let Some(reason) = error.and_then(refusal) {
            let (address, dialled) = (self.address, Some(self.peer));
            refused(Event::ConnectionRefused { address, dialled, reason });
        }
    }

    /// Sends until the connection is lost, or falls silent.
    async fn send_all(&self, connection: &Connection) {
        tokio::select! {
            () = send_each(connection, &self.outboxes.messages, 0) => {}
            () = send_each(connection, &self.outboxes.snapshots, SNAPSHOT_PRIORITY) => {}
            () = silence(connection) => connection.close(0u32.into(), b"silent"),
        }
    }
}

/// Sends what is in an outbox, one message after the other, until the connection is lost.
async fn send_each(connection: &Connection, outbox: &Outbox, priority: i32) {
    while send(connection, &outbox.pop().await, priority).await.is_ok() {}
}

async fn send(
    connection: &Connection,
    message: &Message,
    priority: i32,
) -> Result<(), quinn::WriteError> {
    let mut stream = connection.open_uni().await?;
    let _ = stream.set_priority(priority); // An error says that the connection is gone, which the next call will find.
    stream.write_all(&encode(message)).await?;
    let _ = stream.finish();
    Ok(())
}

/// Returns when no datagram came back for `SILENCE_MAX`, or the connection is closed.
pub async fn silence(connection: &Connection) {
    let mut received = connection.stats().udp_rx.datagrams;
    let mut silent = Duration::ZERO;
    while silent < SILENCE_MAX && connection.close_reason().is_none() {
        tokio::time::sleep(SILENCE_CHECK).await;
        let now = connection.stats().udp_rx.datagrams;
        silent = if now == received { silent + SILENCE_CHECK } else { Duration::ZERO };
        received = now;
    }
}

/// Receives the messages of an accepted connection and hands each to `deliver`, until the connection is lost.
///
/// A connection whose certificate is not a peer's is refused, and `refused` told of it. A frame that is not one of ours is dropped: what a peer sends must not
/// end this node.
pub async fn serve_peer(
    connection: Connection,
    identity: Arc<Identity>,
    deliver: impl Fn(NodeId, Message) + Clone + Send + Sync + 'static,
    refused: impl Fn(Event),
) {
    let Some(peer) = peer_of(&connection, &identity) else {
        let (address, dialled) = (connection.remote_address(), None);
        tracing::warn!(%address, "refused: not a peer's certificate");
        refused(Event::ConnectionRefused { address, dialled, reason: NOT_A_PEER.into() });
        connection.close(1u32.into(), NOT_A_PEER.as_bytes());
        return;
    };
    widen(&connection);
    while let Ok(mut stream) = connection.accept_uni().await {
        let deliver = deliver.clone();
        // Streams are read side by side: one that waits for a lost packet does not hold up the others.
        tokio::spawn(async move {
            let bytes = match stream.read_to_end(FRAME_BYTES_MAX).await {
                Ok(bytes) => bytes,
                Err(ReadToEndError::TooLong) => {
                    tracing::warn!(%peer, "dropped a frame of more than {FRAME_BYTES_MAX} bytes");
                    return;
                }
                Err(ReadToEndError::Read(_)) => return,
            };
            match decode(&bytes) {
                Ok(message) => deliver(peer, message),
                Err(error) => tracing::warn!(%peer, %error, "dropped a frame"),
            }
        });
    }
}

fn peer_of(connection: &Connection, identity: &Identity) -> Option<NodeId> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    identity.peer(chain.first()?)
}

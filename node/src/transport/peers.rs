//! Sending to peers, and receiving from them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, Connection, Endpoint, ReadToEndError};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use super::endpoint::{PEER_ALPN, client_config, connect};
use super::frame::{FRAME_BYTES_MAX, decode, encode};
use super::{Error, Identity};
use crate::raft::{Message, NodeId};

/// Messages that may wait for one peer. Beyond it they are dropped, which Raft must bear anyway.
const OUTBOX_MESSAGES_MAX: usize = 1_024;
/// Pause between two dials.
const REDIAL_PAUSE: Duration = Duration::from_millis(50);
/// A connection on which nothing at all came back for so long is dropped: acknowledgements of keep-alives come several
/// times as often on any link that works.
const SILENCE_MAX: Duration = Duration::from_millis(700);
const SILENCE_CHECK: Duration = Duration::from_millis(100);

/// The sending side: one connection and one outbox a peer, each kept up by a task of its own.
#[derive(Debug)]
pub struct Peers {
    outboxes: BTreeMap<NodeId, mpsc::Sender<Message>>,
}

impl Peers {
    /// Begins to dial every peer, for ever. Must be called within a tokio runtime.
    pub fn dial(
        endpoint: &Endpoint,
        identity: &Identity,
        addresses: &BTreeMap<NodeId, SocketAddr>,
    ) -> Result<Self, Error> {
        let config = client_config(identity, PEER_ALPN)?;
        let mut outboxes = BTreeMap::new();
        for (peer, address) in addresses {
            let (sender, outbox) = mpsc::channel(OUTBOX_MESSAGES_MAX);
            let link = Link {
                endpoint: endpoint.clone(),
                config: config.clone(),
                peer: *peer,
                address: *address,
            };
            tokio::spawn(link.keep_up(outbox));
            outboxes.insert(*peer, sender);
        }
        Ok(Self { outboxes })
    }

    /// Whether it was said where this peer is.
    pub fn knows(&self, peer: NodeId) -> bool {
        self.outboxes.contains_key(&peer)
    }

    /// Sends a message, or drops it: there is no promise that it arrives.
    pub fn send(&self, to: NodeId, message: Message) {
        if let Some(outbox) = self.outboxes.get(&to) {
            let _ = outbox.try_send(message);
        }
    }
}

/// The way to one peer.
struct Link {
    endpoint: Endpoint,
    config: ClientConfig,
    peer: NodeId,
    address: SocketAddr,
}

impl Link {
    async fn keep_up(self, mut outbox: mpsc::Receiver<Message>) {
        loop {
            let name = self.peer.to_string();
            match connect(&self.endpoint, self.config.clone(), self.address, &name).await {
                Ok(connection) => {
                    tracing::debug!(peer = %self.peer, "connected");
                    if send_all(&connection, &mut outbox).await.is_shutdown() {
                        return;
                    }
                    tracing::debug!(peer = %self.peer, "connection lost");
                }
                Err(error) => tracing::trace!(peer = %self.peer, %error, "cannot connect"),
            }
            tokio::time::sleep(REDIAL_PAUSE).await;
            // What waited for a connection is out of date: Raft sends what matters again.
            while outbox.try_recv().is_ok() {}
        }
    }
}

/// Why sending ended.
enum Ended {
    ConnectionLost,
    Shutdown,
}

impl Ended {
    fn is_shutdown(&self) -> bool {
        matches!(self, Self::Shutdown)
    }
}

/// Sends until the connection is lost, or falls silent.
async fn send_all(connection: &Connection, outbox: &mut mpsc::Receiver<Message>) -> Ended {
    let silence = silence(connection);
    tokio::pin!(silence);
    loop {
        let message = tokio::select! {
            message = outbox.recv() => message,
            () = &mut silence => {
                connection.close(0u32.into(), b"silent");
                return Ended::ConnectionLost;
            }
        };
        let Some(message) = message else { return Ended::Shutdown };
        tokio::select! {
            sent = send(connection, &message) => if sent.is_err() { return Ended::ConnectionLost },
            () = &mut silence => {
                connection.close(0u32.into(), b"silent");
                return Ended::ConnectionLost;
            }
        }
    }
}

async fn send(connection: &Connection, message: &Message) -> Result<(), quinn::WriteError> {
    let mut stream = connection.open_uni().await?;
    stream.write_all(&encode(message)).await?;
    let _ = stream.finish(); // An error says that the connection is gone, which the next message will find.
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
/// A connection whose certificate is not a peer's is refused. A frame that is not one of ours is dropped: what a peer sends must not
/// end this node.
pub async fn serve_peer(
    connection: Connection,
    identity: Arc<Identity>,
    deliver: impl Fn(NodeId, Message) + Clone + Send + Sync + 'static,
) {
    let Some(peer) = peer_of(&connection, &identity) else {
        tracing::warn!(address = %connection.remote_address(), "refused: not a peer's certificate");
        connection.close(1u32.into(), b"not a peer");
        return;
    };
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

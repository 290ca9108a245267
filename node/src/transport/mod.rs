//! Messages between nodes, and requests of clients, over QUIC with mutual TLS.
//!
//! One UDP endpoint a node serves peers and clients and dials the peers, so that every datagram of a node comes from one address.
//! Each pair of nodes has two connections: each node sends its messages on the one that it opened. Every message has a
//! stream of its own, so that a lost packet holds up one message and not those behind it. Pieces of snapshots are sent beside the others and give way to them.

mod certificates;
mod endpoint;
mod frame;
mod outbox;
mod peers;

pub use self::certificates::{Authority, Identity};
pub(crate) use self::endpoint::refusal;
pub use self::endpoint::{
    CLIENT_ALPN, ConnectError, PEER_ALPN, client_config, connect, dialing, listening,
};
pub use self::frame::{FRAME_BYTES_MAX, FrameError, decode, encode};
pub use self::peers::{Peers, serve_peer, silence};

/// What can go wrong before a node can be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or key cannot be used.
    #[error("certificate {}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS refuses the configuration.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("making a certificate: {0}")]
    Mint(#[from] rcgen::Error),
    /// The socket cannot be opened.
    #[error("socket {address}: {source}")]
    Socket {
        /// The address that was asked for.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

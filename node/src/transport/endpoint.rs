//! QUIC endpoints with settings for links that are cut and healed.
//!
//! With the library's defaults a link can stay silent for up to half the length of a cut after it is healed: the first
//! heartbeats fill the congestion window, and then only probes go out, at doubling intervals. So the window is fixed, and a connection on
//! which nothing comes back is dropped and dialled anew (`peers.rs`).

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, ConnectionError, Endpoint, EndpointConfig, ServerConfig, TransportConfig,
    TransportErrorCode, VarInt,
};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;

use super::{Error, Identity};

/// The protocol between nodes.
pub const PEER_ALPN: &[u8] = b"faultline-raft/1";
/// The protocol between clients and nodes.
pub const CLIENT_ALPN: &[u8] = b"faultline-kv/4";

/// A dial is given up after this. Long enough for a handshake over a link with 300 ms each way; short enough
/// that the attempt which a heal interrupts does not keep us waiting.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(800);
/// A guess of the round trip before the first measurement: it sets the pace of the first retransmissions.
const INITIAL_RTT: Duration = Duration::from_millis(20);
/// A connection without a sign of life for so long is lost. Bounds how long a client waits on a dead node's connection.
const IDLE_TIMEOUT_MS: u32 = 3_000;
/// A sign of life at least so often, so that silence means something.
const KEEP_ALIVE: Duration = Duration::from_millis(200);
/// Bytes in flight. More than a cut of any length can fill with Raft's bounded outboxes.
const WINDOW_BYTES: u64 = 4 * 1024 * 1024;
/// Streams that whoever dialled may have open at once: requests of a client under way. The library keeps some hundred bytes for each from the beginning, so that
/// thousands would cost more than all else that a connection does.
const STREAMS_MAX: u32 = 256;
/// Messages of a peer under way: what fits into a slow link (300 ms each way) at some thousand messages a second.
const PEER_STREAMS_MAX: u32 = 4_096;

/// Why a node could not be reached. Nothing was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The dial could not even be begun.
    #[error("cannot dial: {0}")]
    Dial(#[from] quinn::ConnectError),
    /// The handshake failed.
    #[error("handshake failed: {0}")]
    Handshake(#[from] ConnectionError),
    /// Nobody answered in time.
    #[error("no answer within {} ms", CONNECT_TIMEOUT.as_millis())]
    TimedOut,
}

/// An endpoint that accepts peers and clients of the run, and can dial.
pub fn listening(address: SocketAddr, identity: &Identity) -> Result<Endpoint, Error> {
    let server = server_config(identity)?;
    endpoint(address, restart_config(identity), Some(server))
}

/// An endpoint that only dials.
pub fn dialing() -> Result<Endpoint, Error> {
    endpoint(SocketAddr::from(([127, 0, 0, 1], 0)), EndpointConfig::default(), None)
}

/// Lets peers learn of a restart at once: the restarted node answers packets of connections that it has forgotten with a stateless reset
/// that the peer believes. For that, reset key and connection ids must be those of the earlier incarnation; both are
/// derived from the node's private key, which is the same for the whole run.
fn restart_config(identity: &Identity) -> EndpointConfig {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, identity.key.secret_der());
    let reset_key = hmac::sign(&secret, b"faultline stateless reset");
    let ids = hmac::sign(&secret, b"faultline connection ids");
    let mut id_key = [0; 8];
    id_key.copy_from_slice(&ids.as_ref()[..8]);
    let mut config =
        EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, reset_key.as_ref())));
    config.cid_generator(move || {
        Box::new(HashedConnectionIdGenerator::from_key(u64::from_le_bytes(id_key)))
    });
    config
}

/// Dials the node that calls itself `name`.
pub async fn connect(
    endpoint: &Endpoint,
    config: ClientConfig,
    address: SocketAddr,
    name: &str,
) -> Result<quinn::Connection, ConnectError> {
    let connecting = endpoint.connect_with(config, address, name)?;
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connection) => Ok(connection?),
        Err(_) => Err(ConnectError::TimedOut),
    }
}

fn endpoint(
    address: SocketAddr,
    config: EndpointConfig,
    server: Option<ServerConfig>,
) -> Result<Endpoint, Error> {
    let socket_error = |source| Error::Socket { address, source };
    let socket = std::net::UdpSocket::bind(address).map_err(socket_error)?;
    let runtime = Arc::new(quinn::TokioRuntime);
    Endpoint::new(config, server, socket, runtime).map_err(socket_error)
}

fn server_config(identity: &Identity) -> Result<ServerConfig, Error> {
    let provider = provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(identity)?.into(), provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    tls.alpn_protocols = vec![PEER_ALPN.to_vec(), CLIENT_ALPN.to_vec()];
    let crypto = QuicServerConfig::try_from(tls)
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport_config(STREAMS_MAX));
    config.migration(false); // Each link has one address; a datagram from elsewhere is a mistake.
    Ok(config)
}

/// Why a connection failed, if it was for a certificate that one end does not accept.
pub(crate) fn refusal(error: &ConnectionError) -> Option<String> {
    // A code of 0x100 and more stands for an alert of TLS (RFC 9001, 4.8).
    let is_alert = |code: TransportErrorCode| (0x100..0x200).contains(&u64::from(code));
    match error {
        ConnectionError::TransportError(error) if is_alert(error.code) => Some(error.to_string()),
        ConnectionError::ConnectionClosed(close) if is_alert(close.error_code) => {
            Some(close.to_string())
        }
        _ => None,
    }
}

/// How to dial a node of the run, as a peer or as a client.
///
/// # Errors
///
/// If the identity's certificate and key do not belong together, or cannot be used.
pub fn client_config(identity: &Identity, alpn: &[u8]) -> Result<ClientConfig, Error> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(identity)?)
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    tls.alpn_protocols = vec![alpn.to_vec()];
    let crypto = QuicClientConfig::try_from(tls)
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    // Who is dialled opens none.
    config.transport_config(transport_config(0));
    Ok(config)
}

/// Lets an accepted peer have as many messages under way as a peer needs.
pub(super) fn widen(connection: &quinn::Connection) {
    connection.set_max_concurrent_uni_streams(PEER_STREAMS_MAX.into());
}

/// Always named: with a second provider in the build, the default would be a panic at run time.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(identity: &Identity) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.authority.clone())?;
    Ok(roots)
}

fn transport_config(streams_max: u32) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .initial_rtt(INITIAL_RTT)
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT_MS).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(streams_max.into())
        .max_concurrent_uni_streams(streams_max.into())
        .congestion_controller_factory(Arc::new(FixedWindow));
    Arc::new(config)
}

/// No congestion control: a test cluster's links lose packets because we drop them, and slowing down would turn
/// a little loss into an outage of the transport.
#[derive(Clone, Debug)]
struct FixedWindow;

impl ControllerFactory for FixedWindow {
    fn build(self: Arc<Self>, _now: Instant, _mtu: u16) -> Box<dyn Controller> {
        Box::new(Self)
    }
}

impl Controller for FixedWindow {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}

    fn on_mtu_update(&mut self, _: u16) {}

    fn window(&self) -> u64 {
        WINDOW_BYTES
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        WINDOW_BYTES
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

//! A UDP socket that keeps ECN marks and takes and gives datagrams in batches.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::NO_PANIC;

/// The largest batch of datagrams that the kernel hands over as one (GRO), in bytes.
const BATCH_BYTES_MAX: usize = 65_535;
/// The largest one that it takes (GSO): what fits into one UDP datagram.
const SEND_BYTES_MAX: usize = 65_507;
/// Batches that are received with one call.
const BATCHES: usize = 16;
/// Asked of the kernel, which gives what it allows. A burst should not be lost in our sockets.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// A port that was free a moment ago may be taken; so often we look for another.
const BIND_TRIES: u32 = 20;
/// How long the kernel's refusal is waited for. It comes with the call that sends, or never.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(20);

/// A socket on the loopback interface.
#[derive(Debug)]
pub(super) struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
    /// How many faults want that the kernel refuses what comes in.
    refusing: Mutex<u32>,
}

/// Buffers to receive into.
pub(super) struct Inbox {
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCHES],
    count: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        // Memory that is never written to costs nothing, and most batches are small.
        let buffers = vec![0; BATCHES * BATCH_BYTES_MAX];
        Self { buffers, metas: [RecvMeta::default(); BATCHES], count: 0 }
    }

    /// What was received, batch by batch.
    pub(super) fn batches(&self) -> impl Iterator<Item = Batch<'_>> {
        let received = self.metas.iter().take(self.count);
        received.zip(self.buffers.chunks(BATCH_BYTES_MAX)).map(|(meta, buffer)| Batch {
            source: meta.addr,
            ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
            bytes: &buffer[..meta.len],
            stride: meta.stride.max(1),
        })
    }
}

/// Datagrams from one source, all as long but for the last, which may be shorter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch<'a> {
    pub(super) source: SocketAddr,
    pub(super) ecn: u8,
    pub(super) bytes: &'a [u8],
    /// The length of each.
    pub(super) stride: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.stride).max(1)
    }

    /// One by one. An empty datagram is one, too.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Self { bytes, stride, .. } = *self;
        let end = move |place: usize| ((place + 1) * stride).min(bytes.len());
        (0..self.count()).map(move |place| &bytes[place * stride..end(place)])
    }
}

impl Port {
    pub(super) fn open() -> io::Result<Self> {
        let socket = bind()?;
        let state = UdpSocketState::new((&socket).into())?;
        // What the kernel does not allow, we do without.
        let _ = state.set_recv_buffer_size((&socket).into(), BUFFER_BYTES);
        let _ = state.set_send_buffer_size((&socket).into(), BUFFER_BYTES);
        let address = socket.local_addr()?;
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self { socket, state, address, refusing: Mutex::new(0) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for datagrams and receives as many as there are and fit.
    pub(super) async fn receive(&self, inbox: &mut Inbox) -> io::Result<()> {
        loop {
            self.socket.readable().await?;
            let mut slices = inbox.buffers.chunks_mut(BATCH_BYTES_MAX);
            let mut slices: [IoSliceMut<'_>; BATCHES] =
                std::array::from_fn(|_| IoSliceMut::new(slices.next().unwrap_or_default()));
            let mut received = None;
            let receive = || {
                let count =
                    self.state.recv((&self.socket).into(), &mut slices, &mut inbox.metas)?;
                received = Some(count);
                // There was no more: to say so saves the call that would find that out. What comes from now on wakes us.
                if count < BATCHES { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            };
            let ended = self.socket.try_io(Interest::READABLE, receive);
            match (received, ended) {
                (Some(count), _) => {
                    inbox.count = count;
                    return Ok(());
                }
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Err(error);
                }
                (None, _) => {}
            }
        }
    }

    /// How many datagrams of this length can be sent with one call.
    pub(super) fn send_max(&self, bytes: usize) -> usize {
        (SEND_BYTES_MAX / bytes.max(1)).min(self.state.max_gso_segments())
    }

    /// Sends datagrams of `stride` bytes, of which the last may be shorter. False if they are lost: the buffer is full.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8], stride: usize, ecn: u8) -> bool {
        let transmit = Transmit {
            destination: to,
            ecn: EcnCodepoint::from_bits(ecn),
            contents: bytes,
            segment_size: (bytes.len() > stride).then_some(stride),
            src_ip: None,
        };
        self.state.try_send((&self.socket).into(), &transmit).is_ok()
    }

    /// Makes the kernel answer what is sent to this port as if it were closed. The socket is connected to itself: whatever
    /// comes from elsewhere then has no receiver, while the port stays ours and can still send.
    pub(super) fn refuse(&self) -> io::Result<()> {
        let mut refusing = self.refusing.lock().expect(NO_PANIC);
        if *refusing == 0 {
            rustix::net::connect(&self.socket, &self.address)?;
        }
        *refusing += 1;
        Ok(())
    }

    /// Takes back one [`Port::refuse`].
    pub(super) fn accept(&self) -> io::Result<()> {
        let mut refusing = self.refusing.lock().expect(NO_PANIC);
        *refusing = refusing.saturating_sub(1);
        if *refusing == 0 {
            rustix::net::connect_unspec(&self.socket)?;
        }
        Ok(())
    }

    pub(super) fn is_refusing(&self) -> bool {
        *self.refusing.lock().expect(NO_PANIC) > 0
    }

    /// Sends a datagram here and sees what the kernel says to it. The relay ignores it: it comes from a stranger.
    pub(super) fn is_refused(&self) -> io::Result<bool> {
        let stranger = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        stranger.connect(self.address)?;
        stranger.set_read_timeout(Some(REFUSAL_TIMEOUT))?;
        stranger.send(b"?")?;
        let answer = stranger.recv(&mut [0]);
        Ok(answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
    }
}

/// Binds a port by its number: only then does it stay ours when the socket is disconnected again.
fn bind() -> io::Result<std::net::UdpSocket> {
    let mut tries = 0;
    loop {
        let free = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        match std::net::UdpSocket::bind(free) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < BIND_TRIES => {
                tries += 1;
            }
            bound => return bound,
        }
    }
}

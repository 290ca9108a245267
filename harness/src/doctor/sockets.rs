//! Whether datagrams pass, and how many sockets there may be.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};

/// How long a datagram may take from one of our sockets to another.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(1);
const ARRIVAL_POLL: Duration = Duration::from_millis(1);
/// The largest batch that the kernel hands over.
const BATCH_BYTES_MAX: usize = 65_535;
/// A batch that is tried: less than any kernel's limit.
const BATCH: usize = 10;
/// As in QUIC.
const DATAGRAM_BYTES: usize = 1_200;
/// A port that was free a moment ago may be taken; so often we look for another.
const BIND_TRIES: u32 = 20;
/// Sockets of a run on each pair of ends: two of the packet relay, two of the message relay.
const SOCKETS_A_LINK: usize = 4;
/// Files and sockets beside them.
const OTHERS: usize = 64;

/// A socket as the relays have them.
struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Port {
    fn open() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket, state })
    }

    fn send(
        &self,
        to: &Self,
        contents: &[u8],
        segment: Option<usize>,
        ecn: Option<EcnCodepoint>,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: to.socket.local_addr()?,
            ecn,
            contents,
            segment_size: segment,
            src_ip: None,
        };
        self.state.try_send((&self.socket).into(), &transmit)
    }

    /// The length and mark of each datagram, in the batches in which they came, until there are so many.
    fn receive(&self, wanted: usize) -> io::Result<Vec<(RecvMeta, usize)>> {
        let deadline = Instant::now() + ARRIVAL_LIMIT;
        let (mut batches, mut count) = (Vec::new(), 0);
        let mut buffer = vec![0; BATCH_BYTES_MAX];
        while count < wanted {
            let mut meta = [RecvMeta::default()];
            let slices = &mut [IoSliceMut::new(&mut buffer)];
            match self.state.recv((&self.socket).into(), slices, &mut meta) {
                Ok(_) => {
                    let datagrams = meta[0].len.div_ceil(meta[0].stride.max(1));
                    count += datagrams;
                    batches.push((meta[0], datagrams));
                }
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline =>
                {
                    std::thread::sleep(ARRIVAL_POLL);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let seconds = ARRIVAL_LIMIT.as_secs();
                    let reason =
                        format!("{count} of {wanted} datagrams arrived within {seconds} s");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(batches)
    }
}

/// A datagram arrives.
pub(super) fn udp() -> Result<String, String> {
    marked(None)?;
    Ok("a datagram arrived".into())
}

/// A datagram arrives with the mark that it was sent with.
pub(super) fn ecn() -> Result<String, String> {
    for mark in [EcnCodepoint::Ect0, EcnCodepoint::Ce] {
        let seen = marked(Some(mark))?;
        if seen != Some(mark) {
            return Err(format!("a datagram that was marked {mark:?} arrived with {seen:?}"));
        }
    }
    Ok("datagrams arrived with their marks".into())
}

/// The mark with which a datagram arrives that was sent with another.
fn marked(mark: Option<EcnCodepoint>) -> Result<Option<EcnCodepoint>, String> {
    let attempt = || {
        let (from, to) = (Port::open()?, Port::open()?);
        from.send(&to, &[0; DATAGRAM_BYTES], None, mark)?;
        to.receive(1)
    };
    let received = attempt().map_err(|error: io::Error| error.to_string())?;
    Ok(received[0].0.ecn)
}

/// A port of ours that takes nothing is refused by the kernel (ICMP port unreachable) to whoever sends there, and taken again when that is over.
pub(super) fn refusal() -> Result<String, String> {
    let attempt = || {
        let port = bind_by_number()?;
        let address = port.local_addr()?;
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        stranger.connect(address)?;
        for end in [&port, &stranger] {
            end.set_read_timeout(Some(ARRIVAL_LIMIT))?;
        }
        port.connect(address)?;
        stranger.send(&[0])?;
        let refused = stranger.recv(&mut [0]);
        if !refused.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return Ok(false);
        }
        rustix::net::connect_unspec(&port)?;
        stranger.send(&[0])?;
        port.recv(&mut [0])?;
        Ok(true)
    };
    match attempt().map_err(|error: io::Error| error.to_string())? {
        true => Ok("a datagram was refused, and the next one taken".into()),
        false => Err("what is sent to a port that takes nothing is lost in silence".into()),
    }
}

/// Binds a port as the packet relay does: only by its number does it stay ours when the socket is disconnected again.
fn bind_by_number() -> io::Result<UdpSocket> {
    let mut tries = 0;
    loop {
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        match UdpSocket::bind(free) {
            Err(_) if tries < BIND_TRIES => tries += 1,
            bound => return bound,
        }
    }
}

/// Datagrams that are given to the kernel as one arrive one by one or as one, but all.
pub(super) fn batches() -> Result<String, String> {
    let attempt = || {
        let (from, to) = (Port::open()?, Port::open()?);
        let most = from.state.max_gso_segments();
        if most < BATCH {
            return Err(io::Error::other(
                "the kernel takes one datagram at a time (no UDP_SEGMENT)",
            ));
        }
        from.send(&to, &[0; BATCH * DATAGRAM_BYTES], Some(DATAGRAM_BYTES), None)?;
        Ok((most, to.receive(BATCH)?))
    };
    let (most, batches) = attempt().map_err(|error: io::Error| error.to_string())?;
    let largest = batches.iter().map(|(_, datagrams)| *datagrams).max().unwrap_or(0);
    if largest < 2 {
        return Err(format!(
            "the kernel takes {most} datagrams at a time, but gives them one by one (no UDP_GRO)"
        ));
    }
    Ok(format!("{BATCH} datagrams sent as one (up to {most}), received by up to {largest}"))
}

/// All sockets of a run can be open at once.
pub(super) fn descriptors(nodes: u32) -> Result<String, String> {
    let wanted = SOCKETS_A_LINK * (nodes as usize).pow(2) + OTHERS;
    let mut open = Vec::with_capacity(wanted);
    while open.len() < wanted {
        match UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            Ok(socket) => open.push(socket),
            Err(error) => {
                let count = open.len();
                return Err(format!(
                    "{count} of the {wanted} sockets for {nodes} nodes could be opened: {error}"
                ));
            }
        }
    }
    Ok(format!("{wanted} sockets at once, enough for {nodes} nodes"))
}

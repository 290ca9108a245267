//! `faultline bench-links`: what our relays cost, beside no relay and the barest forwarder that there can be.
//!
//! Round trips are measured on one core that client, forwarder and echo share, so no wake-up of another core is part of them; the ways take turns, so
//! what else the machine does hits all alike. Throughput is in datagrams for a second of the forwarder's own CPU time, which other programs cannot
//! take away from it.

use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use quinn_udp::{EcnCodepoint, Transmit, UdpSocketState};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

use crate::links::{Impairment, LinkName, Loss, Network, Rule};

/// What QUIC sends on an ordinary network.
const DATAGRAM_BYTES: usize = 1_200;
/// Datagrams under way at a time: what every socket buffer has room for.
const WINDOW: u64 = 64;
/// Datagrams that a sender with segmentation offload hands over at once.
const BATCH: usize = 10;
/// A datagram that has not come back after this is lost.
const LOST_AFTER: Duration = Duration::from_millis(100);
/// Turns that the ways take.
const ROUNDS: usize = 5;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinksPlan {
    /// Round trips of each way in each turn.
    pub(crate) pings: usize,
    /// How long each way is flooded.
    pub(crate) flood: Duration,
}

/// A way from client to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    Bare,
    Relay,
    /// The packet relay while a fault is in force that judges every datagram and hits none.
    Judging,
}

impl Way {
    const ALL: [Self; 4] = [Self::Direct, Self::Bare, Self::Relay, Self::Judging];

    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Bare => "bare forwarder",
            Self::Relay => "packet relay",
            Self::Judging => "packet relay, every datagram judged",
        }
    }
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct LinksTable {
    pinned: bool,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    way: Way,
    p50: Duration,
    p99: Duration,
    /// Datagrams a second of CPU time, sent singly and in batches. The direct way has no forwarder.
    throughput: Option<[f64; 2]>,
}

/// Measures every way.
pub(crate) fn bench_links(plan: &LinksPlan) -> anyhow::Result<LinksTable> {
    let pinned = pin(0);
    let mut round_trips = vec![Vec::new(); Way::ALL.len()];
    for _ in 0..ROUNDS {
        for (way, times) in Way::ALL.into_iter().zip(&mut round_trips) {
            times.extend(ping(way, plan.pings)?);
        }
    }
    let mut rows = Vec::new();
    for (way, mut times) in Way::ALL.into_iter().zip(round_trips) {
        times.sort_unstable();
        let quantile = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let throughput = match way {
            Way::Direct => None,
            _ => Some([flood(way, plan.flood, 1)?, flood(way, plan.flood, BATCH)?]),
        };
        rows.push(Row { way, p50: quantile(0.5), p99: quantile(0.99), throughput });
    }
    Ok(LinksTable { pinned, rows })
}

/// Keeps this thread on one core, if the machine lets us.
pub(super) fn pin(core: usize) -> bool {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).is_ok()
}

fn socket() -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open a socket")?;
    socket.set_read_timeout(Some(LOST_AFTER))?;
    Ok(socket)
}

/// Round trips over a way, without those that were lost.
fn ping(way: Way, count: usize) -> anyhow::Result<Vec<Duration>> {
    let (client, server) = (socket()?, socket()?);
    let forwarder = Forwarder::start(way, client.local_addr()?, server.local_addr()?, 0)?;
    let stop = Arc::new(AtomicBool::new(false));
    let echo = std::thread::spawn({
        let stop = stop.clone();
        move || echo(&server, &stop)
    });
    let mut buffer = [0; DATAGRAM_BYTES];
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        client.send_to(&buffer, forwarder.entrance)?;
        if client.recv(&mut buffer).is_ok() {
            times.push(begin.elapsed());
        }
    }
    stop.store(true, Ordering::Relaxed);
    echo.join().map_err(|_| anyhow!("the echo panicked"))??;
    forwarder.stop()?;
    anyhow::ensure!(times.len() * 10 > count * 9, "{}: most pings were lost", way.name());
    Ok(times)
}

fn echo(server: &UdpSocket, stop: &AtomicBool) -> anyhow::Result<()> {
    pin(0);
    let mut buffer = [0; DATAGRAM_BYTES];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, source)) = server.recv_from(&mut buffer) {
            server.send_to(&buffer[..length], source)?;
        }
    }
    Ok(())
}

/// Floods a way for so long; datagrams that arrived, for a second of the forwarder's CPU time. Client and server are on the other core.
fn flood(way: Way, duration: Duration, batch: usize) -> anyhow::Result<f64> {
    let (client, server) = (socket()?, socket()?);
    let forwarder = Forwarder::start(way, client.local_addr()?, server.local_addr()?, 0)?;
    let (arrived, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let sink = std::thread::spawn({
        let (arrived, stop) = (arrived.clone(), stop.clone());
        move || {
            pin(1);
            let mut buffer = [0; DATAGRAM_BYTES];
            while !stop.load(Ordering::Relaxed) {
                if server.recv(&mut buffer).is_ok() {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    let entrance = forwarder.entrance;
    let source = std::thread::spawn({
        let arrived = arrived.clone();
        move || {
            pin(1);
            pour(&client, entrance, duration, batch, &arrived)
        }
    });
    source.join().map_err(|_| anyhow!("the source panicked"))??;
    let used = forwarder.stop()?;
    stop.store(true, Ordering::Relaxed);
    sink.join().map_err(|_| anyhow!("the sink panicked"))?;
    Ok(arrived.load(Ordering::Relaxed) as f64 / used.as_secs_f64())
}

/// Sends as much as arrives, with a window under way.
fn pour(
    client: &UdpSocket,
    to: SocketAddr,
    duration: Duration,
    batch: usize,
    arrived: &AtomicU64,
) -> anyhow::Result<()> {
    let state = UdpSocketState::new(client.into())?;
    let bytes = vec![0; DATAGRAM_BYTES * batch];
    let segment_size = (batch > 1).then_some(DATAGRAM_BYTES);
    let ecn = Some(EcnCodepoint::Ect0);
    let transmit = Transmit { destination: to, ecn, contents: &bytes, segment_size, src_ip: None };
    let (begin, mut sent, mut progress) = (Instant::now(), 0, (Instant::now(), 0));
    while begin.elapsed() < duration {
        let there = arrived.load(Ordering::Relaxed);
        if there != progress.1 {
            progress = (Instant::now(), there);
        }
        if sent - there.min(sent) + batch as u64 <= WINDOW {
            match state.try_send(client.into(), &transmit) {
                Ok(()) => sent += batch as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("cannot send"),
            }
        } else if progress.0.elapsed() > LOST_AFTER {
            sent = there; // The rest is lost.
        } else {
            std::thread::yield_now();
        }
    }
    Ok(())
}

/// What stands between client and server, on a thread of its own.
struct Forwarder {
    entrance: SocketAddr,
    thread: Option<(JoinHandle<anyhow::Result<Duration>>, oneshot::Sender<()>)>,
}

impl Forwarder {
    fn start(
        way: Way,
        client: SocketAddr,
        server: SocketAddr,
        core: usize,
    ) -> anyhow::Result<Self> {
        if way == Way::Direct {
            return Ok(Self { entrance: server, thread: None });
        }
        let (stop, stopped) = oneshot::channel();
        let (ready, entrance) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            pin(core);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let _running = forward(way, client, server, &ready).await?;
                let begin = cpu_time();
                let _ = stopped.await;
                Ok(cpu_time().saturating_sub(begin))
            })
        });
        let entrance = entrance.recv().map_err(|_| anyhow!("{} did not start", way.name()))?;
        Ok(Self { entrance, thread: Some((thread, stop)) })
    }

    /// Ends it; the CPU time that it took.
    fn stop(self) -> anyhow::Result<Duration> {
        let Some((thread, stop)) = self.thread else { return Ok(Duration::ZERO) };
        let _ = stop.send(());
        thread.join().map_err(|_| anyhow!("the forwarder panicked"))?
    }
}

/// The CPU time of this thread.
pub(super) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Begins to forward, tells where, and returns what must live as long.
async fn forward(
    way: Way,
    client: SocketAddr,
    server: SocketAddr,
    ready: &std::sync::mpsc::Sender<SocketAddr>,
) -> anyhow::Result<Option<Network>> {
    if way == Way::Bare {
        let entrance = Arc::new(tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let exit = Arc::new(tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        ready.send(entrance.local_addr()?)?;
        tokio::spawn(copy(entrance.clone(), exit.clone(), server));
        tokio::spawn(copy(exit, entrance, client));
        return Ok(None);
    }
    let link = |from: &str, to: &str| -> LinkName { (from.into(), to.into()) };
    let network = Network::open(&[link("client", "server")], 1)?;
    network.set_address("client", client);
    network.set_address("server", server);
    if way == Way::Judging {
        let impairment = Impairment { loss: Some(Loss::Share(0.0)), ..Impairment::default() };
        let rule = Rule::Impair(impairment);
        let both = [link("client", "server"), link("server", "client")];
        network.begin("judging", &both.map(|link| (link, rule.clone())));
    }
    ready.send(network.entrance("client", "server"))?;
    Ok(Some(network))
}

async fn copy(from: Arc<tokio::net::UdpSocket>, by: Arc<tokio::net::UdpSocket>, to: SocketAddr) {
    let mut buffer = vec![0; 65_535];
    while let Ok((length, _)) = from.recv_from(&mut buffer).await {
        let _ = by.send_to(&buffer[..length], to).await; // What cannot be sent is lost.
    }
}

impl LinksTable {
    fn row(&self, way: Way) -> &Row {
        self.rows.iter().find(|row| row.way == way).expect("every way was measured")
    }

    fn added(&self, way: Way) -> Duration {
        self.row(way).p50.saturating_sub(self.row(Way::Direct).p50)
    }
}

impl fmt::Display for LinksTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pinned {
            writeln!(
                f,
                "The system does not let us stay on one core: round trips hold wake-ups of others.\n"
            )?;
        }
        writeln!(
            f,
            "| way | RTT p50 µs | p99 µs | × direct | added p50 µs | × bare | datagrams/s a core | in batches of {BATCH} |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
        for row in &self.rows {
            let added = self.added(row.way);
            let by_direct = row.p50.as_secs_f64() / self.row(Way::Direct).p50.as_secs_f64();
            let by_bare = added.as_secs_f64() / self.added(Way::Bare).as_secs_f64();
            let [single, batched] = match row.throughput {
                Some(rates) => rates.map(|rate| format!("{rate:.0}")),
                None => ["".to_string(), "".to_string()],
            };
            writeln!(
                f,
                "| {} | {:.1} | {:.1} | {by_direct:.2} | {:.1} | {by_bare:.2} | {single} | {batched} |",
                row.way.name(),
                microseconds(row.p50),
                microseconds(row.p99),
                microseconds(added),
            )?;
        }
        Ok(())
    }
}

//! The message relay beside a direct connection: round trips and throughput of single Raft messages over QUIC.
//!
//! Both ends share a thread, the relay has one of its own. For round trips all are on one core; for throughput the relay has a core for itself, and what
//! arrives is counted for a second of its CPU time.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use node::raft::{Body, Entry, LogIndex, Message, Payload, Term};
use node::transport::{
    Authority, FRAME_BYTES_MAX, Identity, PEER_ALPN, client_config, connect, dialing, encode,
    listening,
};
use quinn::{Connection, Endpoint};
use tokio::sync::oneshot;

use super::links::{cpu_time, pin};
use crate::links::{Journal, MessageRelay};
use crate::recorder::Recorder;

/// Bytes of the one entry of a message.
const ENTRY_BYTES: usize = 256;
/// Messages under way at a time.
const WINDOW: usize = 64;

/// What was measured.
#[derive(Debug)]
pub(crate) struct MessagesTable {
    direct: Row,
    relay: Row,
}

#[derive(Debug)]
struct Row {
    p50: Duration,
    p99: Duration,
    /// Messages a second that arrived.
    rate: f64,
    /// Messages for a second of the relay's CPU time.
    rate_a_core: Option<f64>,
}

/// Measures both ways.
pub(crate) fn bench_messages(pings: usize, flood: Duration) -> anyhow::Result<MessagesTable> {
    Ok(MessagesTable { direct: row(false, pings, flood)?, relay: row(true, pings, flood)? })
}

fn row(relayed: bool, pings: usize, flood: Duration) -> anyhow::Result<Row> {
    let mut times = with_ends(relayed, 0, async |ends| ends.ping(pings).await)?.0;
    times.sort_unstable();
    let quantile = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (count, used) = with_ends(relayed, 1, async |ends| ends.flood(flood).await)?;
    Ok(Row {
        p50: quantile(0.5),
        p99: quantile(0.99),
        rate: count as f64 / flood.as_secs_f64(),
        rate_a_core: used.map(|used| count as f64 / used.as_secs_f64()),
    })
}

/// Two nodes that have dialled each other: each sends on the connection that it opened.
struct Ends {
    /// From n1 to n2, as its two ends see it.
    there: (Connection, Connection),
    back: (Connection, Connection),
}

/// Does something with two ends whose thread is on this core; the CPU time that a relay took meanwhile.
fn with_ends<T>(
    relayed: bool,
    core: usize,
    work: impl AsyncFnOnce(Ends) -> anyhow::Result<T>,
) -> anyhow::Result<(T, Option<Duration>)> {
    pin(core);
    let directory = tempfile::tempdir()?;
    let names = ["n1".to_string(), "n2".to_string()];
    Authority::new()?.write(directory.path(), &names)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = |name: &str| -> anyhow::Result<Endpoint> {
            let identity = Identity::load(directory.path(), name, [])?;
            Ok(listening(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &identity)?)
        };
        let listeners = (listener("n1")?, listener("n2")?);
        let addresses = (listeners.0.local_addr()?, listeners.1.local_addr()?);
        let relay = relayed.then(|| Relay::start(directory.path(), addresses)).transpose()?;
        let (to_n1, to_n2) = relay.as_ref().map_or(addresses, |relay| relay.entrances);
        let ends = Ends {
            there: join(directory.path(), "n1", &listeners.1, to_n2, "n2").await?,
            back: join(directory.path(), "n2", &listeners.0, to_n1, "n1").await?,
        };
        let done = work(ends).await?;
        let used = relay.map(Relay::stop).transpose()?;
        Ok((done, used))
    })
}

/// Dials a listener in somebody's name; both ends of the connection.
async fn join(
    certificates: &Path,
    from: &str,
    listener: &Endpoint,
    to: SocketAddr,
    name: &str,
) -> anyhow::Result<(Connection, Connection)> {
    let identity = Identity::load(certificates, from, [])?;
    let dialer = dialing()?;
    let config = client_config(&identity, PEER_ALPN)?;
    let accepted = async {
        let incoming = listener.accept().await.context("the listener is gone")?;
        Ok::<_, anyhow::Error>(incoming.await?)
    };
    let dialled = async { Ok(connect(&dialer, config, to, name).await?) };
    tokio::try_join!(dialled, accepted)
}

impl Ends {
    /// Times of messages that are answered, one after the other.
    async fn ping(self, count: usize) -> anyhow::Result<Vec<Duration>> {
        let frame = encode(&message());
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let begin = Instant::now();
            send(&self.there.0, &frame).await?;
            receive(&self.there.1).await?;
            send(&self.back.0, &frame).await?;
            receive(&self.back.1).await?;
            times.push(begin.elapsed());
        }
        Ok(times)
    }

    /// How many messages arrive in so long, with some under way at all times.
    async fn flood(self, duration: Duration) -> anyhow::Result<u64> {
        let frame = encode(&message());
        for _ in 0..WINDOW {
            send(&self.there.0, &frame).await?;
        }
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < duration {
            receive(&self.there.1).await?;
            count += 1;
            send(&self.there.0, &frame).await?;
        }
        Ok(count)
    }
}

async fn send(connection: &Connection, frame: &[u8]) -> anyhow::Result<()> {
    let mut stream = connection.open_uni().await?;
    stream.write_all(frame).await?;
    let _ = stream.finish(); // Reading says whether the connection is gone.
    Ok(())
}

async fn receive(connection: &Connection) -> anyhow::Result<()> {
    connection.accept_uni().await?.read_to_end(FRAME_BYTES_MAX).await?;
    Ok(())
}

fn message() -> Message {
    let payload = Payload::Command(vec![7; ENTRY_BYTES]);
    let entry = Entry { index: LogIndex(8), term: Term(3), payload };
    let (prev_index, prev_term) = (LogIndex(7), Term(3));
    let body = Body::AppendEntries {
        prev_index,
        prev_term,
        entries: vec![entry],
        commit: LogIndex(7),
        round: 5,
    };
    Message { term: Term(3), body }
}

/// A message relay on a thread of its own.
struct Relay {
    /// Where n1 and n2 are reached.
    entrances: (SocketAddr, SocketAddr),
    thread: std::thread::JoinHandle<anyhow::Result<Duration>>,
    stop: oneshot::Sender<()>,
}

impl Relay {
    fn start(directory: &Path, (n1, n2): (SocketAddr, SocketAddr)) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, entrances) = std::sync::mpsc::channel();
        let directory = directory.to_path_buf();
        let thread = std::thread::spawn(move || {
            pin(0);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let recorder = Arc::new(Recorder::create(&directory.join("history.jsonl"))?);
                let journal = Journal::create(&directory.join("messages.jsonl"), recorder)?;
                let names = ["n1".to_string(), "n2".to_string()];
                let onward = |_: &str, to: &str| if to == "n1" { n1 } else { n2 };
                let relay = MessageRelay::open(&names, &directory, 1, journal, onward)?;
                ready.send((relay.entrance("n2", "n1"), relay.entrance("n1", "n2")))?;
                let begin = cpu_time();
                let _ = stopped.await;
                Ok(cpu_time().saturating_sub(begin))
            })
        });
        let entrances = entrances.recv().map_err(|_| anyhow!("the message relay did not start"))?;
        Ok(Self { entrances, thread, stop })
    }

    /// Ends it; the CPU time that it took, handshakes included.
    fn stop(self) -> anyhow::Result<Duration> {
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the message relay panicked"))?
    }
}

impl fmt::Display for MessagesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| messages of {ENTRY_BYTES} bytes | RTT p50 µs | p99 µs | × direct | messages/s | messages/s a core of the relay |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
        for (name, row) in [("direct", &self.direct), ("message relay", &self.relay)] {
            let by_direct = row.p50.as_secs_f64() / self.direct.p50.as_secs_f64();
            let a_core = row.rate_a_core.map_or_else(String::new, |rate| format!("{rate:.0}"));
            writeln!(
                f,
                "| {name} | {:.1} | {:.1} | {by_direct:.2} | {:.0} | {a_core} |",
                microseconds(row.p50),
                microseconds(row.p99),
                row.rate,
            )?;
        }
        Ok(())
    }
}

//! Clients in a closed loop, and the time without a leader.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::processes::Usage;
use super::{Client, Kind, System};

/// Not counted: caches are filled.
const WARM_UP: Duration = Duration::from_millis(500);
/// Keys that the clients use, in turn.
const KEYS: u64 = 1_000;
/// How long one attempt to write may take while there may be no leader.
const ATTEMPT: Duration = Duration::from_millis(200);
/// Pause after an attempt that was refused.
const PAUSE: Duration = Duration::from_millis(5);
/// No system needs so long for a leader.
const FAILOVER_MAX: Duration = Duration::from_secs(30);

/// What a load came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) per_second: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Operations that got no answer.
    pub(super) failed: usize,
    /// Of all nodes together, for one operation.
    pub(super) cpu_per_operation: Duration,
    /// Resident, of the largest node, at the end.
    pub(super) memory_bytes: u64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {:.0} µs CPU an operation, {:.0} MB",
            self.per_second,
            self.p50.as_secs_f64() * 1e3,
            self.p99.as_secs_f64() * 1e3,
            self.cpu_per_operation.as_secs_f64() * 1e6,
            self.memory_bytes as f64 / 1e6
        )
    }
}

/// Lets so many clients ask for one kind of thing for so long.
pub(super) async fn load<S: System>(
    system: &mut S,
    clients: usize,
    kind: Kind,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let leader = system.leader().await?;
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(system.connect(leader).await?);
    }
    let begin = Instant::now() + WARM_UP;
    let end = begin + duration;
    let clients = connected.into_iter().zip(0..);
    let running = clients.map(|(one, number)| tokio::spawn(ask(one, number, kind, begin, end)));
    let running: Vec<_> = running.collect();
    tokio::time::sleep_until(begin.into()).await;
    let before = used(system);
    tokio::time::sleep_until(end.into()).await;
    let after = used(system);
    let (mut latencies, mut failed) = (Vec::new(), 0);
    for client in running {
        let (own, own_failed) = client.await?;
        latencies.extend(own);
        failed += own_failed;
    }
    if latencies.is_empty() {
        bail!("no operation succeeded: nothing was measured");
    }
    latencies.sort_unstable();
    let quantile = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Ok(Measured {
        per_second: latencies.len() as f64 / duration.as_secs_f64(),
        p50: quantile(0.5),
        p99: quantile(0.99),
        failed,
        cpu_per_operation: (after.cpu - before.cpu).div_f64(latencies.len() as f64),
        memory_bytes: after.memory_bytes,
    })
}

/// One client. How long each of its operations took that began and ended in time, and how many failed.
async fn ask(
    mut client: impl Client,
    number: u64,
    kind: Kind,
    begin: Instant,
    end: Instant,
) -> (Vec<Duration>, usize) {
    let (mut latencies, mut failed) = (Vec::new(), 0);
    for turn in 0.. {
        let key = format!("key-{}", (number * 7_919 + turn) % KEYS);
        let asked = Instant::now();
        let is_done = match kind {
            Kind::Write => client.write(key, turn as i64).await,
            Kind::Read => client.read(key).await,
        };
        let answered = Instant::now();
        if answered >= end {
            break;
        }
        match is_done {
            true if asked >= begin => latencies.push(answered - asked),
            true => {}
            false => {
                failed += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    (latencies, failed)
}

/// The processors' time of all nodes, and the memory of the largest.
fn used(system: &mut impl System) -> Usage {
    let each = system.processes().iter().map(|process| process.usage());
    each.fold(Usage::default(), |sum, one| Usage {
        cpu: sum.cpu + one.cpu,
        memory_bytes: sum.memory_bytes.max(one.memory_bytes),
    })
}

/// Kills the leader and tries the others in turn, until a write is acknowledged. How long that took. The node that was killed is back afterwards.
pub(super) async fn failover<S: System>(system: &mut S) -> anyhow::Result<Duration> {
    let leader = system.leader().await?;
    let others: Vec<_> = (0..system.processes().len()).filter(|place| *place != leader).collect();
    let mut clients = Vec::new();
    for place in &others {
        clients.push(system.connect(*place).await?);
    }
    let killed = Instant::now();
    system.processes()[leader].kill();
    first_write(&mut clients, killed).await?;
    let took = killed.elapsed();
    system.restart(leader).await?;
    Ok(took)
}

/// Tries the clients in turn until one's write is acknowledged.
pub(super) async fn first_write(clients: &mut [impl Client], since: Instant) -> anyhow::Result<()> {
    let count = clients.len();
    for turn in 0.. {
        if since.elapsed() > FAILOVER_MAX {
            bail!("no leader for {} s", FAILOVER_MAX.as_secs());
        }
        let write = clients[turn % count].write("failover".into(), turn as i64);
        if tokio::time::timeout(ATTEMPT, write).await == Ok(true) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

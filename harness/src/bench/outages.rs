//! How long our nodes do not serve: after a partition that left nobody a majority, after one that cut the leader off, and after a restart with a long log.
//!
//! Of ours alone: etcd speaks TCP, which our relay does not pass.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::load::first_write;
use super::ours::Cluster;
use super::{Client, NODES, Plan, System, kept, scratch};

/// How long every node is alone: long enough for connections to be given up.
const APART: Duration = Duration::from_secs(3);
/// How often the node with the long log is restarted.
const RESTARTS: usize = 3;
/// No node needs so long to serve again.
const RESTART_MAX: Duration = Duration::from_secs(60);
const RESTART_POLL: Duration = Duration::from_millis(2);
/// How long it has for an answer, before it is asked again.
const RESTART_ATTEMPT: Duration = Duration::from_millis(30);
/// Requests under way while the log is filled.
const WRITERS: usize = 512;
/// Requests under way on one connection.
const WRITERS_A_CONNECTION: usize = 128;

/// What each was, in words, with what it took each time.
pub(super) async fn measure(plan: &Plan) -> anyhow::Result<Vec<(String, Vec<Duration>)>> {
    let mut outages = Vec::new();
    if plan.kills > 0 {
        let dir = scratch()?;
        let what = "from the heal of a partition of each from each to the first acknowledged write";
        let took = heals(dir.path(), plan.kills).await.map_err(|error| kept(error, dir))?;
        outages.push((what.to_string(), took));
        let dir = scratch()?;
        let what = "from the heal of a partition of the leader from the others until a write was acknowledged and that node had everything";
        let took = rejoins(dir.path(), plan.kills).await.map_err(|error| kept(error, dir))?;
        outages.push((what.to_string(), took));
    }
    if plan.restart_entries > 0 {
        let uncut = ["--snapshot-entries".to_string(), (2 * plan.restart_entries).to_string()];
        for (options, how) in [(&[][..], "snapshots as by default"), (&uncut, "none in a snapshot")]
        {
            let dir = scratch()?;
            let restarted = restarts(dir.path(), plan.restart_entries, options).await;
            let took = restarted.map_err(|error| kept(error, dir))?;
            let entries = plan.restart_entries;
            let what = format!(
                "from a restart after {entries} entries ({how}) to the first answered read"
            );
            outages.push((what, took));
        }
    }
    Ok(outages)
}

async fn heals(dir: &Path, times: usize) -> anyhow::Result<Vec<Duration>> {
    let system = Cluster::behind_links(dir)?;
    system.leader().await?;
    let mut took = Vec::new();
    for _ in 0..times {
        system.apart(APART).await;
        let healed = Instant::now();
        let mut clients = Vec::new();
        for place in 0..NODES {
            clients.push(system.connect(place).await?);
        }
        first_write(&mut clients, healed).await?;
        took.push(healed.elapsed());
    }
    Ok(took)
}

async fn rejoins(dir: &Path, times: usize) -> anyhow::Result<Vec<Duration>> {
    let system = Cluster::behind_links(dir)?;
    let mut took = Vec::new();
    for _ in 0..times {
        took.push(rejoin(&system).await?);
    }
    Ok(took)
}

/// Cuts the leader off while the others elect another and go on, heals that, and waits until it has caught up.
async fn rejoin(system: &Cluster) -> anyhow::Result<Duration> {
    let cut_off = system.leader().await?;
    let (mut clients, begin) = (Vec::new(), Instant::now());
    system.cut_off(cut_off);
    for place in (0..NODES).filter(|place| *place != cut_off) {
        clients.push(system.connect(place).await?);
    }
    while begin.elapsed() < APART {
        first_write(&mut clients, begin).await?;
    }
    let missed_after = index(system, cut_off).await?;
    let healed = Instant::now();
    system.heal();
    first_write(&mut clients, healed).await?;
    let mut newest = 0;
    for place in (0..NODES).filter(|place| *place != cut_off) {
        newest = newest.max(index(system, place).await?);
    }
    ensure!(missed_after < newest, "the leader was not cut off");
    while index(system, cut_off).await? < newest {
        ensure!(healed.elapsed() < RESTART_MAX, "the node that was cut off does not catch up");
        tokio::time::sleep(RESTART_POLL).await;
    }
    Ok(healed.elapsed())
}

/// How far a node knows the log to be committed.
async fn index(system: &Cluster, place: usize) -> anyhow::Result<u64> {
    let state = system.state(place).await;
    Ok(state.with_context(|| format!("the node at place {place} does not answer"))?.index)
}

async fn restarts(dir: &Path, entries: u64, options: &[String]) -> anyhow::Result<Vec<Duration>> {
    let mut system = Cluster::alone(dir, options)?;
    fill(&system, entries).await?;
    let mut took = Vec::new();
    for _ in 0..RESTARTS {
        system.processes()[0].kill();
        let begin = Instant::now();
        system.processes()[0] = system.launch(0)?;
        until_it_serves(&system).await?;
        took.push(begin.elapsed());
    }
    Ok(took)
}

async fn until_it_serves(system: &Cluster) -> anyhow::Result<()> {
    let begin = Instant::now();
    while !serves(system).await {
        ensure!(begin.elapsed() < RESTART_MAX, "the node does not serve");
        tokio::time::sleep(RESTART_POLL).await;
    }
    Ok(())
}

/// Asks for little at a time: a client that dials a node which does not listen yet tries again at doubling intervals, and those would be measured.
async fn serves(system: &Cluster) -> bool {
    let read = async {
        match system.connect(0).await {
            Ok(mut client) => client.read("key-0".into()).await,
            Err(_) => false,
        }
    };
    tokio::time::timeout(RESTART_ATTEMPT, read).await == Ok(true)
}

/// Writes until the log has so many entries.
async fn fill(system: &Cluster, entries: u64) -> anyhow::Result<()> {
    until_it_serves(system).await?;
    let mut writers = tokio::task::JoinSet::new();
    for first in (0..WRITERS).step_by(WRITERS_A_CONNECTION) {
        let client = system.connect(0).await?;
        for writer in first..first + WRITERS_A_CONNECTION {
            let mut client = client.clone();
            writers.spawn(async move {
                for value in 0..entries / WRITERS as u64 + 1 {
                    if !client.write(format!("key-{}", writer % 1_000), value as i64).await {
                        bail!("a write was refused while the log was filled");
                    }
                }
                Ok(())
            });
        }
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    let index = system.state(0).await.map_or(0, |state| state.index);
    ensure!(index >= entries, "the log has {index} entries, {entries} were wanted");
    Ok(())
}

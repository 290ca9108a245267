//! The phases of a run: settle, drive, heal, final reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use checker::verdict::OutcomeCounts;
use node::client::Client;
use node::transport::Authority;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{
    FINAL_READS_LIMIT, Options, PREPARE_LIMIT, RECOVERY_LIMIT, recovery_limit, settle_limit,
};
use crate::clients::{Connections, Drive};
use crate::cluster::{Cluster, NodeProgram};
use crate::faults::{Deeds, Nemesis, Operator, Parts};
use crate::links::{Journal, LinkName, MessageRelay, Network};
use crate::observer::Observer;
use crate::plan::{CLIENTS, Schedule};
use crate::recorder::{Line, Recorder};
use crate::report::{Progress, Snapshot};
use crate::run_directory::RunDirectory;
use crate::sabotage::Sabotage;
use crate::workload::{ReadPath, Workload};

/// How long a healed link may stay silent.
const LINKS_LIMIT: Duration = Duration::from_secs(5);
/// After an interruption we only make sure that the cluster is whole again; whoever asked is waiting.
const INTERRUPTED_LIMIT: Duration = Duration::from_secs(2);
/// The certificate under which clients speak to nodes.
const CLIENT_NAME: &str = "client";

/// The processes, links and clients of a run.
pub(super) struct Stage {
    pub(super) nemesis: Nemesis,
    drive: Arc<Drive>,
    observer: Arc<Observer>,
    recorder: Arc<Recorder>,
    names: Vec<String>,
}

impl Stage {
    /// Opens the links and starts the nodes.
    pub(super) async fn set(
        workload: &Workload,
        seed: u64,
        options: &Options,
        directory: &RunDirectory,
        recorder: &Arc<Recorder>,
    ) -> anyhow::Result<Self> {
        phase(recorder, "settle");
        let names = workload.system.node_names();
        let mut identities = names.clone();
        identities.push(CLIENT_NAME.to_string());
        Authority::new()?.write(&directory.certs(), &identities)?;
        let client = Client::open(&directory.certs(), CLIENT_NAME)?;

        let mut network = Network::open(&dials(&names), seed)?;
        if options.sabotage == Some(Sabotage::RelayIgnoresFaults) {
            network.ignore_faults();
        }
        let network = Arc::new(network);
        network.set_address(CLIENTS, client.local_addr()?);
        let relay = match workload.needs_message_relay() {
            true => Some(Arc::new(message_relay(&names, directory, seed, recorder, &network)?)),
            false => None,
        };
        let program = program(workload, seed, options, recorder);
        let (exit_sender, exits) = mpsc::unbounded_channel();
        let mut cluster = Cluster::new(
            &names,
            program,
            directory.clone(),
            network.clone(),
            relay.clone(),
            exit_sender,
        )?;
        cluster.start_all().await?;

        let address = |name: &String| (name.clone(), network.entrance(CLIENTS, name));
        let addresses: BTreeMap<_, _> = names.iter().map(address).collect();
        let observer = Arc::new(Observer::start(&client, &addresses, recorder));
        let drive = Arc::new(Drive {
            recorder: recorder.clone(),
            client,
            addresses,
            next_process: Arc::new(AtomicU64::new(0)),
        });
        let connections = Connections::new(drive.client.clone(), drive.addresses.clone());
        let nemesis = Nemesis::new(Parts {
            cluster,
            network,
            relay,
            observer: observer.clone(),
            operator: Operator::new(connections, observer.clone()),
            budget: workload.budget,
            recorder: recorder.clone(),
            names: names.clone(),
            exits,
            deeds: Deeds::create(&directory.file("schedule.jsonl"))?,
        });
        Ok(Self { nemesis, drive, observer, recorder: recorder.clone(), names })
    }

    /// Settle, drive, heal, final reads. Says whether it was interrupted.
    pub(super) async fn play(
        &mut self,
        workload: &Workload,
        seed: u64,
        schedule: Schedule,
        interrupt: &CancellationToken,
    ) -> anyhow::Result<bool> {
        // A fixed first time-out makes the first election part of what is tested.
        if workload.system.first_election_timeout.is_none() {
            let settled = tokio::select! {
                settled = self.observer.settled(&self.names, settle_limit(workload)) => settled,
                () = interrupt.cancelled() => None,
            };
            if settled.is_none() {
                // Without a leader there is nothing to drive. The recording says so: nothing was proved.
                return Ok(interrupt.is_cancelled());
            }
        }
        if let Err(error) = self.drive.prepare(workload, PREPARE_LIMIT).await {
            let what = format!("the objects could not be prepared: {error}");
            self.recorder.record(Line::nemesis("problem", json!({ "what": what })));
            return Ok(interrupt.is_cancelled());
        }
        phase(&self.recorder, "drive");
        let stop_clients = CancellationToken::new();
        let driving = AbortOnDropHandle::new(tokio::spawn({
            let (drive, workload, stop) =
                (self.drive.clone(), workload.clone(), stop_clients.clone());
            async move { drive.run(&workload, seed, &stop).await }
        }));
        self.nemesis.run(schedule, Instant::now() + workload.duration, interrupt).await;
        self.nemesis.heal_all().await;
        phase(&self.recorder, "heal");
        self.recover(workload, interrupt).await;
        self.verify_links(interrupt).await;
        stop_clients.cancel();
        driving.await.context("a client panicked")?;
        if !interrupt.is_cancelled() {
            phase(&self.recorder, "final-reads");
            self.drive.finish(workload, FINAL_READS_LIMIT).await;
            self.nemesis.note_reads().await;
        }
        Ok(interrupt.is_cancelled())
    }

    /// Waits, while the clients go on, until the healed cluster has served somebody and agrees on a leader. A cluster that serves but never
    /// agrees is not waited for as long.
    async fn recover(&self, workload: &Workload, interrupt: &CancellationToken) {
        let limit =
            if interrupt.is_cancelled() { INTERRUPTED_LIMIT } else { recovery_limit(workload) };
        let deadline = Instant::now() + limit;
        let served = self.served();
        let alive = self.nemesis.whole();
        self.observer.settled(&alive, limit.min(RECOVERY_LIMIT)).await;
        while self.served() == served && Instant::now() < deadline && !interrupt.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes sure that every link between nodes that run, and between them and clients, carries packets again. Nodes keep their connections alive several
    /// times a second, and the observer asks every node, so a link that stays silent was not healed.
    async fn verify_links(&self, interrupt: &CancellationToken) {
        let mut running = self.nemesis.whole();
        running.push(CLIENTS.to_string());
        let network = &self.nemesis.parts.network;
        let before = network.passed();
        let silent = || -> Vec<String> {
            let passed = network.passed();
            let between = |(from, to): &&LinkName| running.contains(from) && running.contains(to);
            let links = before.keys().filter(between).filter(|link| passed[*link] == before[*link]);
            links.map(|(from, to)| format!("{from}->{to}")).collect()
        };
        let deadline = Instant::now() + LINKS_LIMIT;
        while !silent().is_empty() && Instant::now() < deadline && !interrupt.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if !silent().is_empty() && !interrupt.is_cancelled() {
            let what = format!("after the heal no packet passed on {}", silent().join(", "));
            self.recorder.record(Line::nemesis("problem", json!({ "what": what })));
        }
    }

    fn served(&self) -> u64 {
        self.recorder.counts().values().map(|counts| counts.ok).sum()
    }

    /// Shows what is going on until it is aborted.
    pub(super) fn show_progress(&self, workload: &Workload) -> AbortOnDropHandle<()> {
        let (recorder, observer) = (self.recorder.clone(), self.observer.clone());
        let in_force = self.nemesis.in_force.subscribe();
        let total = workload.duration;
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut progress = Progress::new();
            let mut last = (Duration::ZERO, 0);
            loop {
                let faults = in_force.borrow().clone();
                progress.update(&snapshot(&recorder, &observer, total, faults, &mut last));
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }))
    }
}

/// How nodes are started.
fn program(workload: &Workload, seed: u64, options: &Options, recorder: &Recorder) -> NodeProgram {
    let system = &workload.system;
    let first_election_at =
        system.first_election_timeout.map(|after| (recorder.now() + after).as_nanos() as u64);
    NodeProgram {
        programs: options.programs.clone(),
        seed,
        epoch: recorder.epoch(),
        election_timeout: system.election_timeout,
        snapshot_entries: system.snapshot_entries,
        members: system.member_names(),
        reads: system.reads.map(ReadPath::of_node),
        first_election_at,
        plant: options.plant.clone(),
        sabotage: options.sabotage,
    }
}

/// Relays that see the messages between nodes, on top of the links.
fn message_relay(
    names: &[String],
    directory: &RunDirectory,
    seed: u64,
    recorder: &Arc<Recorder>,
    network: &Network,
) -> anyhow::Result<MessageRelay> {
    let journal = Journal::create(&directory.file("messages.jsonl"), recorder.clone())?;
    let onward = |from: &str, to: &str| network.entrance(from, to);
    let relay = MessageRelay::open(names, &directory.certs(), seed, journal, onward)?;
    for node in names {
        network.set_dialer(node, relay.dialer(node)?);
    }
    Ok(relay)
}

/// Who dials whom: every node every other, and clients every node.
fn dials(nodes: &[String]) -> Vec<LinkName> {
    let clients = CLIENTS.to_string();
    let dialers = nodes.iter().chain([&clients]);
    let pairs = dialers.flat_map(|from| nodes.iter().map(|to| (from.clone(), to.clone())));
    pairs.filter(|(from, to)| from != to).collect()
}

fn phase(recorder: &Recorder, name: &str) {
    recorder.record(Line::nemesis("phase", json!({ "phase": name })));
}

fn snapshot(
    recorder: &Recorder,
    observer: &Observer,
    total: Duration,
    faults: Vec<String>,
    last: &mut (Duration, u64),
) -> Snapshot {
    let elapsed = recorder.now();
    let counts = recorder.counts();
    let sum = |of: fn(&OutcomeCounts) -> u64| counts.values().map(of).sum::<u64>();
    let (ok, fail, info) = (sum(|c| c.ok), sum(|c| c.fail), sum(|c| c.info));
    let operations = ok + fail + info;
    let since = elapsed.saturating_sub(last.0).as_secs_f64();
    let rate = if since > 0.0 { (operations - last.1) as f64 / since } else { 0.0 };
    *last = (elapsed, operations);
    let (phase, leader) = (recorder.phase(), observer.leader());
    Snapshot { elapsed, total, phase, operations, rate, ok, fail, info, leader, faults }
}

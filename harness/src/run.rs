//! One run, phase by phase: prepare, start, settle, drive, heal, final reads, stop, judge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, bail};
use checker::judge::{Expectations, JudgePlan, Limits, Question, judge};
use checker::online::Judge;
use checker::properties;
use checker::verdict::{Judgement, OutcomeCounts};
use node::client::Client;
use node::transport::Authority;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::clients::{Connections, Drive};
use crate::cluster::{CLIENTS, Cluster, ELECTION_TIMEOUT_MS, NodeProgram};
use crate::faults::{Deeds, Nemesis, Operator, Parts};
use crate::host_noise::HostNoise;
use crate::links::{Journal, LinkName, MessageRelay, Network};
use crate::observer::Observer;
use crate::plan::{Schedule, swarm};
use crate::recorder::{Line, Recorder};
use crate::report::{Progress, Snapshot};
use crate::run_directory::{RunDirectory, RunInfo};
use crate::sabotage::Sabotage;
use crate::watch::Watch;
use crate::workload::{ReadPath, WorkKind, Workload};

/// How long the cluster may take to elect its first leader.
const SETTLE_LIMIT: Duration = Duration::from_secs(15);
/// How long the clients go on after the heal, waiting for the cluster to serve again, where the workload does not say.
const RECOVERY_LIMIT: Duration = Duration::from_secs(10);
/// How long a healed link may stay silent.
const LINKS_LIMIT: Duration = Duration::from_secs(5);
/// What must be there before the first operation is there by then: nothing is broken yet.
const PREPARE_LIMIT: Duration = Duration::from_secs(10);
const FINAL_READS_LIMIT: Duration = Duration::from_secs(10);
/// What starting, healing and stopping processes may take on a slow machine.
const SLACK: Duration = Duration::from_secs(30);
/// After an interruption we only make sure that the cluster is whole again; whoever asked is waiting.
const INTERRUPTED_LIMIT: Duration = Duration::from_secs(2);
/// The certificate under which clients speak to nodes.
const CLIENT_NAME: &str = "client";

/// How to run, as the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where run directories go.
    pub(crate) out: PathBuf,
    /// The binaries under test.
    pub(crate) programs: Programs,
    /// The planted bug, if any.
    pub(crate) plant: Option<String>,
    /// What of the harness itself is broken on purpose, if anything.
    pub(crate) sabotage: Option<Sabotage>,
    /// The file that the workload was read from.
    pub(crate) file: PathBuf,
    /// The command that runs the same again.
    pub(crate) command: String,
    /// Whether the first violation ends the run.
    pub(crate) fail_fast: bool,
    pub(crate) limits: Limits,
    /// What is done to the system, if not what the workload and the seed say.
    pub(crate) schedule: Option<Schedule>,
}

/// The binaries under test.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// What nodes run, if nothing else is said of one.
    pub(crate) all: PathBuf,
    /// What single nodes run.
    pub(crate) single: BTreeMap<String, PathBuf>,
    /// What nodes run once they are upgraded.
    pub(crate) next: Option<PathBuf>,
}

impl Programs {
    /// What a node runs.
    pub(crate) fn of(&self, node: &str, upgraded: bool) -> &Path {
        let next = self.next.as_ref().filter(|_| upgraded);
        next.or_else(|| self.single.get(node)).unwrap_or(&self.all)
    }
}

/// A run that ended in a judgement.
pub(crate) struct Finished {
    pub(crate) directory: RunDirectory,
    pub(crate) info: RunInfo,
    pub(crate) judgement: Judgement,
}

/// Runs a workload and judges the recording. An error means that the run itself failed (exit 4).
pub(crate) async fn run(
    workload: &Workload,
    seed: u64,
    options: &Options,
    interrupt: &CancellationToken,
) -> anyhow::Result<Finished> {
    let directory = RunDirectory::create(&options.out, &workload.name, seed)?;
    let info = describe(workload, seed, options)?;
    directory.write_json("run.json", &info)?;
    let copy = directory.file("workload.yaml");
    std::fs::copy(&options.file, &copy)
        .with_context(|| format!("cannot write {}", copy.display()))?;
    let deadline = deadline(workload);
    let recorded =
        tokio::time::timeout(deadline, record(workload, seed, options, &directory, interrupt));
    let recorded = recorded.await.unwrap_or_else(|_| {
        Err(anyhow::anyhow!("the run outlived its deadline of {} s", deadline.as_secs()))
    });
    // The keys were good for this run only, and must not end up among the artefacts of a build.
    let _ = std::fs::remove_dir_all(directory.certs());
    recorded.with_context(|| format!("run {}", directory.path().display()))?;

    let path = directory.path().to_path_buf();
    let question = Question { limits: options.limits, ..Question::default() };
    let judged = tokio::task::spawn_blocking(move || judge(&path, &question));
    let judgement = judged.await.context("the checker panicked")??.judgement;
    directory.write_json("verdict.json", &judgement)?;
    crate::report::write(directory.path(), &info, &judgement)?;
    Ok(Finished { directory, info, judgement })
}

fn deadline(workload: &Workload) -> Duration {
    let recovery = recovery_limit(workload);
    let retrying = workload.clients.retry_for.unwrap_or_default();
    settle_limit(workload)
        + PREPARE_LIMIT
        + workload.duration
        + recovery
        + retrying
        + FINAL_READS_LIMIT
        + SLACK
}

/// Several elections must fit in, however long the workload makes them.
fn settle_limit(workload: &Workload) -> Duration {
    SETTLE_LIMIT + 5 * workload.system.election_timeout.unwrap_or_default()
}

/// The shortest election time-out of the nodes.
fn election_timeout(workload: &Workload) -> Duration {
    workload.system.election_timeout.unwrap_or(Duration::from_millis(ELECTION_TIMEOUT_MS))
}

fn recovery_limit(workload: &Workload) -> Duration {
    workload.expect.recovers_within.unwrap_or(RECOVERY_LIMIT)
}

/// Everything between an empty directory and a complete recording.
async fn record(
    workload: &Workload,
    seed: u64,
    options: &Options,
    directory: &RunDirectory,
    interrupt: &CancellationToken,
) -> anyhow::Result<()> {
    let mut recorder = Recorder::create(&directory.file("history.jsonl"))?;
    if let Some(sabotage) = options.sabotage {
        recorder.sabotage(sabotage);
    }
    let recorder = Arc::new(recorder);
    let noise = HostNoise::start(&recorder, directory.path()).context("cannot measure the host")?;
    let schedule = match &options.schedule {
        Some(schedule) => schedule.clone(),
        None => schedule(workload, seed, &recorder),
    };
    // A violation stops a run like an interruption: what was broken is healed, and what there is judged.
    let stop = interrupt.child_token();
    recorder.stops(stop.clone());
    let watch = watch(workload, options, directory, &recorder, &stop)?;
    let mut stage = Stage::set(workload, seed, options, directory, &recorder).await?;
    let progress = stage.show_progress(workload);
    let interrupted = stage.play(workload, seed, schedule, &stop).await;
    stage.nemesis.end_all().await;
    stage.nemesis.parts.cluster.stop_all().await;
    stage.nemesis.note_deaths();
    if let Some(relay) = &stage.nemesis.parts.relay {
        relay.finish();
    }
    noise.finish();
    let mut end = json!({ "phase": "end", "interrupted": interrupted? });
    if let Some((watch, feed)) = watch.zip(recorder.take_feed())
        && watch.finish(feed)
    {
        end["stopped_by"] = "violation".into();
    }
    recorder.record(Line::nemesis("phase", end));
    progress.abort();
    match recorder.failure() {
        Some(error) => bail!("cannot write the history: {error}"),
        None => Ok(()),
    }
}

/// What is done to the system in a run with this seed.
fn schedule(workload: &Workload, seed: u64, recorder: &Recorder) -> Schedule {
    if !workload.swarm {
        return Schedule::new(workload, seed);
    }
    let (faults, left_out) = swarm(workload, seed);
    recorder.record(Line::nemesis("swarm", json!({ "left_out": left_out })));
    let mut drawn = workload.clone();
    drawn.faults = faults;
    Schedule::new(&drawn, seed)
}

/// Lets the online judge watch, if the first violation is to end the run.
fn watch(
    workload: &Workload,
    options: &Options,
    directory: &RunDirectory,
    recorder: &Recorder,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Watch>> {
    if !options.fail_fast {
        return Ok(None);
    }
    let question = Question { limits: options.limits, ..Question::default() };
    let judge = Judge::of_run(&judge_plan(workload), &directory.traces(), &question);
    let (watch, feed) = Watch::start(judge.map_err(anyhow::Error::msg)?, stop.clone());
    recorder.feed(feed);
    Ok(Some(watch))
}

/// The processes, links and clients of a run.
struct Stage {
    nemesis: Nemesis,
    drive: Arc<Drive>,
    observer: Arc<Observer>,
    recorder: Arc<Recorder>,
    names: Vec<String>,
}

impl Stage {
    /// Opens the links and starts the nodes.
    async fn set(
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
        let first_election = workload.system.first_election_timeout;
        let program = NodeProgram {
            programs: options.programs.clone(),
            seed,
            epoch: recorder.epoch(),
            election_timeout: workload.system.election_timeout,
            snapshot_entries: workload.system.snapshot_entries,
            members: workload.system.member_names(),
            reads: workload.system.reads.map(ReadPath::of_node),
            first_election_at: first_election
                .map(|after| (recorder.now() + after).as_nanos() as u64),
            plant: options.plant.clone(),
            sabotage: options.sabotage,
        };
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
    async fn play(
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
    fn show_progress(&self, workload: &Workload) -> AbortOnDropHandle<()> {
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

/// What `run.json` says.
fn describe(workload: &Workload, seed: u64, options: &Options) -> anyhow::Result<RunInfo> {
    let system = rustix::system::uname();
    let os =
        format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy());
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let host = BTreeMap::from([("os".to_string(), json!(os)), ("cpus".to_string(), json!(cpus))]);
    let Programs { all, single, next } = &options.programs;
    let single = single.iter().map(|(node, path)| Ok((node.clone(), binary_info(path)?)));
    Ok(RunInfo {
        format: 1,
        faultline: env!("CARGO_PKG_VERSION").to_string(),
        commit: option_env!("FAULTLINE_COMMIT").map(str::to_string),
        workload: workload.name.clone(),
        seed,
        command: options.command.clone(),
        started: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        host,
        nodes: workload.system.node_names(),
        node_binary: binary_info(all)?,
        node_binaries: single.collect::<anyhow::Result<_>>()?,
        next_binary: next.as_deref().map(binary_info).transpose()?,
        planted: options.plant.clone(),
        judge: serde_json::to_value(judge_plan(workload))?,
    })
}

/// Where a binary is, and its hash.
fn binary_info(binary: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = std::fs::canonicalize(binary).unwrap_or_else(|_| binary.to_path_buf());
    Ok(BTreeMap::from([
        ("path".to_string(), path.display().to_string()),
        ("sha256".to_string(), fingerprint(binary)?),
    ]))
}

fn fingerprint(binary: &Path) -> anyhow::Result<String> {
    let bytes =
        std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What the checker is asked: the checks that the workload names, and at least one success of every operation of its mix.
fn judge_plan(workload: &Workload) -> JudgePlan {
    let work = &workload.workload;
    let in_mix = work.functions().into_iter().filter(|(_, weight)| *weight > 0);
    let mut ok: BTreeMap<_, _> = in_mix.map(|(name, _)| (name.to_string(), 1)).collect();
    ok.extend(workload.expect.ok.clone());
    let total = i64::from(work.accounts()) * i64::from(work.balance());
    JudgePlan {
        model: work.model().to_string(),
        checks: workload.checks().iter().map(|check| check.name().to_string()).collect(),
        keys: work.key_names(),
        expect: Expectations {
            ok,
            recovers_within: workload.expect.recovers_within.map(|limit| limit.as_nanos() as u64),
            split_votes: workload.expect.split_votes,
            follower_reads: workload.expect.follower_reads,
        },
        options: properties::Options {
            linearizable: work.kind == WorkKind::SetFull,
            total: (work.kind == WorkKind::Bank).then_some(total),
            slow_host: Some((election_timeout(workload) / 2).as_nanos() as u64),
            ..Default::default()
        },
    }
}

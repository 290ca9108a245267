//! One run, phase by phase: prepare, start, settle, drive, heal, final reads, stop, judge.

mod description;
mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use checker::judge::{Limits, Question, judge};
use checker::online::Judge;
use checker::verdict::Judgement;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::description::{describe, judge_plan};
use self::stage::Stage;
use crate::cluster::ELECTION_TIMEOUT_MS;
use crate::host_noise::HostNoise;
use crate::plan::{Schedule, swarm};
use crate::recorder::{Line, Recorder};
use crate::run_directory::{RunDirectory, RunInfo};
use crate::sabotage::Sabotage;
use crate::watch::Watch;
use crate::workload::Workload;

/// How long the cluster may take to elect its first leader.
const SETTLE_LIMIT: Duration = Duration::from_secs(15);
/// How long the clients go on after the heal, waiting for the cluster to serve again, where the workload does not say.
const RECOVERY_LIMIT: Duration = Duration::from_secs(10);
/// What must be there before the first operation is there by then: nothing is broken yet.
const PREPARE_LIMIT: Duration = Duration::from_secs(10);
const FINAL_READS_LIMIT: Duration = Duration::from_secs(10);
/// What starting, healing and stopping processes may take on a slow machine.
const SLACK: Duration = Duration::from_secs(30);

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

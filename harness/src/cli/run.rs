//! `faultline run FILE…`

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use checker::verdict::{ExitCode, Judgement, Verdict};
use clap::Args;
use node::bug::Bug;
use tokio_util::sync::CancellationToken;

use crate::console::{err, out};
use crate::run::{Finished, Options, Programs};
use crate::sabotage::Sabotage;
use crate::workload::Workload;
use crate::{report, run, workload};

/// Arguments of a run.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct RunArguments {
    /// Workload files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Seed of everything random; without it a fresh one is drawn and printed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run each workload with N seeds in a row
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Where run directories go
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    // One of the planted bugs, which help names.
    #[arg(long, value_name = "BUG", help = plant_help())]
    plant: Option<Bug>,
    /// Break the harness itself in this one way, for its own tests
    #[arg(long, value_name = "MUTANT", hide = true)]
    sabotage: Option<Sabotage>,
    #[command(flatten)]
    binaries: super::binaries::BinaryArguments,
    /// Judge while the run goes on, and stop it at the first violation
    #[arg(long)]
    fail_fast: bool,
    #[command(flatten)]
    limits: super::check::LimitArguments,
    #[command(flatten)]
    pretence: super::doctor::Pretence,
}

pub(super) fn run(arguments: RunArguments) -> ExitCode {
    // Whatever is wrong with the request is found before anything runs.
    let workloads = match load(&arguments.files) {
        Ok(workloads) => workloads,
        Err(code) => return code,
    };
    let programs = match arguments.binaries.programs(workloads.iter().map(|(_, workload)| workload))
    {
        Ok(programs) => programs,
        Err(error) => return super::fail(ExitCode::Usage, &error),
    };
    let files = workloads.iter().map(|(file, workload)| (file.as_path(), workload));
    if let Err(code) = super::doctor::refuse(files, &arguments.out, &arguments.pretence) {
        return code;
    }
    super::cleanup::clean_before_run(&arguments.out);
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return super::fail(ExitCode::RunFailed, &error),
        };
    runtime.block_on(run_all(&arguments, &workloads, &programs))
}

/// `--out DIR`, where that is not what it is unless said.
pub(super) fn out_flag(out: &Path) -> String {
    if out == Path::new("runs") { String::new() } else { format!(" --out {}", out.display()) }
}

/// The planted bugs by name, so that help cannot lag behind them.
fn plant_help() -> String {
    let names = Bug::ALL.map(Bug::name).join(", ");
    format!("Make every node behave wrongly in this one way (docs/planted-bugs.md): {names}")
}

fn load(files: &[PathBuf]) -> Result<Vec<(PathBuf, Workload)>, ExitCode> {
    let mut workloads = Vec::new();
    let mut failed = false;
    for file in files {
        match workload::load(file) {
            Ok(workload) => workloads.push((file.clone(), workload)),
            Err(diagnostics) => {
                err!("{diagnostics}");
                failed = true;
            }
        }
    }
    if failed { Err(ExitCode::Usage) } else { Ok(workloads) }
}

async fn run_all(
    arguments: &RunArguments,
    workloads: &[(PathBuf, Workload)],
    programs: &Programs,
) -> ExitCode {
    let interrupt = interrupt_on_signals();
    let mut code = ExitCode::Valid;
    let mut tally = Tally::default();
    for (file, workload) in workloads {
        let first = arguments.seed.unwrap_or_else(fresh_seed);
        for seed in (0..arguments.repeat).map(|offset| first.wrapping_add(offset)) {
            if interrupt.is_cancelled() {
                return code.merge(ExitCode::Undecided);
            }
            let options = arguments.options(file, seed, programs);
            out!("faultline: {} with seed {seed}", workload.name);
            let finished = run::run(workload, seed, &options, &interrupt).await;
            let ended = show(&options, &finished, &mut tally);
            code = code.merge(ended);
        }
    }
    if tally.runs > 1 {
        out!("{}", tally.summary());
    }
    code
}

impl RunArguments {
    fn options(&self, file: &Path, seed: u64, programs: &Programs) -> Options {
        Options {
            out: self.out.clone(),
            programs: programs.clone(),
            plant: self.plant.map(|bug| bug.to_string()),
            sabotage: self.sabotage,
            file: file.to_path_buf(),
            command: self.command(file, seed),
            fail_fast: self.fail_fast,
            limits: self.limits.limits(),
            schedule: None,
        }
    }

    /// The command that runs one seed again.
    fn command(&self, file: &Path, seed: u64) -> String {
        let mut command = format!("faultline run {} --seed {seed}", file.display());
        if let Some(bug) = self.plant {
            command += &format!(" --plant {bug}");
        }
        command += &self.binaries.flags();
        command += &out_flag(&self.out);
        if self.fail_fast {
            command += " --fail-fast";
        }
        command
    }
}

/// Shows how a run ended.
pub(super) fn show(
    options: &Options,
    finished: &anyhow::Result<Finished>,
    tally: &mut Tally,
) -> ExitCode {
    match finished {
        Ok(Finished { directory, info, judgement }) => {
            out!("{}", report::terminal(Some(info), Some(directory.path()), judgement).trim_end());
            tally.add(judgement);
            judgement.verdict.into()
        }
        Err(error) => {
            tally.runs += 1;
            err!("faultline: {error:#}");
            err!("faultline: the run failed; again with: {}", options.command);
            err!("verdict      none: the harness failed, and nothing was judged");
            ExitCode::RunFailed
        }
    }
}

/// The sum of several runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    runs: u64,
    verdicts: BTreeMap<Verdict, u64>,
    /// How many runs each check convicted.
    convicted_by: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn add(&mut self, judgement: &Judgement) {
        self.runs += 1;
        *self.verdicts.entry(judgement.verdict).or_default() += 1;
        for check in judgement.checks.iter().filter(|check| check.verdict == Verdict::Invalid) {
            *self.convicted_by.entry(check.name.clone()).or_default() += 1;
        }
    }

    pub(super) fn summary(&self) -> String {
        let count = |verdict| self.verdicts.get(&verdict).copied().unwrap_or(0);
        let (valid, unknown, invalid) =
            (count(Verdict::Valid), count(Verdict::Unknown), count(Verdict::Invalid));
        let failed = self.runs - valid - unknown - invalid;
        let mut summary = format!(
            "{} runs: {valid} valid, {invalid} with a violation, {unknown} undecided, {failed} failed",
            self.runs
        );
        for (check, runs) in &self.convicted_by {
            summary += &format!("\n  {check}: violated in {runs} of {} runs", self.runs);
        }
        summary
    }
}

/// A seed that nobody chose: short enough to be typed again.
fn fresh_seed() -> u64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    random % 1_000_000_000
}

/// The first SIGINT, SIGTERM or SIGHUP interrupts: heal, keep the history, judge what there is. The second ends at once; the nodes are bound to our
/// life by the kernel, so none stays behind.
pub(super) fn interrupt_on_signals() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = CancellationToken::new();
    let token = interrupt.clone();
    tokio::spawn(async move {
        let [Ok(mut terminate), Ok(mut interrupted), Ok(mut hung_up)] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal)
        else {
            return;
        };
        for last in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupted.recv() => {}
                _ = hung_up.recv() => {}
            }
            if last {
                err!("faultline: ended at once; nothing was judged");
                std::process::exit(ExitCode::Undecided as i32);
            }
            let again =
                if std::io::stderr().is_terminal() { " (once more ends at once)" } else { "" };
            err!("faultline: interrupted: healing, then judging what there is{again}");
            token.cancel();
        }
    });
    interrupt
}

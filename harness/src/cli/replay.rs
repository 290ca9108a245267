//! `faultline replay RUN_DIR`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use checker::judge::{Question, judge};
use checker::verdict::{ExitCode, Judgement, Verdict};
use clap::Args;
use serde_json::Value;

use super::run::{Tally, interrupt_on_signals, show};
use crate::console::out;
use crate::plan::Schedule;
use crate::run::{self, Finished, Options, Programs};
use crate::run_directory::RunInfo;
use crate::workload::{self, Workload};

/// Arguments of a replay.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct ReplayArguments {
    /// The directory of the run
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// Do it so many times
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    times: u64,
    /// Where run directories go
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Other binaries than the run had: does it still happen?
    #[command(flatten)]
    binaries: super::binaries::BinaryArguments,
    /// Without the planted bug that the run had
    #[arg(long)]
    without_plant: bool,
    #[command(flatten)]
    limits: super::check::LimitArguments,
}

/// A run that can be done again.
struct Recording {
    /// Its directory; `latest` may soon mean another.
    dir: PathBuf,
    info: RunInfo,
    workload: Workload,
    schedule: Schedule,
    judgement: Judgement,
    programs: Programs,
}

pub(super) fn replay(arguments: &ReplayArguments) -> ExitCode {
    let recording = match read(arguments) {
        Ok(recording) => recording,
        Err(error) => return super::fail(ExitCode::Usage, &error),
    };
    let file = recording.dir.join("workload.yaml");
    let workload = [(file.as_path(), &recording.workload)];
    if let Err(code) = super::doctor::refuse(workload, &arguments.out, &Default::default()) {
        return code;
    }
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return super::fail(ExitCode::RunFailed, &error),
        };
    runtime.block_on(replay_all(arguments, &recording))
}

fn read(arguments: &ReplayArguments) -> Result<Recording, String> {
    let given = arguments.run.display();
    let dir = std::fs::canonicalize(&arguments.run).map_err(|error| format!("{given}: {error}"))?;
    let text = |name: &str| {
        let path = dir.join(name);
        std::fs::read_to_string(&path).map_err(|error| {
            format!("{}: {error}; a replay needs a run directory of faultline", path.display())
        })
    };
    let wrong = |name: &str, error: &dyn std::fmt::Display| {
        format!("{}: {error}", dir.join(name).display())
    };
    let info: RunInfo =
        serde_json::from_str(&text("run.json")?).map_err(|error| wrong("run.json", &error))?;
    let judgement = match text("verdict.json") {
        Ok(verdict) => {
            serde_json::from_str(&verdict).map_err(|error| wrong("verdict.json", &error))?
        }
        // The run was killed before it was judged; what there is can be.
        Err(_) => {
            let question = Question { limits: arguments.limits.limits(), ..Question::default() };
            judge(&dir, &question).map_err(|error| error.to_string())?.judgement
        }
    };
    let schedule = Schedule::again(&text("schedule.jsonl")?)
        .map_err(|error| wrong("schedule.jsonl", &error))?;
    let mut workload =
        workload::load(&dir.join("workload.yaml")).map_err(|error| error.to_string())?;
    workload.name.clone_from(&info.workload);
    if let Some(objection) = workload::objection_to_name(&workload) {
        return Err(wrong("run.json", &objection));
    }
    let objection =
        schedule.faults().find_map(|planned| workload::objection_to(&workload, &planned.fault));
    if let Some(objection) = objection {
        return Err(wrong("schedule.jsonl", &objection));
    }
    let programs = arguments.binaries.or_recorded(&info).programs([&workload])?;
    Ok(Recording { dir, info, workload, schedule, judgement, programs })
}

async fn replay_all(arguments: &ReplayArguments, recording: &Recording) -> ExitCode {
    let interrupt = interrupt_on_signals();
    let Recording { info, workload, judgement, .. } = recording;
    let mut code = ExitCode::Valid;
    let mut tally = Tally::default();
    let (mut same, mut done) = (0, 0);
    for time in 1..=arguments.times {
        if interrupt.is_cancelled() {
            return code.merge(ExitCode::Undecided);
        }
        out!("faultline: {} with seed {}, time {time}", workload.name, info.seed);
        let options = options(arguments, recording);
        let finished = run::run(workload, info.seed, &options, &interrupt).await;
        code = code.merge(show(&options, &finished, &mut tally));
        done += 1;
        if let Ok(Finished { directory, judgement: now, .. }) = &finished {
            same += u64::from(came_back(judgement, now));
            tell_unmatched(directory.path());
        }
    }
    out!("replay: {} came back in {same} of {done} runs", named(judgement));
    code
}

/// The command that does the same again.
fn command(arguments: &ReplayArguments, recording: &Recording) -> String {
    let without = if arguments.without_plant { " --without-plant" } else { "" };
    let (binaries, out) = (arguments.binaries.flags(), super::run::out_flag(&arguments.out));
    format!("faultline replay {}{without}{binaries}{out}", recording.dir.display())
}

fn options(arguments: &ReplayArguments, recording: &Recording) -> Options {
    let plant = recording.info.planted.clone().filter(|_| !arguments.without_plant);
    Options {
        out: arguments.out.clone(),
        programs: recording.programs.clone(),
        plant,
        file: recording.dir.join("workload.yaml"),
        command: command(arguments, recording),
        fail_fast: false,
        limits: arguments.limits.limits(),
        schedule: Some(recording.schedule.clone()),
        sabotage: None,
    }
}

/// Whether a judgement says again what another said: a violation is that of one of the same promises.
fn came_back(then: &Judgement, now: &Judgement) -> bool {
    let violated = |judgement: &Judgement| -> BTreeSet<String> {
        let invalid = judgement.checks.iter().filter(|check| check.verdict == Verdict::Invalid);
        invalid.map(|check| check.name.clone()).collect()
    };
    then.verdict == now.verdict
        && (then.verdict != Verdict::Invalid || !violated(then).is_disjoint(&violated(now)))
}

/// A judgement in words: `invalid (linearizable)`.
fn named(judgement: &Judgement) -> String {
    let name = match judgement.verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "undecided",
        Verdict::Invalid => "a violation",
    };
    let worst = judgement.checks.iter().filter(|check| check.verdict == judgement.verdict);
    let worst: Vec<_> = worst.map(|check| check.name.as_str()).collect();
    match judgement.verdict {
        Verdict::Valid => name.into(),
        _ => format!("{name} ({})", worst.join(", ")),
    }
}

/// Says which faults began or ended by their time alone, because the run had not come as far as the one before.
fn tell_unmatched(dir: &Path) {
    let history = std::fs::read_to_string(dir.join("history.jsonl")).unwrap_or_default();
    for line in history.lines().filter(|line| line.contains("\"unmatched\"")) {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let (fault, why) = (&line["fault"], &line["value"]["unmatched"]);
        let (fault, why) = (fault.as_str().unwrap_or("?"), why.as_str().unwrap_or_default());
        let what = if line["stage"] == "end" { "ended" } else { "began" };
        out!("replay: {fault} {what} by its time, not by what had happened: {why}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use checker::verdict::CheckReport;

    use super::*;

    fn judgement(checks: &[(&str, Verdict)]) -> Judgement {
        let report = |(name, verdict): &(&str, Verdict)| CheckReport::new(*name, *verdict, "");
        let verdict = checks.iter().fold(Verdict::Valid, |sum, (_, verdict)| sum.merge(*verdict));
        let checks = checks.iter().map(report).collect();
        Judgement { verdict, checks, faults: Vec::new(), operations: BTreeMap::new() }
    }

    #[test]
    fn a_verdict_comes_back_if_the_same_promise_is_broken() {
        let broken = |name| judgement(&[(name, Verdict::Invalid), ("other", Verdict::Valid)]);
        assert!(came_back(&broken("linearizable"), &broken("linearizable")));
        assert!(!came_back(&broken("linearizable"), &broken("election-safety")));
        assert!(!came_back(&broken("linearizable"), &judgement(&[("other", Verdict::Valid)])));
        assert_eq!(named(&broken("linearizable")), "a violation (linearizable)");
    }
}

//! `faultline cleanup`

use std::path::{Path, PathBuf};

use checker::verdict::ExitCode;
use clap::Args;

use crate::console::{err, out};
use crate::ledger::{Found, cleanup as undo};

/// Arguments of a cleanup.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct CleanupArguments {
    /// Where run directories are
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing is left to undo, 2 there is no such directory, 4 something could not be undone";

pub(super) fn cleanup(arguments: &CleanupArguments) -> ExitCode {
    let found = match undo(&arguments.out) {
        Ok(found) => found,
        Err(error) => return super::fail(ExitCode::Usage, &error),
    };
    let failed = !found.failed.is_empty();
    if found.undone.is_empty() && !failed {
        out!("faultline: nothing is left to undo in {}", arguments.out.display());
    }
    tell(&found);
    for run in &found.alive {
        out!("faultline: {}: still runs; left alone", run.display());
    }
    if failed { ExitCode::RunFailed } else { ExitCode::Valid }
}

/// The same before a run, which says something only if there is something to say, and goes on in any case: what another left behind is not its own.
pub(super) fn clean_before_run(out: &Path) {
    if !out.is_dir() {
        return;
    }
    match undo(out) {
        Ok(found) => tell(&found),
        Err(error) => err!("faultline: {error:#}"),
    }
}

fn tell(found: &Found) {
    for undone in &found.undone {
        out!("faultline: left behind by {undone}");
    }
    for failed in &found.failed {
        err!("faultline: {failed}");
    }
}

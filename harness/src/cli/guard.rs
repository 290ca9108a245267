//! `faultline guard --parent PID -- PROGRAM ARGUMENTS…`: becomes the program, bound to the life of its parent.
//!
//! Used for nodes, ours and others'. The kernel's parent-death signal survives the change of program, kills stopped processes too,
//! and needs no help of ours: nothing outlives a harness that was killed with SIGKILL.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use checker::verdict::ExitCode;
use clap::Args;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::console::err;

/// Arguments of the guard.
#[derive(Debug, Args)]
pub(super) struct GuardArguments {
    /// The process whose death ends the program
    #[arg(long)]
    parent: u32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

pub(super) fn guard(arguments: GuardArguments) -> ExitCode {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        err!("faultline guard: cannot be bound to the harness: {error}");
        return ExitCode::RunFailed;
    }
    // The parent may have died before the signal was set: then nobody will send it.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent != i32::try_from(arguments.parent).ok() {
        err!("faultline guard: the harness is gone");
        return ExitCode::RunFailed;
    }
    let [program, rest @ ..] = arguments.program.as_slice() else { return ExitCode::Usage };
    let error = Command::new(program).args(rest).exec();
    err!("faultline guard: cannot run {}: {error}", program.to_string_lossy());
    ExitCode::RunFailed
}

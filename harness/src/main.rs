//! Faultline: fault injection for replicated systems, with verdicts that can be checked.
//!
//! `faultline run` starts a cluster of real processes, breaks it on purpose, records what clients saw, and judges the recording.
//! See `docs/ARCHITECTURE.md`.

mod bench;
mod cli;
mod clients;
mod cluster;
mod console;
mod doctor;
mod export;
mod faults;
mod host_noise;
mod ledger;
mod links;
mod observer;
mod plan;
mod recorder;
mod report;
mod run;
mod run_directory;
mod sabotage;
mod watch;
mod workload;

fn main() -> std::process::ExitCode {
    cli::main()
}

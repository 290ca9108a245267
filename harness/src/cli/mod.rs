//! The command line: one file a subcommand.

mod bench_links;
mod bench_node;
mod binaries;
mod certs;
mod check;
mod cleanup;
mod convert;
mod doctor;
mod follow;
mod guard;
mod inspect;
mod kv;
mod members;
mod node;
mod replay;
mod run;
mod verify;

use std::process::ExitCode as ProcessExitCode;

use checker::verdict::ExitCode;
use clap::{Parser, Subcommand};

use crate::console::err;

/// Fault injection for replicated systems: run a workload against real processes, break the cluster on purpose, and prove from the
/// recording whether it kept its promises.
#[derive(Debug, Parser)]
#[command(name = "faultline", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 valid, 1 a violation, 2 bad usage or malformed input, 3 undecided or nothing proved, \
4 the run itself failed";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run workloads against a cluster, inject their faults, and judge what clients saw
    Run(run::RunArguments),
    /// Do to a system again what a run did to it, and say how often its verdict comes back
    Replay(replay::ReplayArguments),
    /// Judge a recording: a run directory or a bare history file
    Check(check::CheckArguments),
    /// Try what faults need of this machine, and say which of them work here
    Doctor(doctor::DoctorArguments),
    /// End what runs left behind that were killed themselves
    Cleanup(cleanup::CleanupArguments),
    /// Write a history in another form: Jepsen's, Porcupine's, or Parquet for DuckDB
    Convert(convert::ConvertArguments),
    /// Check a certificate against its history, without trusting who wrote it
    Verify(verify::VerifyArguments),
    /// Be a node of the reference system, started by `run` or by you, or look into the data directory of one
    Node(node::NodeArguments),
    /// Make an authority and certificates for nodes and clients that you start yourself
    Certs(certs::CertsArguments),
    /// Be a client of nodes that you started yourself
    Kv(kv::KvArguments),
    /// Measure the reference system: writes, linearizable reads, and the time without a leader
    BenchNode(bench_node::BenchNodeArguments),
    /// Measure the relays: round trips and packets a second, beside no relay and a bare forwarder
    BenchLinks(bench_links::BenchLinksArguments),
    /// Become a program that ends when its parent does (used by `run`)
    #[command(hide = true)]
    Guard(guard::GuardArguments),
}

/// Runs the command of the command line.
pub(crate) fn main() -> ProcessExitCode {
    // Usage errors end here, with clap's message and code 2.
    let code = match Cli::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Cleanup(arguments) => cleanup::cleanup(&arguments),
        Command::Convert(arguments) => convert::convert(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Node(arguments) => node::node(arguments),
        Command::Certs(arguments) => certs::certs(&arguments),
        Command::Kv(arguments) => kv::kv(&arguments),
        Command::BenchNode(arguments) => bench_node::bench_node(&arguments),
        Command::BenchLinks(arguments) => bench_links::bench_links(&arguments),
        Command::Guard(arguments) => guard::guard(arguments),
    };
    ProcessExitCode::from(code as u8)
}

/// Prints an error with its causes, without a stack trace, and gives the code.
fn fail(code: ExitCode, error: &dyn std::fmt::Display) -> ExitCode {
    err!("faultline: {error:#}");
    code
}

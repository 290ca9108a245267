//! `faultline bench-node`: how quick the reference system is.

use std::time::Duration;

use checker::verdict::ExitCode;
use clap::{Args, ValueEnum};

use crate::bench::{Plan, bench};
use crate::console::out;

/// Arguments of the benchmark.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct BenchNodeArguments {
    /// Measure another system beside ours, in the same way (needs its binary on the PATH, and a build with `--features etcd`)
    #[arg(long)]
    against: Option<Other>,
    /// Numbers of clients, one after another
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    clients: Vec<usize>,
    /// How long each load goes on
    #[arg(long, default_value = "5s", value_parser = super::check::duration)]
    duration: Duration,
    /// How often the leader is killed, all links between our nodes are cut and healed, and those of our leader
    #[arg(long, default_value_t = 7)]
    kills: usize,
    /// How many entries are in the log of a node of ours that is restarted; 0: none is
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    restart_entries: u64,
}

const EXIT_CODES: &str =
    "Exit codes: 0 measured, 2 bad usage, 4 a node or the other system did not do what it should";

/// Another system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Other {
    /// etcd, three members with its defaults
    Etcd,
}

pub(super) fn bench_node(arguments: &BenchNodeArguments) -> ExitCode {
    let plan = Plan {
        clients: arguments.clients.clone(),
        duration: arguments.duration,
        kills: arguments.kills,
        restart_entries: arguments.restart_entries,
    };
    let against_etcd = arguments.against == Some(Other::Etcd);
    let measured = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(bench(&plan, against_etcd)));
    match measured {
        Ok(table) => {
            out!("{}", table.to_string().trim_end());
            ExitCode::Valid
        }
        Err(error) => super::fail(ExitCode::RunFailed, &error),
    }
}

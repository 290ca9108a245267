//! `faultline bench-links`: what the relays cost.

use std::time::Duration;

use checker::verdict::ExitCode;
use clap::Args;

use crate::bench::{LinksPlan, bench_links as packets, bench_messages, bench_recording};
use crate::console::out;

/// Arguments of the benchmark.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct BenchLinksArguments {
    /// Round trips over each way, in each of five turns
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(100..))]
    pings: u32,
    /// How long each way is flooded
    #[arg(long, default_value = "2s", value_parser = super::check::duration)]
    flood: Duration,
}

const EXIT_CODES: &str = "Exit codes: 0 measured, 2 bad usage, 4 it could not be measured";

pub(super) fn bench_links(arguments: &BenchLinksArguments) -> ExitCode {
    match bench(arguments) {
        Ok(()) => ExitCode::Valid,
        Err(error) => super::fail(ExitCode::RunFailed, &error),
    }
}

/// Clients first: the other measurements keep their threads on one core.
fn bench(arguments: &BenchLinksArguments) -> anyhow::Result<()> {
    let (pings, flood) = (arguments.pings as usize, arguments.flood);
    out!("{}", bench_recording(flood)?);
    out!("{}", packets(&LinksPlan { pings, flood })?);
    out!("{}", bench_messages(pings, flood)?.to_string().trim_end());
    Ok(())
}

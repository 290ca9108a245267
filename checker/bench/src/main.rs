//! The benchmark of the checker: histories from seeds, judged by this project and, where it has such an object, by the peer from crates.io and by
//! the study that came before this project, if it is at hand, on the same files in the same run.
//!
//! ```console
//! $ cargo run --release --manifest-path checker/bench/Cargo.toml            # the table
//! $ cargo run --release --manifest-path checker/bench/Cargo.toml -- scale docs/scaling.svg
//! $ cargo run --release --manifest-path checker/bench/Cargo.toml -- stream
//! ```

mod cases;
mod measure;
mod peer;
mod plot;
mod random;
mod simulate;
mod study;
mod systems;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use checker::history::Event;
use checker::online;
use clap::{Parser, Subcommand};

use self::cases::{CASES, Case, Target};
use self::measure::{Judge, Measured, judge_here, measure};
use self::plot::Series;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Benchmark of the checker beside its peers
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure cases, all or those named, and print the table
    Table {
        /// Names of cases, or beginnings of names
        names: Vec<String>,
        /// Each is judged so often; the best counts
        #[arg(long, default_value_t = 3)]
        runs: usize,
        /// Leave the peer out
        #[arg(long)]
        no_peer: bool,
        /// Time the study too, whose programs `bench` and `tx` are in this directory (cargo's `target/release`)
        #[arg(long, value_name = "DIRECTORY")]
        study: Option<PathBuf>,
    },
    /// Measure 1, 2, 4 and 8 million operations and draw the cost as SVG
    Scale {
        /// The file to write
        output: PathBuf,
    },
    /// Measure the online judge: events a second in memory, and how many clusters of values it keeps at most
    Stream,
    /// Write the history of a case
    Generate {
        /// Its name
        name: String,
        /// The file to write
        output: PathBuf,
    },
    /// Judge one file and print the measurement as JSON (used by the others)
    #[command(hide = true)]
    Judge {
        name: String,
        path: PathBuf,
        #[arg(long)]
        peer: bool,
        #[arg(long, conflicts_with = "peer")]
        study: Option<PathBuf>,
    },
}

fn main() -> Result<()> {
    let all = || Command::Table { names: vec![], runs: 3, no_peer: false, study: None };
    match Arguments::parse().command.unwrap_or_else(all) {
        Command::Table { names, runs, no_peer, study } => {
            table(&names, runs, !no_peer, study.as_deref())
        }
        Command::Scale { output } => scale(&output),
        Command::Stream => stream(),
        Command::Generate { name, output } => {
            let case = Case::named(&name).ok_or("no case of this name")?;
            generate(case, case.load.operations, &output)
        }
        Command::Judge { name, path, peer, study } => {
            let case = Case::named(&name).ok_or("no case of this name")?;
            let other = if peer { Judge::Peer } else { Judge::Ours };
            let judge = study.as_deref().map_or(other, Judge::Study);
            serde_json::to_writer(io::stdout(), &judge_here(judge, case, &path)?)?;
            Ok(())
        }
    }
}

fn generate(case: &Case, operations: usize, path: &Path) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    case.write(operations, &mut out)?;
    out.flush()?;
    Ok(())
}

fn table(names: &[String], runs: usize, with_peer: bool, study: Option<&Path>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    println!("{HEAD}{}", if study.is_some() { STUDY_HEAD } else { "" });
    println!("{}", "|---".repeat(11 + if study.is_some() { 6 } else { 0 }) + "|");
    let chosen = |case: &&Case| {
        names.is_empty() || names.iter().any(|name| case.name.starts_with(name.as_str()))
    };
    for case in CASES.iter().filter(chosen) {
        let path = directory.path().join(case.name);
        generate(case, case.load.operations, &path)?;
        let ours = measure(Judge::Ours, case, &path, runs);
        let peer = (with_peer && case.has_peer()).then(|| measure(Judge::Peer, case, &path, 1));
        let study = study.map(|programs| measure(Judge::Study(programs), case, &path, runs));
        let studied = study.map_or_else(String::new, |study| study_columns(&ours, &study));
        println!("{}{studied}", row(case, &ours, peer.as_ref()));
        std::fs::remove_file(&path)?;
    }
    Ok(())
}

const HEAD: &str = "| history | verdict | read s | check s | check CPU s | CPU s | peak MB | bytes/op | target | porcupine-rs check s | ratio |";
const STUDY_HEAD: &str = " study | read s | check s | check ratio | CPU ratio | peak MB |";

fn row(case: &Case, ours: &Measured, peer: Option<&Measured>) -> String {
    let expected = if case.is_valid { "valid" } else { "invalid" };
    let wrong = if ours.verdict == expected { "" } else { " (WRONG)" };
    let (target, took) = match case.target {
        Target::Check(seconds) => (format!("check {seconds}"), Some((seconds, ours.check))),
        Target::File(seconds) => {
            (format!("file {seconds}"), Some((seconds, ours.read + ours.check)))
        }
        Target::None => (String::new(), None),
    };
    let met = took.map_or("", |(target, took)| if took <= target { " met" } else { " missed" });
    let (peer, ratio) = match peer {
        None => (String::new(), String::new()),
        Some(peer) if peer.check == 0.0 || peer.verdict.contains("over") => {
            (peer.verdict.clone(), String::new())
        }
        Some(peer) => (format!("{:.3}", peer.check), ratio(peer.check, ours.check)),
    };
    format!(
        "| {} | {}{wrong} | {:.3} | {:.4} | {:.4} | {:.2} | {:.0} | {:.0} | {target}{met} | {peer} | {ratio} |",
        case.name,
        ours.verdict,
        ours.read,
        ours.check,
        ours.check_cpu,
        ours.cpu,
        ours.peak_bytes as f64 / 1e6,
        ours.peak_bytes as f64 / case.load.operations as f64,
    )
}

/// What the study took, and how many times our time that is. Of processor time, that of both for all that the study did: the file, or else the check.
fn study_columns(ours: &Measured, study: &Measured) -> String {
    let number = |number: f64| if number > 0.0 { format!("{number:.4}") } else { String::new() };
    let of_cpu = match study.cpu > 0.0 {
        true => ratio(study.cpu, ours.cpu),
        false => ratio(study.check_cpu, ours.check_cpu),
    };
    format!(
        " {} | {} | {} | {} | {of_cpu} | {} |",
        study.verdict,
        number(study.read),
        number(study.check),
        ratio(study.check, ours.check),
        number(study.peak_bytes as f64 / 1e6),
    )
}

/// How many times ours another's time is; nothing where there is no time.
fn ratio(other: f64, ours: f64) -> String {
    match other / ours.max(1e-6) {
        0.0 => String::new(),
        few if few < 10.0 => format!("{few:.2}x"),
        many => format!("{many:.0}x"),
    }
}

fn stream() -> Result<()> {
    for name in ["unique-1m-10c", "unique-1m-100c"] {
        let case = Case::named(name).ok_or("no case of this name")?;
        let mut text = Vec::new();
        case.write(case.load.operations, &mut text)?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events: Vec<Event> =
            lines.map(serde_json::from_slice).collect::<std::result::Result<_, _>>()?;
        let (mut best, mut live) = (f64::MAX, 0);
        for _ in 0..3 {
            let mut judge = online::Registers::new();
            let began = Instant::now();
            for (number, event) in events.iter().enumerate() {
                if judge.push(event)?.is_some() {
                    return Err("a valid history was convicted".into());
                }
                if number % 1024 == 0 {
                    live = live.max(judge.live());
                }
            }
            best = best.min(began.elapsed().as_secs_f64());
        }
        let rate = events.len() as f64 / best / 1e6;
        println!("{name}: {rate:.1} M events/s, at most {live} live clusters");
    }
    Ok(())
}

/// The cases of the plot.
const SCALED: [&str; 4] = ["unique-1m-100c", "queue-1m-10c", "stack-1m-10c", "list-append-1m"];

fn scale(output: &Path) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut all = Vec::new();
    for case in SCALED.iter().filter_map(|name| Case::named(name)) {
        let mut points = Vec::new();
        for millions in [1, 2, 4, 8] {
            let operations = millions * 1_000_000;
            let path = directory.path().join(case.name);
            generate(case, operations, &path)?;
            let measured = measure(Judge::Ours, case, &path, 3);
            println!(
                "{} {millions} M: check {:.3} s, {}",
                case.name, measured.check, measured.verdict
            );
            points.push((operations, measured.check));
        }
        all.push(Series { name: case.model.name().to_string(), points });
    }
    std::fs::write(output, plot::svg(&all))?;
    Ok(())
}

//! Measuring: each history is judged in a process of its own, so that memory is counted from nothing and may run out.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use checker::verdict::Verdict;
use serde::{Deserialize, Serialize};

use crate::cases::Case;
use crate::peer;

/// What one judge did with one history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Its verdict, or why there is none.
    pub verdict: String,
    /// Seconds from opening the file to the history in memory.
    pub read: f64,
    /// Seconds for the check alone.
    pub check: f64,
    /// Seconds of all processors, for both.
    pub cpu: f64,
    /// The most memory that the process held, in bytes.
    pub peak_bytes: u64,
}

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// This project.
    Ours,
    /// porcupine-rs.
    Peer,
}

/// The peer may have so much memory, in bytes of address space.
const PEER_MEMORY_BYTES: u64 = 8 << 30;

/// Judges a file in a child process; the best of so many runs.
pub fn measure(judge: Judge, case: &Case, path: &Path, runs: usize) -> Measured {
    let results = (0..runs).map(|_| in_child(judge, case, path));
    let total = |measured: &Measured| measured.read + measured.check;
    results.min_by(|a, b| total(a).total_cmp(&total(b))).expect("there is at least one run")
}

fn in_child(judge: Judge, case: &Case, path: &Path) -> Measured {
    let failed =
        |why: String| Measured { verdict: why, read: 0.0, check: 0.0, cpu: 0.0, peak_bytes: 0 };
    let flag = if judge == Judge::Peer { "--peer" } else { "--ours" };
    let own = std::env::current_exe().expect("the name of this program is known");
    let output = Command::new(own).args(["judge", case.name, flag]).arg(path).output();
    match output {
        Ok(output) if output.status.success() => serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| failed(format!("no result: {error}"))),
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            let is_memory = words.contains("memory allocation");
            failed(if is_memory { "out of memory".into() } else { output.status.to_string() })
        }
        Err(error) => failed(error.to_string()),
    }
}

/// Judges a file in this process.
pub fn judge_here(
    judge: Judge,
    case: &Case,
    path: &Path,
) -> Result<Measured, Box<dyn std::error::Error>> {
    if judge == Judge::Peer {
        let limit = Some(PEER_MEMORY_BYTES);
        let limit = rustix::process::Rlimit { current: limit, maximum: limit };
        rustix::process::setrlimit(rustix::process::Resource::As, limit)?;
        let (verdict, check) = peer::judge(path)?;
        return Ok(measured(verdict, 0.0, check));
    }
    let began = Instant::now();
    let history = checker::history::History::read(path)?;
    let read = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let report = checker::check(&history, case.model);
    let check = began.elapsed().as_secs_f64();
    let verdict = match report.verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "invalid",
    };
    Ok(measured(verdict, read, check))
}

fn measured(verdict: &str, read: f64, check: f64) -> Measured {
    Measured { verdict: verdict.into(), read, check, cpu: cpu_seconds(), peak_bytes: peak_bytes() }
}

/// Of this process, all threads, from its accounting in `/proc`.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    // User and system time, in hundredths of a second on every Linux.
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

//! Measuring: each history is judged in a process of its own, so that memory is counted from nothing and may run out.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use checker::verdict::Verdict;
use serde::{Deserialize, Serialize};

use crate::cases::Case;
use crate::{peer, study};

/// What one judge did with one history.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Its verdict, or why there is none.
    pub verdict: String,
    /// Seconds from opening the file to the history in memory.
    pub read: f64,
    /// Seconds for the check alone.
    pub check: f64,
    /// Seconds of all processors for the check alone, where they are known.
    pub check_cpu: f64,
    /// Seconds of all processors, for both.
    pub cpu: f64,
    /// The most memory that the process held, in bytes.
    pub peak_bytes: u64,
}

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge<'a> {
    /// This project.
    Ours,
    /// porcupine-rs.
    Peer,
    /// The study, whose programs are in this directory.
    Study(&'a Path),
}

/// The peer may have so much memory, in bytes of address space.
const PEER_MEMORY_BYTES: u64 = 8 << 30;

/// Judges a file in child processes; the best of so many runs, for each number alone: a machine with other work disturbs now the one, now the other.
pub fn measure(judge: Judge<'_>, case: &Case, path: &Path, runs: usize) -> Measured {
    let results = (0..runs).map(|_| in_child(judge, case, path));
    results.reduce(Measured::best_of).expect("there is at least one run")
}

fn in_child(judge: Judge<'_>, case: &Case, path: &Path) -> Measured {
    let own = std::env::current_exe().expect("the name of this program is known");
    let mut child = Command::new(own);
    child.args(["judge", case.name]).arg(path);
    match judge {
        Judge::Ours => {}
        Judge::Peer => drop(child.arg("--peer")),
        Judge::Study(programs) => drop(child.arg("--study").arg(programs)),
    }
    match child.output() {
        Ok(output) if output.status.success() => serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| Measured::failed(format!("no result: {error}"))),
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            let is_memory = words.contains("memory allocation");
            let why = if is_memory { "out of memory".into() } else { output.status.to_string() };
            Measured::failed(why)
        }
        Err(error) => Measured::failed(error.to_string()),
    }
}

impl Measured {
    /// No measurement, and why.
    pub fn failed(why: impl Into<String>) -> Self {
        Self { verdict: why.into(), ..Self::default() }
    }

    fn best_of(self, other: Self) -> Self {
        Self {
            verdict: self.verdict,
            read: self.read.min(other.read),
            check: self.check.min(other.check),
            check_cpu: self.check_cpu.min(other.check_cpu),
            cpu: self.cpu.min(other.cpu),
            peak_bytes: self.peak_bytes.min(other.peak_bytes),
        }
    }
}

/// Judges a file in this process.
pub fn judge_here(
    judge: Judge<'_>,
    case: &Case,
    path: &Path,
) -> Result<Measured, Box<dyn std::error::Error>> {
    match judge {
        Judge::Ours => ours(case, path),
        Judge::Peer => {
            let limit = Some(PEER_MEMORY_BYTES);
            let limit = rustix::process::Rlimit { current: limit, maximum: limit };
            rustix::process::setrlimit(rustix::process::Resource::As, limit)?;
            let (verdict, check) = peer::judge(path)?;
            let (cpu, peak_bytes) = (cpu_seconds(), peak_bytes());
            Ok(Measured { verdict: verdict.into(), check, cpu, peak_bytes, ..Measured::default() })
        }
        Judge::Study(programs) => study::judge(programs, case, path),
    }
}

fn ours(case: &Case, path: &Path) -> Result<Measured, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let history = checker::history::History::read(path)?;
    let read = began.elapsed().as_secs_f64();
    let (began, before) = (Instant::now(), cpu_seconds());
    let report = checker::check(&history, case.model);
    let check = began.elapsed().as_secs_f64();
    let verdict = match report.verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "invalid",
    };
    let cpu = cpu_seconds();
    let (check_cpu, peak_bytes) = (cpu - before, peak_bytes());
    Ok(Measured { verdict: verdict.into(), read, check, check_cpu, cpu, peak_bytes })
}

/// Of this process, all threads.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Of the children of this process that have ended, from its accounting in `/proc`.
pub fn cpu_seconds_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    // User and system time, in hundredths of a second on every Linux.
    (ticks(13) + ticks(14)) / 100.0
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

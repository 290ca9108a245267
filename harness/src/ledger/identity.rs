//! Which process it is: a pid alone may mean another by now.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::MARK;

/// How often to look whether a process that was killed is gone, and how long to wait in between.
const END_POLLS: u32 = 500;
const END_POLL: Duration = Duration::from_millis(10);
/// How often to look for marked processes.
const LOOKS: u32 = 5;

/// A process, told from every other that has or had its pid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(super) pid: u32,
    /// When it was started, in ticks of the kernel since the machine was.
    pub(super) started: u64,
    /// The program that it was when this was written; empty if that cannot be read.
    pub(super) executable: String,
}

impl Identity {
    /// The process that has a pid now.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let (_, started) = stat(pid)?;
        Ok(Self { pid, started, executable: executable(pid).unwrap_or_default() })
    }

    /// Whether it still runs. A zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        stat(self.pid).is_ok_and(|(state, started)| state != 'Z' && started == self.started)
    }

    /// Whether it still runs and certainly is the one that was meant: it is the same program, or, having become another as our guard does, carries
    /// the run's mark.
    pub(super) fn is_ours(&self, mark: &str) -> bool {
        let same = || executable(self.pid).is_some_and(|now| now == self.executable);
        self.is_alive() && (same() || carries(self.pid, mark))
    }

    /// Lets it go on if it is stopped, ends it, and waits until it is gone. The signals go to this very process: should it end in between, they go
    /// nowhere.
    pub(crate) fn end(&self) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let process = pidfd_open(pid.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?;
        if !self.is_alive() {
            return Ok(());
        }
        for signal in [Signal::CONT, Signal::KILL] {
            pidfd_send_signal(&process, signal)?;
        }
        for _ in 0..END_POLLS {
            if !self.is_alive() {
                return Ok(());
            }
            std::thread::sleep(END_POLL);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "it was killed and is still there"))
    }
}

/// Ends every process whose environment carries the mark, and says how that went. Environments of other users cannot be read. It is looked again until
/// there is none: one may have been being started meanwhile.
pub(super) fn end_marked(mark: &str) -> Vec<(Identity, io::Result<()>)> {
    let mut ended = Vec::new();
    for _ in 0..LOOKS {
        let found = marked(mark);
        let none = found.is_empty();
        ended.extend(found.into_iter().map(|process| {
            let result = process.end();
            (process, result)
        }));
        // What cannot be ended now cannot be later.
        if none || ended.iter().any(|(_, result)| result.is_err()) {
            break;
        }
    }
    ended
}

fn marked(mark: &str) -> Vec<Identity> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| carries(*pid, mark)).filter_map(|pid| Identity::of(pid).ok()).collect()
}

fn carries(pid: u32, mark: &str) -> bool {
    let wanted = format!("{MARK}={mark}");
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    })
}

/// Where pids mean what they say: the boot of the machine and the namespace of process ids.
pub(super) fn place() -> io::Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let namespace = fs::read_link("/proc/self/ns/pid")?;
    Ok(format!("{} {}", boot.trim(), namespace.display()))
}

/// 122 random bits as text.
pub(super) fn random() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_string())
}

/// Its state letter and when it was started.
fn stat(pid: u32) -> io::Result<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program stands in parentheses and may contain anything. The state is the third field, the start the 22nd.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let fields: Vec<_> = fields.collect();
    let state = fields.first().and_then(|state| state.chars().next());
    let started = fields.get(19).and_then(|started| started.parse().ok());
    state.zip(started).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The path of its program, whether or not the file was replaced meanwhile.
fn executable(pid: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?.display().to_string();
    Some(path.trim_end_matches(" (deleted)").to_string())
}

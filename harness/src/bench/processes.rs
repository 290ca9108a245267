//! The processes of a measured system, and what the kernel counts of them.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

/// What processes have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Of all processors, user and system.
    pub(super) cpu: Duration,
    /// Resident, at the moment.
    pub(super) memory_bytes: u64,
}

impl Process {
    /// Starts a program; what it prints goes to a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        Ok(Self { child })
    }

    /// Kills it at once (SIGKILL) and waits until it is gone.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it has used; nothing once it is gone.
    pub(super) fn usage(&self) -> Usage {
        usage(self.child.id()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// From `/proc/<pid>/stat`: processor times are the 14th and 15th field, in ticks; the 24th is resident pages.
fn usage(pid: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in parentheses and may contain anything.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = number(14)? + number(15)?;
    let second = rustix::param::clock_ticks_per_second();
    Some(Usage {
        cpu: Duration::from_secs_f64(ticks as f64 / second as f64),
        memory_bytes: number(24)? * rustix::param::page_size() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_what_this_process_has_used() {
        let before = usage(std::process::id()).unwrap();
        assert!(before.memory_bytes > 1_000_000);
        let mut sum = 0_u64;
        while usage(std::process::id()).unwrap().cpu == before.cpu {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
        assert!(usage(u32::MAX).is_none());
    }
}

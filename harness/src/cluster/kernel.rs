//! What the kernel does to processes that we started, and what it says of them.

use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group};

/// How long to wait until the kernel shows a stop or a continuation.
const STATE_POLLS: u32 = 200;
const STATE_POLL: Duration = Duration::from_millis(5);

/// Sends a signal to a process group that we started. That it may have ended already is not an error.
pub(crate) fn signal_group(pid: u32, signal: Signal) {
    if let Some(group) = raw(pid) {
        let _ = kill_process_group(group, signal);
    }
}

/// Waits until a child of ours has ended, and leaves it at that: until somebody waits for it, its pid means nobody else.
pub(crate) fn wait_until_ended(pid: u32) {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let Some(pid) = raw(pid) else { return };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// The state letter of `/proc/<pid>/stat`: `R`, `S`, `T`…
pub(crate) fn state(pid: u32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// The time for which all threads of a process have been on a processor so far.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    // The 14th and 15th field (proc_pid_stat(5)); the first two are cut off.
    let fields = stat(pid)?;
    let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let ticks = ticks(11)? + ticks(12)?;
    Some(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// The fields of `/proc/<pid>/stat` behind the name of the program, which stands in parentheses and may contain anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_string).collect())
}

/// Waits until the kernel shows a process in a state.
pub(super) async fn wait_for_state(
    pid: u32,
    wanted: fn(char) -> bool,
    name: &str,
) -> anyhow::Result<char> {
    for _ in 0..STATE_POLLS {
        match state(pid) {
            Some(state) if wanted(state) => return Ok(state),
            Some(_) => tokio::time::sleep(STATE_POLL).await,
            None => bail!("process {pid} is gone"),
        }
    }
    bail!("the kernel does not show process {pid} {name}")
}

/// How many file descriptors a process may have (its soft limit), as `/proc/<pid>/limits` says.
pub(crate) fn open_files_limit(pid: u32) -> anyhow::Result<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => Ok(u64::MAX),
        Some(number) => number.parse().context("the limit is no number"),
        None => bail!("the kernel says nothing of a limit"),
    }
}

/// Limits how many file descriptors a process may have. Only its soft limit changes, so that an ordinary user can raise it again.
pub(crate) fn limit_open_files(pid: u32, files: u64) -> anyhow::Result<()> {
    let process = raw(pid).context("no such process")?;
    // There is no way to ask alone for the hard limit of another process: it is set to what it is.
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let hard =
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|hard| hard.parse().ok());
    let new = Rlimit { current: Some(files), maximum: hard };
    rustix::process::prlimit(Some(process), Resource::Nofile, new).context("prlimit")?;
    Ok(())
}

/// Whether a process runs this program, itself or through an interpreter.
pub(crate) fn runs(pid: u32, program: &std::path::Path) -> bool {
    let same = |path: &std::path::Path| {
        std::fs::canonicalize(path)
            .is_ok_and(|path| std::fs::canonicalize(program).is_ok_and(|program| path == program))
    };
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = command.split(|byte| *byte == 0);
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| same(&exe))
        || words.any(|word| word == program.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_our_own_process() {
        let own = std::process::id();
        assert!(state(own).is_some_and(|state| "RS".contains(state)));
        assert!(cpu_time(own).is_some() && open_files_limit(own).unwrap() > 0);
        assert!(runs(own, &std::env::current_exe().unwrap()));
        assert!(!runs(own, std::path::Path::new("/bin/sh")));
        assert_eq!((state(u32::MAX), cpu_time(u32::MAX)), (None, None));
        assert!(open_files_limit(u32::MAX).is_err());
    }

    #[tokio::test]
    async fn limits_of_another_process_are_set_and_set_back() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let before = open_files_limit(child.id()).unwrap();
        for files in [8, before] {
            limit_open_files(child.id(), files).unwrap();
            assert_eq!(open_files_limit(child.id()).unwrap(), files);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(limit_open_files(child.id(), 8).is_err());
    }
}

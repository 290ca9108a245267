//! What we may do to processes of our own, and what the kernel tells of them.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{OURSELVES, kernel};
use crate::ledger::Identity;

const POLLS: u32 = 500;
const POLL: Duration = Duration::from_millis(10);
/// A limit of open files that no process has by itself.
const FILES: u64 = 61;

/// A process that does nothing; killed when dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Result<Self, String> {
        let mut command = Command::new("sleep");
        let child = command.arg("600").stdin(Stdio::null()).spawn();
        child.map(Self).map_err(|error| format!("`sleep` cannot be started to try it on: {error}"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(Pid::from_child(&self.0), signal).map_err(|error| error.to_string())
    }

    /// Whether the kernel shows it in such a state before long.
    fn is_seen(&self, wanted: fn(char) -> bool) -> bool {
        wait_for(|| kernel::state(self.pid()).is_some_and(wanted))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(mut holds: impl FnMut() -> bool) -> bool {
    (0..POLLS).any(|_| {
        let now = holds();
        if !now {
            std::thread::sleep(POLL);
        }
        now
    })
}

fn told(error: io::Error) -> String {
    error.to_string()
}

/// SIGTERM and SIGKILL end a process, and its wait status says which it was.
pub(super) fn signals() -> Result<String, String> {
    for signal in [Signal::TERM, Signal::KILL] {
        let mut sleeper = Sleeper::start()?;
        sleeper.signal(signal)?;
        let mut status = None;
        if !wait_for(|| {
            status = sleeper.0.try_wait().ok().flatten();
            status.is_some()
        }) {
            return Err(format!("a process that was sent signal {} goes on", signal.as_raw()));
        }
        if status.and_then(|status| status.signal()) != Some(signal.as_raw()) {
            return Err(format!("signal {} ended a process with {status:?}", signal.as_raw()));
        }
    }
    Ok("processes ended by SIGTERM and SIGKILL, as their wait status says".into())
}

/// SIGSTOP and SIGCONT do what they say.
pub(super) fn stop() -> Result<String, String> {
    let sleeper = Sleeper::start()?;
    sleeper.signal(Signal::STOP)?;
    if !sleeper.is_seen(|state| state == 'T') {
        return Err("after SIGSTOP the kernel does not show the process as stopped".into());
    }
    sleeper.signal(Signal::CONT)?;
    if !sleeper.is_seen(|state| state != 'T') {
        return Err("after SIGCONT the kernel still shows the process as stopped".into());
    }
    Ok("a process was stopped (state T) and continued".into())
}

/// A child of a child, bound to it as nodes are to us, ends when that is killed.
pub(super) fn parent_death() -> Result<String, String> {
    // For the shell, /proc/self/exe is the shell.
    let ourselves = format!("/proc/{}/exe", std::process::id());
    let script = r#""$0" guard --parent $$ -- sleep 600 & echo $!; exec sleep 600"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, &ourselves]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut parent = Sleeper(command.spawn().map_err(told)?);
    let mut line = String::new();
    let stdout = parent.0.stdout.take().expect("the output is piped");
    BufReader::new(stdout).read_line(&mut line).map_err(told)?;
    let pid = line.trim().parse().map_err(|_| format!("sh said `{}`", line.trim()))?;
    let child = Identity::of(pid).map_err(told)?;
    // Only once it has become the program it is bound: a guard that comes too late ends by itself, and would pass for bound.
    if !wait_for(|| is_called(pid, "sleep")) {
        let _ = child.end();
        return Err("the program that was to be bound did not start".into());
    }
    drop(parent);
    if wait_for(|| !child.is_alive()) {
        return Ok("a process ended with its parent".into());
    }
    let _ = child.end();
    Err("a process outlived its parent, though the kernel was told to end it".into())
}

fn is_called(pid: u32, name: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
}

/// What evidence and clean-up rest on: state, start and time on a processor, program, environment.
pub(super) fn proc() -> Result<String, String> {
    let sleeper = Sleeper::start()?;
    let pid = sleeper.pid();
    Identity::of(pid).map_err(|error| format!("/proc/{pid}/stat: {error}"))?;
    if kernel::cpu_time(pid).is_none() {
        return Err(format!("/proc/{pid}/stat does not tell the time on a processor"));
    }
    std::fs::read(format!("/proc/{pid}/environ"))
        .map_err(|error| format!("/proc/{pid}/environ: {error}"))?;
    let ourselves = std::path::Path::new(OURSELVES);
    if !kernel::runs(std::process::id(), ourselves) {
        return Err("/proc/<pid>/exe does not name the program".into());
    }
    Ok("/proc tells state, start, program and environment of a process".into())
}

/// The limits of a process can be changed while it runs, and changed back, as the fault does.
pub(super) fn limits() -> Result<String, String> {
    let sleeper = Sleeper::start()?;
    let attempt = || {
        let before = kernel::open_files_limit(sleeper.pid())?;
        for wanted in [FILES, before] {
            kernel::limit_open_files(sleeper.pid(), wanted)?;
            let seen = kernel::open_files_limit(sleeper.pid())?;
            anyhow::ensure!(seen == wanted, "the kernel was told {wanted} and shows {seen}");
        }
        anyhow::Ok(format!("the limit of open files was changed from {before} to {FILES} and back"))
    };
    attempt().map_err(|error| format!("{error:#}"))
}

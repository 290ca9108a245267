//! One process of a node.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot, watch};

use super::kernel::{signal_group, wait_for_state, wait_until_ended};
use super::spawner::Spawner;
use crate::ledger::Ledger;

/// What a node may print into its log; the rest is counted and thrown away.
const LOG_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How long the rest of what a node printed is waited for when it has ended.
const LOG_GRACE: Duration = Duration::from_millis(200);
const LOG_POLL: Duration = Duration::from_millis(2);
/// Lines of the log that are shown when a node ends by itself.
const LAST_LINES: usize = 10;

/// A node that ended though nobody ended it.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    pub(crate) node: String,
    pub(crate) incarnation: u64,
    pub(crate) pid: u32,
    pub(crate) status: String,
    pub(crate) last_lines: Vec<String>,
}

/// Why a node did not get ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("ended before it was ready ({status}); its log {} ends with:\n{}", log.display(), indent(last_lines))]
    Ended { status: String, log: PathBuf, last_lines: Vec<String> },
    #[error("said that it was {id} when it was ready")]
    AnotherNode { id: String },
    #[error("was not ready after {} s; its log {} ends with:\n{}", limit.as_secs(), log.display(), indent(last_lines))]
    TimedOut { limit: Duration, log: PathBuf, last_lines: Vec<String> },
}

fn indent(lines: &[String]) -> String {
    if lines.is_empty() {
        return "  (nothing)".into();
    }
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// A running process, the leader of a process group of its own. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    node: String,
    pid: u32,
    log: PathBuf,
    /// Set before we end it ourselves, so that the end is not taken for a death.
    expected: Arc<AtomicBool>,
    ready: Option<oneshot::Receiver<Ready>>,
    address: Option<SocketAddr>,
    /// What of it must be undone if we cannot.
    ledger: Arc<Ledger>,
    status: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts `<binary> <arguments>` behind the guard that binds it to our life.
    pub(super) fn start(
        spawner: &Spawner,
        binary: &Path,
        arguments: Vec<String>,
        node: &str,
        incarnation: u64,
        log: &Path,
        exits: mpsc::UnboundedSender<Exit>,
    ) -> anyhow::Result<Self> {
        let mut command = guarded(binary, arguments);
        let mut child = spawner
            .spawn(command_io(&mut command))
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let pid = child.id();
        let (ready_sender, ready) = oneshot::channel();
        let (status_sender, status) = watch::channel(None);
        // Until it is ready, its end is told to whoever waits for that.
        let expected = Arc::new(AtomicBool::new(true));
        let logging = match follow_output(&mut child, log, ready_sender) {
            Ok(logging) => logging,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let exit = Exit {
            node: node.to_string(),
            incarnation,
            pid,
            status: String::new(),
            last_lines: Vec::new(),
        };
        let ledger = spawner.ledger().clone();
        let waiter = Waiter {
            child,
            logging,
            exit,
            log: log.into(),
            expected: expected.clone(),
            ledger: ledger.clone(),
        };
        std::thread::Builder::new()
            .name(format!("wait-{node}"))
            .spawn(move || waiter.wait(&status_sender, &exits))?;
        let ready = Some(ready);
        let node = node.to_string();
        Ok(Self { node, pid, log: log.into(), expected, ready, address: None, ledger, status })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Where the node serves, once it has said so.
    pub(super) fn address(&self) -> SocketAddr {
        self.address.expect("only ready nodes are asked")
    }

    /// Waits until the node says that it is ready.
    pub(super) async fn ready(&mut self, limit: Duration) -> Result<(), StartError> {
        let ready = self.ready.take().expect("a process gets ready once");
        let mut status = self.status.clone();
        tokio::select! {
            Ok(Ready { id, address }) = ready => {
                if id.as_ref().is_some_and(|id| *id != self.node) {
                    return Err(StartError::AnotherNode { id: id.unwrap_or_default() });
                }
                self.address = Some(address);
                self.expected.store(false, Ordering::SeqCst);
                // Who ends from here on is reported as a death; who ended just before is not, but is seen here.
                match *self.status.borrow() {
                    None => Ok(()),
                    Some(status) => Err(self.ended_early(status)),
                }
            }
            Ok(status) = status.wait_for(Option::is_some) => {
                Err(status.map_or_else(|| unreachable!("it was waited for"), |status| self.ended_early(status)))
            }
            () = tokio::time::sleep(limit) => {
                Err(StartError::TimedOut { limit, log: self.log.clone(), last_lines: last_lines(&self.log) })
            }
        }
    }

    fn ended_early(&self, status: ExitStatus) -> StartError {
        let (status, log) = (describe(status), self.log.clone());
        StartError::Ended { status, log, last_lines: last_lines(&self.log) }
    }

    /// Kills the whole group and waits for the end. Returns how the process ended.
    pub(super) async fn kill(self) -> String {
        self.end_by(Signal::KILL);
        self.ended().await
    }

    /// Sends a signal that is to end the process; its end is then no death.
    pub(super) fn end_by(&self, signal: Signal) {
        self.expected.store(true, Ordering::SeqCst);
        signal_group(self.pid, signal);
    }

    /// Waits for the end, so long. Returns how the process ended, if it did.
    pub(super) async fn ended_within(&self, limit: Duration) -> Option<String> {
        tokio::time::timeout(limit, self.ended()).await.ok()
    }

    /// Where what it prints goes.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Ends the process: SIGTERM, and SIGKILL if that is not enough. A stopped process ignores SIGTERM until it goes on.
    pub(super) fn stop(self, grace: Duration) -> impl Future<Output = ()> {
        self.end_by(Signal::TERM);
        signal_group(self.pid, Signal::CONT);
        async move {
            if self.ended_within(grace).await.is_none() {
                self.kill().await;
            }
        }
    }

    /// Notes that the process is about to be stopped, so that it goes on if we cannot let it.
    pub(super) fn stopping(&self) -> anyhow::Result<()> {
        self.ledger.stopping(self.pid).context("cannot write the ledger")
    }

    /// Notes that it goes on.
    pub(super) fn continued(&self) {
        self.ledger.continued(self.pid);
    }

    /// Waits until the kernel shows the process stopped.
    pub(super) async fn stopped(&self) -> anyhow::Result<char> {
        wait_for_state(self.pid, |state| state == 'T', "stopped").await
    }

    /// Continues the process and waits until the kernel no longer shows it stopped.
    pub(super) async fn resume(&self) -> anyhow::Result<char> {
        signal_group(self.pid, Signal::CONT);
        let state = wait_for_state(self.pid, |state| state != 'T', "continued").await?;
        self.continued();
        Ok(state)
    }

    async fn ended(&self) -> String {
        let mut status = self.status.clone();
        match status.wait_for(Option::is_some).await {
            Ok(status) => status.map_or_else(String::new, describe),
            Err(_) => "unknown".into(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.borrow().is_none() {
            self.expected.store(true, Ordering::SeqCst);
            signal_group(self.pid, Signal::KILL);
        }
    }
}

/// The running binary, even if its file was replaced meanwhile by a new build.
pub(crate) const OURSELVES: &str = "/proc/self/exe";

/// `faultline guard --parent PID -- <binary> <arguments>`: see `cli/guard.rs`.
pub(crate) fn guarded(binary: &Path, arguments: Vec<String>) -> Command {
    let mut command = Command::new(OURSELVES);
    command.args(["guard", "--parent", &std::process::id().to_string(), "--"]);
    command.arg(binary).args(arguments);
    command
}

fn command_io(command: &mut Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    std::mem::replace(command, Command::new(""))
}

fn describe(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

/// Follows both outputs of the child into its log. The ready line is taken out of standard output.
fn follow_output(
    child: &mut Child,
    log: &Path,
    ready: oneshot::Sender<Ready>,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let file =
        std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let log = Arc::new(std::sync::Mutex::new(CappedLog { file, written: 0 }));
    let stdout = child.stdout.take().expect("the output is piped");
    let stderr = child.stderr.take().expect("the errors are piped");
    let errors_log = log.clone();
    let errors = std::thread::Builder::new().name("log".into());
    let output = std::thread::Builder::new().name("log".into());
    Ok(vec![
        errors.spawn(move || copy_lines(stderr, &errors_log, |_| false))?,
        output.spawn(move || {
            let mut ready = Some(ready);
            copy_lines(stdout, &log, |line| match (ready_line(line), ready.take()) {
                (Some(said), Some(ready)) => ready.send(said).is_ok(),
                (_, unused) => {
                    ready = unused;
                    false
                }
            });
        })?,
    ])
}

/// Copies lines to the log, but for those that `take` takes. Reads on when the log is full: a full pipe would stop the node.
fn copy_lines(
    source: impl Read,
    log: &std::sync::Mutex<CappedLog>,
    mut take: impl FnMut(&[u8]) -> bool,
) {
    let mut reader = BufReader::new(source);
    let mut line = Vec::new();
    // A line is read in pieces of bounded size: a node that never ends its line must not fill our memory.
    while let Ok(1..) = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
        if !take(&line) {
            log.lock().expect("no thread panics while it logs").write(&line);
        }
        line.clear();
    }
}

const LINE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug)]
struct CappedLog {
    file: std::fs::File,
    written: u64,
}

impl CappedLog {
    fn write(&mut self, line: &[u8]) {
        if self.written > LOG_BYTES_MAX {
            return;
        }
        self.written += line.len() as u64;
        let _ = self.file.write_all(line);
        if self.written > LOG_BYTES_MAX {
            let _ = writeln!(self.file, "faultline: the log is full; the rest is not kept");
        }
    }
}

/// What a node says when it serves.
#[derive(Debug, PartialEq, Eq)]
struct Ready {
    /// Who it is, if it says so.
    id: Option<String>,
    address: SocketAddr,
}

/// `{"ready":{"id":"n2","addr":"127.0.0.1:41234"}}`.
fn ready_line(line: &[u8]) -> Option<Ready> {
    let line: serde_json::Value = serde_json::from_slice(line).ok()?;
    let ready = line.get("ready")?;
    let address = ready.get("addr")?.as_str()?.parse().ok()?;
    Some(Ready { id: ready["id"].as_str().map(str::to_string), address })
}

fn last_lines(log: &Path) -> Vec<String> {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::to_string).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
}

/// Waits for the end of a process, in a thread of its own.
struct Waiter {
    child: Child,
    logging: Vec<JoinHandle<()>>,
    exit: Exit,
    log: PathBuf,
    expected: Arc<AtomicBool>,
    ledger: Arc<Ledger>,
}

impl Waiter {
    fn wait(
        mut self,
        status_sender: &watch::Sender<Option<ExitStatus>>,
        exits: &mpsc::UnboundedSender<Exit>,
    ) {
        let pid = self.exit.pid;
        wait_until_ended(pid);
        // Whoever ends nodes a moment later did not end this one.
        let uninvited = !self.expected.load(Ordering::SeqCst);
        // What is left of the group (a node may have children of its own) goes with its leader, and closes the pipes. The pid is still ours: the end
        // has not been taken note of.
        signal_group(pid, Signal::KILL);
        let Ok(status) = self.child.wait() else { return };
        // A child that left the group may hold the pipes for as long as it likes.
        let patience = Instant::now() + LOG_GRACE;
        while !self.logging.iter().all(JoinHandle::is_finished) && Instant::now() < patience {
            std::thread::sleep(LOG_POLL);
        }
        self.ledger.ended(pid);
        // First this, then the question whether the end is a death: see `ready`.
        let _ = status_sender.send(Some(status));
        if uninvited || !self.expected.load(Ordering::SeqCst) {
            self.exit.status = describe(status);
            self.exit.last_lines = last_lines(&self.log);
            let _ = exits.send(self.exit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ready_line_is_the_ready_line() {
        let ready = ready_line(br#"{"ready":{"id":"n2","addr":"127.0.0.1:41234"}}"#);
        let address = SocketAddr::from(([127, 0, 0, 1], 41_234));
        assert_eq!(ready, Some(Ready { id: Some("n2".into()), address }));
        for line in ["", "ready", r#"{"ready":true}"#, r#"{"ready":{"addr":"somewhere"}}"#] {
            assert_eq!(ready_line(line.as_bytes()), None, "{line}");
        }
    }
}

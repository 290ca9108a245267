//! A process that gets little of the processor: it is stopped and continued in turn, by a task of its own.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::kernel;

/// How long to wait for the kernel to show a stop: no longer than the shortest stop of all lasts.
const STOP_POLL: Duration = Duration::from_millis(1);

/// A process that is being starved. It is let go when dropped.
#[derive(Debug)]
pub(super) struct Starving {
    pid: u32,
    enough: CancellationToken,
    task: Option<JoinHandle<Starved>>,
}

/// What became of a process that was starved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Starved {
    /// How often it was stopped.
    pub(crate) stops: u64,
    /// How many of these the kernel showed.
    pub(crate) stops_seen: u64,
    /// How long it took.
    pub(crate) wall: Duration,
    /// How long the process was on a processor meanwhile.
    pub(crate) cpu: Duration,
}

impl Starving {
    /// Begins to starve a process, which may run in this share of each cycle.
    pub(super) fn start(pid: u32, share: f64, cycle: Duration) -> Self {
        let enough = CancellationToken::new();
        let running = cycle.mul_f64(share);
        let task =
            tokio::spawn(starve(pid, running, cycle.saturating_sub(running), enough.clone()));
        Self { pid, enough, task: Some(task) }
    }

    /// Ends it, and lets the process go on. Returns once the kernel no longer shows it stopped.
    pub(super) async fn end(mut self) -> anyhow::Result<Starved> {
        self.enough.cancel();
        let starved = match self.task.take() {
            Some(task) => task.await?,
            None => Starved::default(),
        };
        kernel::signal_group(self.pid, Signal::CONT);
        kernel::wait_for_state(self.pid, |state| state != 'T', "continued").await?;
        Ok(starved)
    }
}

impl Drop for Starving {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
            kernel::signal_group(self.pid, Signal::CONT);
        }
    }
}

async fn starve(
    pid: u32,
    running: Duration,
    standing: Duration,
    enough: CancellationToken,
) -> Starved {
    let (begin, used) = (Instant::now(), kernel::cpu_time(pid).unwrap_or_default());
    let mut starved = Starved::default();
    while !enough.is_cancelled() && kernel::state(pid).is_some() {
        kernel::signal_group(pid, Signal::STOP);
        starved.stops += 1;
        let end = Instant::now() + standing;
        starved.stops_seen += u64::from(stopped(pid, end).await);
        until(end, &enough).await;
        // Its time on the processor stands still, so what it used is read while it is stopped.
        starved.cpu = kernel::cpu_time(pid).unwrap_or_default().saturating_sub(used);
        starved.wall = begin.elapsed();
        kernel::signal_group(pid, Signal::CONT);
        until(Instant::now() + running, &enough).await;
    }
    starved
}

/// Whether the kernel shows the stop before it ends.
async fn stopped(pid: u32, end: Instant) -> bool {
    while Instant::now() < end {
        if kernel::state(pid) == Some('T') {
            return true;
        }
        tokio::time::sleep(STOP_POLL).await;
    }
    kernel::state(pid) == Some('T')
}

async fn until(moment: Instant, enough: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep_until(moment.into()) => {}
        () = enough.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_process_is_stopped_over_and_over_and_goes_on_in_the_end() {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new("sh");
        let mut child =
            command.args(["-c", "while :; do :; done"]).process_group(0).spawn().unwrap();
        let cycle = Duration::from_millis(100);
        let starving = Starving::start(child.id(), 0.1, cycle);
        while kernel::cpu_time(child.id()).unwrap() < Duration::from_millis(50) {
            tokio::time::sleep(cycle).await;
        }
        let starved = starving.end().await.unwrap();
        let state = kernel::state(child.id());
        kernel::signal_group(child.id(), Signal::KILL);
        child.wait().unwrap();
        assert!(starved.stops >= 2 && starved.stops_seen >= 1, "{starved:?}");
        assert_ne!(state, Some('T'));
    }
}

//! What is going on, while it is: one line that is rewritten on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::err;

/// Without a terminal, a line at most so often unless something changes.
const PLAIN_PAUSE: Duration = Duration::from_secs(2);

/// The moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Since the run began.
    pub(crate) elapsed: Duration,
    /// How long the drive phase is to last.
    pub(crate) total: Duration,
    /// The phase of the run.
    pub(crate) phase: String,
    /// Completed operations so far.
    pub(crate) operations: u64,
    /// Operations per second since the last snapshot.
    pub(crate) rate: f64,
    pub(crate) ok: u64,
    pub(crate) fail: u64,
    pub(crate) info: u64,
    /// Node and term, where somebody leads.
    pub(crate) leader: Option<(String, u64)>,
    /// The faults in force, in words.
    pub(crate) faults: Vec<String>,
}

/// Where progress is shown. Nothing of it goes to standard output.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    last: Option<(Duration, String)>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Self { bar, last: None }
    }

    pub(crate) fn update(&mut self, snapshot: &Snapshot) {
        if let Some(bar) = &self.bar {
            bar.set_message(line(snapshot));
            bar.tick();
        } else if self.is_due(snapshot) {
            err!("{}", line(snapshot));
        }
    }

    /// Whether a plain line is worth its place: something changed, or enough time has passed.
    fn is_due(&mut self, snapshot: &Snapshot) -> bool {
        let state = format!("{} {:?} {:?}", snapshot.phase, snapshot.leader, snapshot.faults);
        let due = self.last.as_ref().is_none_or(|(shown, before)| {
            *before != state || snapshot.elapsed.saturating_sub(*shown) >= PLAIN_PAUSE
        });
        if due {
            self.last = Some((snapshot.elapsed, state));
        }
        due
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(snapshot: &Snapshot) -> String {
    let Snapshot { elapsed, total, phase, operations, rate, ok, fail, info, leader, faults } =
        snapshot;
    let leader = match leader {
        Some((node, term)) => format!("leader {node} (term {term})"),
        None => "no leader".into(),
    };
    let faults = if faults.is_empty() { "no fault".into() } else { faults.join("; ") };
    format!(
        "{:5.1} s of {} s  {phase:<11}  {operations} operations ({rate:.0}/s; {ok} ok, {fail} fail, {info} info)  {leader}  {faults}",
        elapsed.as_secs_f64(),
        total.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_comes_when_something_changed_or_time_has_passed() {
        let mut progress = Progress { bar: None, last: None };
        let mut now = Snapshot {
            elapsed: Duration::ZERO,
            total: Duration::from_secs(15),
            phase: "drive".into(),
            operations: 10,
            rate: 99.6,
            ok: 8,
            fail: 1,
            info: 1,
            leader: Some(("n2".into(), 4)),
            faults: vec![],
        };
        assert!(progress.is_due(&now));
        assert!(!progress.is_due(&now));
        now.faults = vec!["isolate leader n2".into()];
        assert!(progress.is_due(&now));
        now.elapsed = Duration::from_secs(1);
        assert!(!progress.is_due(&now));
        now.elapsed = Duration::from_secs(2);
        assert!(progress.is_due(&now));
        assert!(line(&now).contains(
            "10 operations (100/s; 8 ok, 1 fail, 1 info)  leader n2 (term 4)  isolate leader n2"
        ));
    }
}

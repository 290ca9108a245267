//! The single writer of the history: one process, one clock, one line an event, written as it happens.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use checker::history::{Event, EventType, Process, Stage};
use checker::verdict::OutcomeCounts;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::sabotage::Sabotage;
use crate::watch::Feed;

/// Of so many completions a sabotaged recorder loses one, if it is a success.
const LOST_EVERY: u64 = 10;
/// After so many events a sabotaged clock goes back.
const BACKWARDS_AFTER: u64 = 100;
/// By so much: further than any pause between two events.
const BACKWARDS_BY: Duration = Duration::from_secs(10);

/// The history under construction. Shared by everything that has something to record.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// The run's zero on the machine's monotonic clock, in nanoseconds.
    epoch: u64,
    state: Mutex<State>,
    /// Client operations that ended, one way or another.
    completed: AtomicU64,
}

#[derive(Debug)]
struct State {
    file: File,
    next_index: u64,
    counts: BTreeMap<String, OutcomeCounts>,
    /// The phase that was recorded last.
    phase: String,
    /// The first failed write. From then on nothing is recorded and the run ends.
    failed: Option<std::io::Error>,
    /// The online judge, where one watches.
    feed: Option<Feed>,
    /// What of the recorder is broken on purpose.
    sabotage: Option<Sabotage>,
    /// Whom to stop when nothing can be recorded any more.
    stop: Option<CancellationToken>,
}

/// What is recorded, beside the index and the time that the recorder adds.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) process: Process,
    pub(crate) event_type: EventType,
    pub(crate) f: String,
    pub(crate) key: Option<String>,
    pub(crate) value: Value,
    pub(crate) node: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) fault: Option<String>,
    pub(crate) stage: Option<Stage>,
}

impl Line {
    /// A line of the fault injector.
    pub(crate) fn nemesis(f: &str, value: Value) -> Self {
        Self {
            process: Process::Nemesis,
            event_type: EventType::Info,
            f: f.to_string(),
            key: None,
            value,
            node: None,
            error: None,
            fault: None,
            stage: None,
        }
    }
}

impl Recorder {
    /// Begins a history; its clock starts now.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let state = State {
            file,
            next_index: 0,
            counts: BTreeMap::new(),
            phase: String::new(),
            failed: None,
            feed: None,
            sabotage: None,
            stop: None,
        };
        Ok(Self { epoch: monotonic(), state: Mutex::new(state), completed: AtomicU64::new(0) })
    }

    /// Breaks the recorder on purpose.
    pub(crate) fn sabotage(&mut self, sabotage: Sabotage) {
        self.state.get_mut().expect("no thread panics while it records").sabotage = Some(sabotage);
    }

    /// The run's zero on the machine's monotonic clock, in nanoseconds.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The time since the run began.
    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(monotonic() - self.epoch)
    }

    /// Appends a line and returns its time. The time is taken under the lock, so that the order of lines is the order of times.
    pub(crate) fn record(&self, line: Line) -> Duration {
        let mut state = self.state.lock().expect("no thread panics while it records");
        let time = state.told(self.now());
        let (is_client, kind) = (line.process != Process::Nemesis, line.event_type);
        if is_client && kind != EventType::Invoke {
            let before = self.completed.fetch_add(1, Ordering::Relaxed);
            if kind == EventType::Ok && state.loses(before) {
                return time;
            }
        }
        let event = Event {
            index: state.next_index,
            time: time.as_nanos() as u64,
            process: line.process,
            event_type: line.event_type,
            f: line.f,
            key: line.key.map(Into::into),
            value: line.value,
            node: line.node,
            error: line.error,
            fault: line.fault,
            stage: line.stage,
        };
        state.append(&event);
        if let Some(feed) = state.feed.as_mut() {
            feed.push(event);
        }
        time
    }

    /// Hands every event from now on to an online judge.
    pub(crate) fn feed(&self, feed: Feed) {
        self.state.lock().expect("no thread panics while it records").feed = Some(feed);
    }

    /// Ends that.
    pub(crate) fn take_feed(&self) -> Option<Feed> {
        self.state.lock().expect("no thread panics while it records").feed.take()
    }

    /// How many client operations ended so far, one way or another.
    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    /// How many client operations ended how so far.
    pub(crate) fn counts(&self) -> BTreeMap<String, OutcomeCounts> {
        self.state.lock().expect("no thread panics while it records").counts.clone()
    }

    /// The phase that was recorded last.
    pub(crate) fn phase(&self) -> String {
        self.state.lock().expect("no thread panics while it records").phase.clone()
    }

    /// Stops a run when nothing can be recorded any more.
    pub(crate) fn stops(&self, run: CancellationToken) {
        self.state.lock().expect("no thread panics while it records").stop = Some(run);
    }

    /// The first write that failed, if one did.
    pub(crate) fn failure(&self) -> Option<String> {
        let state = self.state.lock().expect("no thread panics while it records");
        state.failed.as_ref().map(ToString::to_string)
    }
}

impl State {
    /// The time that is written where the clock says `now`.
    fn told(&self, now: Duration) -> Duration {
        match self.sabotage {
            Some(Sabotage::ClockRunsBackwards) if self.next_index > BACKWARDS_AFTER => {
                now.saturating_sub(BACKWARDS_BY)
            }
            _ => now,
        }
    }

    /// Whether the success after so many completions is lost.
    fn loses(&self, completions: u64) -> bool {
        match self.sabotage {
            Some(Sabotage::RecorderDropsAck) => completions % LOST_EVERY == LOST_EVERY - 1,
            Some(Sabotage::RecorderDropsFinalAcks) => self.phase == "final-reads",
            _ => false,
        }
    }

    fn append(&mut self, event: &Event) {
        if self.failed.is_some() {
            return;
        }
        let mut line = serde_json::to_vec(event).expect("an event always serialises");
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            self.failed = Some(error);
            if let Some(stop) = &self.stop {
                stop.cancel();
            }
            return;
        }
        self.next_index += 1;
        self.count(event);
    }

    /// Keeps up what the progress line shows.
    fn count(&mut self, event: &Event) {
        if let Some(phase) = event.value["phase"].as_str().filter(|_| event.f == "phase") {
            self.phase = phase.to_string();
        }
        if event.process == Process::Nemesis || event.event_type == EventType::Invoke {
            return;
        }
        let counts = self.counts.entry(event.f.clone()).or_default();
        match event.event_type {
            EventType::Ok => counts.ok += 1,
            EventType::Fail => counts.fail += 1,
            EventType::Info | EventType::Invoke => counts.info += 1,
        }
    }
}

fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

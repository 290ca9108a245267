//! Judging a run while it goes on: the recorder hands every event to the online judge, in a thread of its own. What is not judged at every
//! event, the traces of the nodes among it, is looked at some times a second.
//!
//! Recording is never held up: events wait in a queue, and when that is full the judge has fallen behind, is told no more, and
//! says so. What it finds stops the run; the verdict is that of the whole recording, as for every run.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use checker::history::Event;
use checker::online::{Followed, Judge};
use checker::verdict::CheckReport;
use tokio_util::sync::CancellationToken;

use crate::console::err;

/// So many events may wait to be judged.
const QUEUE_MAX: usize = 65_536;
/// How often the judge may look at what is not judged at every event.
const LOOK: Duration = Duration::from_millis(100);

/// The recorder's end of the queue.
#[derive(Debug)]
pub(crate) struct Feed {
    /// None once the judge has ended, or fallen behind.
    queue: Option<SyncSender<Event>>,
    /// The index of the first event for which there was no place.
    behind_at: Option<u64>,
}

impl Feed {
    /// Hands over an event.
    pub(crate) fn push(&mut self, event: Event) {
        let Some(queue) = &self.queue else { return };
        let index = event.index;
        let Err(error) = queue.try_send(event) else { return };
        self.queue = None;
        if let TrySendError::Full(_) = error {
            self.behind_at = Some(index);
        }
    }
}

/// The online judge of a run.
#[derive(Debug)]
pub(crate) struct Watch {
    thread: JoinHandle<Ended>,
}

/// What the online judge came to.
#[derive(Debug)]
struct Ended {
    /// The check that convicted first.
    report: Option<CheckReport>,
    followed: Followed,
    /// Why nothing was judged any more.
    failed: Option<String>,
}

impl Watch {
    /// Begins to watch. The first violation is told at once, and cancels `stop`.
    pub(crate) fn start(judge: Judge, stop: CancellationToken) -> (Self, Feed) {
        let (queue, events) = sync_channel(QUEUE_MAX);
        let thread = std::thread::spawn(move || watch(judge, &events, &stop));
        (Self { thread }, Feed { queue: Some(queue), behind_at: None })
    }

    /// Ends when everything handed over was taken in, and looked at once more if a look was due. Says what was not followed, and whether there was a violation.
    pub(crate) fn finish(self, feed: Feed) -> bool {
        let behind_at = feed.behind_at;
        drop(feed);
        let ended = self.thread.join().expect("the online judge does not panic");
        if let Some(index) = behind_at {
            err!(
                "faultline: the online judge fell behind at event {index}; the rest is judged at the end only"
            );
        }
        if let Some(reason) = ended.failed {
            err!("faultline: the online judge gave up: {reason}");
        }
        for (key, reason) in &ended.followed.left {
            err!("faultline: {key} was not followed online: {reason}");
        }
        ended.report.is_some()
    }
}

fn watch(mut judge: Judge, events: &Receiver<Event>, stop: &CancellationToken) -> Ended {
    let (report, failed) = match first_violation(&mut judge, events) {
        Ok(report) => (report, None),
        Err(reason) => (None, Some(reason)),
    };
    if let Some(report) = &report {
        let what = report.violations.first().map_or(&report.detail, |first| &first.summary);
        err!("faultline: {}: {what}", report.name);
        err!(
            "faultline: stopping at the first violation (--fail-fast): healing, then judging what there is"
        );
        stop.cancel();
    }
    Ended { report, followed: judge.followed(), failed }
}

/// Judges until the first violation, or the last event.
fn first_violation(
    judge: &mut Judge,
    events: &Receiver<Event>,
) -> Result<Option<CheckReport>, String> {
    let mut looked = Instant::now();
    loop {
        let is_last = match events.recv_timeout(LOOK.saturating_sub(looked.elapsed())) {
            Ok(event) => {
                let report = judge.push(&event).map_err(|malformed| malformed.reason)?;
                if report.is_some() {
                    return Ok(report);
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        if is_last || looked.elapsed() >= LOOK {
            let report = judge.look().map_err(|error| error.to_string())?;
            if report.is_some() || is_last {
                return Ok(report);
            }
            looked = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use checker::history::{EventType, Process};
    use checker::judge::Question;
    use checker::models::Model;

    use super::*;

    fn event(index: u64, event_type: EventType, value: u64) -> Event {
        Event {
            index,
            time: index,
            process: Process::Client(0),
            event_type,
            f: "read".into(),
            key: None,
            value: if event_type == EventType::Invoke { ().into() } else { value.into() },
            node: None,
            error: None,
            fault: None,
            stage: None,
        }
    }

    #[test]
    fn a_violation_stops_the_run_and_a_full_queue_is_no_pass() {
        let stop = CancellationToken::new();
        let (watch, mut feed) =
            Watch::start(Judge::new(&[Model::Register], &Question::default()), stop.clone());
        feed.push(event(0, EventType::Invoke, 0));
        feed.push(event(1, EventType::Ok, 7));
        assert!(watch.finish(feed));
        assert!(stop.is_cancelled());

        let (queue, events) = sync_channel(1);
        let mut feed = Feed { queue: Some(queue), behind_at: None };
        for index in 0..3 {
            feed.push(event(index, EventType::Invoke, 0));
        }
        assert_eq!(feed.behind_at, Some(1));
        assert_eq!(events.iter().count(), 1, "nothing comes after what was missed");
    }
}

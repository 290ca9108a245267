//! Judging a run while it goes on: the recorder hands every event to the online judge, in a thread of its own.
//!
//! Recording is never held up: events wait in a queue, and when that is full the judge has fallen behind, is told no more, and
//! says so. What it finds stops the run; the verdict is that of the whole recording, as for every run.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use checker::history::Event;
use checker::online::{Followed, Judge};
use checker::verdict::Violation;
use tokio_util::sync::CancellationToken;

/// So many events may wait to be judged.
const QUEUE_MAX: usize = 65_536;

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
    violation: Option<Violation>,
    followed: Followed,
    malformed: Option<String>,
}

impl Watch {
    /// Begins to watch. The first violation is told at once, and cancels `stop`.
    pub(crate) fn start(stop: CancellationToken) -> (Self, Feed) {
        let (queue, events) = sync_channel(QUEUE_MAX);
        let thread = std::thread::spawn(move || judge(&events, &stop));
        (Self { thread }, Feed { queue: Some(queue), behind_at: None })
    }

    /// Ends when everything handed over is judged. Says what was not followed, and whether there was a violation.
    pub(crate) fn finish(self, feed: Feed) -> bool {
        let behind_at = feed.behind_at;
        drop(feed);
        let ended = self.thread.join().expect("the online judge does not panic");
        if let Some(index) = behind_at {
            eprintln!(
                "faultline: the online judge fell behind at event {index}; the rest is judged at the end only"
            );
        }
        if let Some(reason) = ended.malformed {
            eprintln!("faultline: the online judge gave up: {reason}");
        }
        for (key, reason) in &ended.followed.left {
            eprintln!("faultline: {key} was not followed online: {reason}");
        }
        ended.violation.is_some()
    }
}

fn judge(events: &Receiver<Event>, stop: &CancellationToken) -> Ended {
    let mut judge = Judge::new();
    let (mut violation, mut malformed) = (None, None);
    for event in events {
        match judge.push(&event) {
            Ok(None) => {}
            Ok(found) => violation = found,
            Err(error) => malformed = Some(error.reason),
        }
        if violation.is_some() || malformed.is_some() {
            break;
        }
    }
    if let Some(violation) = &violation {
        eprintln!("faultline: {}", violation.summary);
        eprintln!(
            "faultline: stopping at the first violation (--fail-fast): healing, then judging what there is"
        );
        stop.cancel();
    }
    Ended { violation, followed: judge.followed(), malformed }
}

#[cfg(test)]
mod tests {
    use checker::history::{EventType, Process};

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
        let (watch, mut feed) = Watch::start(stop.clone());
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

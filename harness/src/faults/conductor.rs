//! Carries out the schedule in time: one task an occurrence waits for what it waits for, and orders faults to begin and to end.
//!
//! It does nothing to the system itself. The fault injector does, one order at a time.

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::events::{Came, Events};
use crate::plan::{Cue, Occurrence, PlannedFault, Schedule, Step, stream};
use crate::workload::Lasts;

/// What the fault injector is to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Put a fault in force; `begun` is told when that is done.
    Begin { fault: Box<Due>, begun: oneshot::Sender<()> },
    /// End it, if it is in force.
    End {
        id: String,
        /// As in [`Due`], for its end.
        unmatched: Option<String>,
    },
}

/// A fault whose time has come.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) planned: PlannedFault,
    /// Which occurrence it belongs to, and which of its steps.
    pub(super) step: (usize, usize),
    /// Whether it stays in force to the end of the run.
    pub(super) forever: bool,
    /// What it waited for, if anything.
    pub(super) cue: Option<Cue>,
    /// Why its time was taken for come though its cue was not.
    pub(super) unmatched: Option<String>,
}

/// The tasks that follow the schedule. They end when dropped.
#[derive(Debug)]
pub(super) struct Conductor {
    tasks: JoinSet<()>,
    waiting: mpsc::UnboundedReceiver<Waiting>,
}

/// That a step waits for its cue, or waits no more.
#[derive(Debug)]
enum Waiting {
    For(Step),
    NoMore(Step),
}

impl Conductor {
    /// Begins to follow a schedule.
    pub(super) fn start(schedule: Schedule, events: &Events, orders: mpsc::Sender<Order>) -> Self {
        let (report, waiting) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for (number, occurrence) in schedule.occurrences.into_iter().enumerate() {
            let follower = Follower {
                number,
                events: events.clone(),
                orders: orders.clone(),
                report: report.clone(),
                ends: JoinSet::new(),
            };
            tasks.spawn(follower.follow(occurrence));
        }
        Self { tasks, waiting }
    }

    /// Stops, and says which steps were waiting for something that never came, and had to come.
    pub(super) fn stop(mut self) -> Vec<Step> {
        self.tasks.abort_all();
        let mut waiting: Vec<Step> = Vec::new();
        while let Ok(message) = self.waiting.try_recv() {
            match message {
                Waiting::For(step) => waiting.push(step),
                Waiting::NoMore(step) => waiting.retain(|other| *other != step),
            }
        }
        waiting.retain(|step| step.required);
        waiting
    }
}

/// Follows one occurrence.
struct Follower {
    /// Which one it is.
    number: usize,
    events: Events,
    orders: mpsc::Sender<Order>,
    report: mpsc::UnboundedSender<Waiting>,
    /// Faults that end while the next steps are under way.
    ends: JoinSet<()>,
}

impl Follower {
    async fn follow(mut self, occurrence: Occurrence) {
        tokio::time::sleep_until(self.events.start() + occurrence.at).await;
        for (place, step) in occurrence.steps.into_iter().enumerate() {
            self.step(place, step).await;
        }
        while self.ends.join_next().await.is_some() {}
    }

    async fn step(&mut self, place: usize, step: Step) {
        let unmatched = self.cue(&step).await;
        let begin = tokio::time::Instant::now();
        for planned in &step.faults {
            // Whoever it strikes is waited for here: the injector does one thing at a time, and would keep others from ending.
            self.events.find_targets(&planned.fault).await;
            let forever = step.lasts == Lasts::Ever;
            let (cue, unmatched) = (step.cue.clone(), unmatched.clone());
            let (planned, step) = (planned.clone(), (self.number, place));
            let fault = Box::new(Due { planned, step, forever, cue, unmatched });
            let (begun, done) = oneshot::channel();
            if self.orders.send(Order::Begin { fault, begun }).await.is_err() {
                return;
            }
            let _ = done.await;
        }
        match step.next {
            None => end(self.events.clone(), self.orders.clone(), step).await,
            Some(next) => {
                self.ends.spawn(end(self.events.clone(), self.orders.clone(), step));
                tokio::time::sleep_until(begin + next).await;
            }
        }
    }

    /// Waits for the cue of a step. Says why it goes on if that did not come.
    async fn cue(&self, step: &Step) -> Option<String> {
        let cue = step.cue.as_ref()?;
        let _ = self.report.send(Waiting::For(step.clone()));
        let came = self.events.wait(cue, seed(step)).await;
        let _ = self.report.send(Waiting::NoMore(step.clone()));
        match came {
            Came::Yes => None,
            Came::ByTime(why) => Some(why),
        }
    }
}

/// Ends the faults of a step when its time is over, or what ends it comes. What is for ever is not ended by us.
async fn end(events: Events, orders: mpsc::Sender<Order>, step: Step) {
    let seed = seed(&step);
    let over = async {
        match step.lasts {
            Lasts::For(duration) => tokio::time::sleep(duration).await,
            Lasts::Ever => std::future::pending().await,
        }
    };
    let ended = async {
        match &step.until {
            Some(cue) => events.wait(cue, seed).await,
            None => std::future::pending().await,
        }
    };
    if step.lasts == Lasts::Ever && step.until.is_none() {
        return;
    }
    let came = tokio::select! {
        () = over => Came::Yes,
        came = ended => came,
    };
    let unmatched = match came {
        Came::Yes => None,
        Came::ByTime(why) => Some(why),
    };
    for fault in step.faults.into_iter().rev() {
        let order = Order::End { id: fault.id, unmatched: unmatched.clone() };
        if orders.send(order).await.is_err() {
            return;
        }
    }
}

/// What the targets of a step's cues draw from.
fn seed(step: &Step) -> u64 {
    let seed = step.faults.first().map_or(0, |fault| fault.seed);
    stream(seed, "cue").next()
}

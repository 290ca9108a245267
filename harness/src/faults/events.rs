//! Waiting for what happens in a run.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::links::{LinkName, MessageRelay, Occurrence};
use crate::observer::{Board, Observer};
use crate::plan::{self, Cue, Surroundings};
use crate::recorder::Recorder;
use crate::workload::{Behind, Fault, MessageEvent, Moment, Target, Trigger};

/// How often it is looked whether something has come that nobody tells of.
const LOOK: Duration = Duration::from_millis(1);
/// How long a fault waits for whom it strikes.
const TARGET_LIMIT: Duration = Duration::from_secs(5);
/// How much later than in the run that is repeated a moment may come; then its time alone must do.
const AGAIN_SLACK: Duration = Duration::from_secs(5);

/// What can be waited for, and where it is learnt.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) relay: Option<Arc<MessageRelay>>,
    pub(crate) names: Vec<String>,
    /// When clients began, and how many operations there had been by then.
    start: Instant,
    operations: u64,
    /// How many leaders there had been before the first fault: no fault of ours made them, and in another run there may be one more or less.
    leaders: Arc<OnceLock<u64>>,
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// It came.
    Yes,
    /// It did not come in time; why it is taken for come all the same.
    ByTime(String),
}

impl Events {
    /// From now on.
    pub(crate) fn new(
        recorder: Arc<Recorder>,
        observer: Arc<Observer>,
        relay: Option<Arc<MessageRelay>>,
        names: Vec<String>,
    ) -> Self {
        let (operations, leaders) = (completed(&recorder), Arc::default());
        Self { recorder, observer, relay, names, start: Instant::now(), operations, leaders }
    }

    /// A fault was put in force, before which there had been so many leaders, counted as by [`Self::leaders`].
    pub(super) fn fault_began(&self, leaders: u64) {
        self.leaders.get_or_init(|| leaders);
    }

    /// How many terms have had a leader so far.
    pub(super) fn leaders(&self) -> u64 {
        self.observer.terms_led()
    }

    /// When clients began.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// How far the run has come.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            at: self.start.elapsed().as_nanos() as u64,
            operations: completed(&self.recorder) - self.operations,
            leaders: self.leaders.get().map_or(0, |before| self.observer.terms_led() - before),
        }
    }

    /// Waits until it comes.
    pub(crate) async fn wait(&self, cue: &Cue, seed: u64) -> Came {
        match cue {
            Cue::On(Trigger::Leader(_)) => self.new_leader().await,
            Cue::On(Trigger::Operations(count)) => {
                let goal = completed(&self.recorder).saturating_add(*count);
                while completed(&self.recorder) < goal {
                    tokio::time::sleep(LOOK).await;
                }
            }
            Cue::On(Trigger::Message(event)) => self.message(event, seed).await,
            Cue::On(Trigger::Behind(behind)) => self.behind(behind, seed).await,
            Cue::On(Trigger::CaughtUp(caught_up)) => self.caught_up(&caught_up.node, seed).await,
            Cue::Again(moment) => return self.again(moment).await,
        }
        Came::Yes
    }

    /// Waits a while until there is a leader, or a candidate, where a fault strikes one.
    pub(super) async fn find_targets(&self, fault: &Fault) {
        if fault.needs_leader() {
            self.observer.find_leader(TARGET_LIMIT).await;
        }
        if fault.needs_candidate() {
            self.observer.find_candidates(TARGET_LIMIT).await;
        }
    }

    async fn new_leader(&self) {
        let before = self.observer.terms_led();
        while self.observer.terms_led() == before {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn message(&self, event: &MessageEvent, seed: u64) {
        let Some(relay) = &self.relay else { return std::future::pending().await };
        let which = Occurrence { kinds: event.kinds.clone(), nth: event.nth.unwrap_or(1) };
        loop {
            // Who leads may change while we wait; then other links are meant.
            let links = self.links(&event.from, &event.to, seed);
            let mut watch = relay.watch(&links, &which);
            let depends = [&event.from, &event.to].iter().any(|end| end.depends_on_leader());
            let leaders = self.observer.terms_led();
            tokio::select! {
                _ = watch.seen() => return,
                () = self.another_leader(leaders), if depends => {}
            }
        }
    }

    async fn another_leader(&self, leaders: u64) {
        while self.observer.terms_led() == leaders {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn links(&self, from: &Target, to: &Target, seed: u64) -> Vec<LinkName> {
        self.now(seed, |now| plan::links_between(from, to, now).unwrap_or_default())
    }

    /// The node that a target means now.
    fn node(&self, target: &Target, seed: u64) -> Option<String> {
        self.now(seed, |now| plan::targets(target, now).ok()?.into_iter().next())
    }

    /// What targets mean by what nodes last said.
    fn now<T>(&self, seed: u64, resolve: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let (leader, candidates) = (self.observer.leader(), self.observer.candidates());
        let leader = leader.as_ref().map(|(node, _)| node.as_str());
        let (nodes, running) = (&self.names, &self.names);
        resolve(&Surroundings { nodes, running, leader, candidates: &candidates, seed })
    }

    async fn behind(&self, behind: &Behind, seed: u64) {
        // A node that is cut off does not answer: what it said last holds.
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let board = self.observer.board();
            last.extend(ends(&board));
            let node = self.node(&behind.node, seed).and_then(|node| last.get(&node).copied());
            if let (Some(own), Some(committed)) = (node, committed(&board))
                && own.saturating_add(behind.entries) <= committed
            {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn caught_up(&self, target: &Target, seed: u64) {
        loop {
            let board = self.observer.board();
            let own = self.node(target, seed).and_then(|node| ends(&board).get(&node).copied());
            if own.zip(committed(&board)).is_some_and(|(own, committed)| own >= committed) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the run has come as far; for a while longer than it took then.
    async fn again(&self, moment: &Moment) -> Came {
        let deadline = self.start + moment.time() + AGAIN_SLACK;
        loop {
            let now = self.moment();
            if now.operations >= moment.operations && now.leaders >= moment.leaders {
                return Came::Yes;
            }
            if Instant::now() >= deadline {
                return Came::ByTime(format!(
                    "{} of {} operations and {} of {} leaders by its time",
                    now.operations, moment.operations, now.leaders, moment.leaders
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Operations that ended, one way or another.
fn completed(recorder: &Recorder) -> u64 {
    recorder.completed()
}

/// The last index of every log that is known.
fn ends(board: &Board) -> BTreeMap<String, u64> {
    let status = |(name, seen): (&String, &crate::observer::Seen)| {
        seen.status.as_ref().map(|status| (name.clone(), status.last_index))
    };
    board.iter().filter_map(status).collect()
}

/// What the leader of the highest term has committed.
fn committed(board: &Board) -> Option<u64> {
    let statuses = board.values().filter_map(|seen| seen.status.as_ref());
    let leader = statuses.filter(|status| status.leads).max_by_key(|status| status.term);
    leader.map(|leader| leader.commit)
}

//! What becomes of a message on a directed link. Pure: the engine of all links decides, told which messages each fault concerns.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::links::engine::{
    Concern, Counters, CutMode, Delay, Distribution, Gone, Impairment, Item, Link, Loss, Reorder,
    Rule, Tally,
};
use crate::workload::{MessageKind, Messages};

/// Which messages of a link are waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// Their kinds; all of them, if none is named.
    pub(crate) kinds: Vec<MessageKind>,
    /// The one of them, counted from 1.
    pub(crate) nth: u64,
}

/// What a fault did to the messages of one link: the evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct MessageCounters {
    #[serde(flatten)]
    pub(crate) counters: Counters,
    /// How many of each kind it did something to.
    pub(crate) touched: BTreeMap<MessageKind, u64>,
}

impl MessageCounters {
    /// How many messages it did something to.
    pub(crate) fn total(&self) -> u64 {
        self.touched.values().sum()
    }
}

/// Somebody who waits for a message.
#[derive(Debug)]
struct Watch {
    id: u64,
    which: Occurrence,
    seen: u64,
}

/// One directed link.
#[derive(Debug)]
pub(crate) struct MessageLink {
    engine: Link<Vec<u8>>,
    watches: Vec<Watch>,
}

/// What came of an arrival.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Whether it passes now.
    pub(crate) passes: bool,
    /// The watches that waited for this message.
    pub(crate) watched: Vec<u64>,
    /// What was done, in one word, for the journal.
    pub(crate) fate: &'static str,
}

impl MessageLink {
    /// A link without faults.
    pub(crate) fn new(seed: u64, from: &str, to: &str) -> Self {
        let engine = Link::new(seed, &format!("messages {from}"), to);
        Self { engine, watches: Vec::new() }
    }

    pub(crate) fn begin(&mut self, fault: &str, messages: &Messages, now: Duration) {
        let (concern, rule) = (concern(messages), rule(messages));
        self.engine.begin_for(concern, fault, rule, now);
    }

    /// Ends a fault: what it did. What it kept back is due now; what it made late stays late.
    pub(crate) fn end(&mut self, fault: &str, now: Duration) -> Option<MessageCounters> {
        let Tally { counters, by_class, .. } = self.engine.end(fault, now)?;
        let kind = |class: u8| MessageKind::ALL[usize::from(class)];
        let touched = by_class.into_iter().map(|(class, count)| (kind(class), count)).collect();
        Some(MessageCounters { counters, touched })
    }

    /// Waits for a message.
    pub(crate) fn watch(&mut self, id: u64, which: Occurrence) {
        self.watches.push(Watch { id, which, seen: 0 });
    }

    pub(crate) fn unwatch(&mut self, id: u64) {
        self.watches.retain(|watch| watch.id != id);
    }

    /// Decides about a message that came in. What could not be read is nobody's concern.
    pub(crate) fn arrive(
        &mut self,
        kind: Option<MessageKind>,
        frame: &[u8],
        now: Duration,
    ) -> Arrival {
        let Some(kind) = kind else {
            return Arrival { passes: true, watched: Vec::new(), fate: "passed" };
        };
        let watched = self.watched(kind);
        let item = Item { bytes: frame.len(), ecn: 0, class: kind as u8 };
        let (passes, fate) = match self.engine.offer(item, now, || frame.to_vec()) {
            Ok(passage) => {
                self.engine.passed_on(&passage, now);
                (true, if passage.duplicated { "duplicated" } else { "passed" })
            }
            Err(Gone::Lost) => (false, "dropped"),
            Err(Gone::Late) => (false, "delayed"),
            Err(Gone::Held) => (false, "held"),
        };
        Arrival { passes, watched, fate }
    }

    fn watched(&mut self, kind: MessageKind) -> Vec<u64> {
        let concerns = |which: &Occurrence| which.kinds.is_empty() || which.kinds.contains(&kind);
        let mut watched = Vec::new();
        for watch in self.watches.iter_mut().filter(|watch| concerns(&watch.which)) {
            watch.seen += 1;
            if watch.seen == watch.which.nth {
                watched.push(watch.id);
            }
        }
        watched
    }

    /// When the next late message is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.engine.next_due()
    }

    /// The messages that are due, in the order in which they are.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<Vec<u8>> {
        let mut due = Vec::new();
        while let Some((passage, frame)) = self.engine.due(now) {
            self.engine.passed_on(&passage, now);
            due.push(frame);
        }
        due
    }
}

/// Which messages a fault concerns.
fn concern(messages: &Messages) -> Concern {
    let classes = match messages.kinds.as_slice() {
        [] => u32::MAX,
        kinds => kinds.iter().fold(0, |classes, kind| classes | 1 << *kind as u8),
    };
    Concern { classes, nth: messages.nth }
}

/// What the engine is to do to them.
fn rule(messages: &Messages) -> Rule {
    let Messages { drop, hold, delay, jitter, duplicate, reorder, .. } = messages;
    if *hold {
        return Rule::Cut { mode: CutMode::Hold, flapping: None };
    }
    let is_late = !(*delay + *jitter).is_zero();
    let distribution = Distribution::Uniform;
    let reorder = Reorder { share: *reorder, by: messages.behind() };
    Rule::Impair(Impairment {
        loss: (*drop > 0.0).then_some(Loss::Share(*drop)),
        delay: is_late.then_some(Delay { base: *delay, jitter: *jitter, distribution }),
        duplicate: *duplicate,
        copies_behind: messages.behind(),
        reorder: (reorder.share > 0.0).then_some(reorder),
        ..Impairment::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn link() -> MessageLink {
        MessageLink::new(1, "n1", "n2")
    }

    fn only(kind: MessageKind) -> Messages {
        Messages { kinds: vec![kind], ..Default::default() }
    }

    /// Sends one message of each kind in turn, a millisecond apart, and says which pass when, by their numbers from 1.
    fn send(link: &mut MessageLink, kinds: &[MessageKind]) -> Vec<(u128, u8)> {
        let mut seen = Vec::new();
        for (place, kind) in kinds.iter().enumerate() {
            let (now, number) = (MS * place as u32, place as u8 + 1);
            seen.extend(link.due(now).into_iter().map(|frame| (now.as_millis(), frame[0])));
            if link.arrive(Some(*kind), &[number], now).passes {
                seen.push((now.as_millis(), number));
            }
        }
        while let Some(due) = link.next_due() {
            seen.extend(link.due(due).into_iter().map(|frame| (due.as_millis(), frame[0])));
        }
        seen
    }

    #[test]
    fn without_a_fault_everything_passes_at_once_and_in_order() {
        let passed = send(&mut link(), &[MessageKind::Heartbeat; 4]);
        assert_eq!(passed, [(0, 1), (1, 2), (2, 3), (3, 4)]);
    }

    #[test]
    fn only_the_kinds_that_are_meant_are_lost_and_counted() {
        let mut link = link();
        let replies = only(MessageKind::RequestVoteReply);
        link.begin("f1", &Messages { drop: 1.0, ..replies }, Duration::ZERO);
        let sent =
            [MessageKind::RequestVoteReply, MessageKind::Heartbeat, MessageKind::RequestVoteReply];
        assert_eq!(send(&mut link, &sent), [(1, 2)]);
        let ended = link.end("f1", 3 * MS).unwrap();
        assert_eq!((ended.counters.seen, ended.counters.dropped), (2, 2));
        assert_eq!(ended.touched, BTreeMap::from([(MessageKind::RequestVoteReply, 2)]));
        assert_eq!(send(&mut link, &sent).len(), 3, "it is over");
    }

    #[test]
    fn the_nth_of_its_kinds_is_meant_and_no_other() {
        let mut link = link();
        let second = Messages { nth: Some(2), drop: 1.0, ..only(MessageKind::Heartbeat) };
        link.begin("f1", &second, Duration::ZERO);
        let sent = [
            MessageKind::Heartbeat,
            MessageKind::AppendEntries,
            MessageKind::Heartbeat,
            MessageKind::Heartbeat,
        ];
        assert_eq!(send(&mut link, &sent), [(0, 1), (1, 2), (3, 4)]);
    }

    #[test]
    fn copies_and_reordered_messages_come_behind_the_others() {
        let behind = Some(2 * MS);
        let mut doubled = link();
        let rule = Messages { duplicate: 1.0, behind, ..Default::default() };
        doubled.begin("f1", &rule, Duration::ZERO);
        let appends = [MessageKind::AppendEntries; 4];
        assert_eq!(send(&mut doubled, &appends[..2]), [(0, 1), (1, 2), (2, 1), (3, 2)]);
        assert_eq!(doubled.end("f1", 4 * MS).unwrap().counters.duplicated, 2);

        let mut late = link();
        let rule = Messages { nth: Some(1), reorder: 1.0, behind, ..Default::default() };
        late.begin("f2", &rule, Duration::ZERO);
        assert_eq!(send(&mut late, &appends), [(1, 2), (2, 1), (2, 3), (3, 4)]);
        assert_eq!(late.end("f2", 4 * MS).unwrap().counters.reordered, 1);
    }

    #[test]
    fn what_is_held_comes_in_order_when_the_fault_ends() {
        let mut link = link();
        let rule = Messages { hold: true, ..only(MessageKind::AppendEntries) };
        link.begin("f1", &rule, Duration::ZERO);
        let sent = [MessageKind::AppendEntries, MessageKind::Heartbeat, MessageKind::AppendEntries];
        assert_eq!(send(&mut link, &sent), [(1, 2)]);
        assert_eq!(link.end("f1", 5 * MS).unwrap().counters.held, 2);
        assert_eq!(link.due(5 * MS), [[1], [3]]);
    }

    #[test]
    fn watches_say_when_the_message_came_that_they_wait_for() {
        let mut link = link();
        link.watch(7, Occurrence { kinds: vec![MessageKind::InstallSnapshot], nth: 2 });
        let mut watched = |kind| link.arrive(Some(kind), &[], MS).watched;
        assert!(watched(MessageKind::InstallSnapshot).is_empty());
        assert!(watched(MessageKind::Heartbeat).is_empty());
        assert_eq!(watched(MessageKind::InstallSnapshot), [7]);
        assert!(watched(MessageKind::InstallSnapshot).is_empty());
        link.unwatch(7);
    }

    #[test]
    fn what_cannot_be_read_passes_untouched() {
        let mut link = link();
        link.begin("f1", &Messages { drop: 1.0, ..Default::default() }, MS);
        assert!(link.arrive(None, &[9], MS).passes);
        assert_eq!(link.end("f1", MS).unwrap().counters.seen, 0);
    }
}

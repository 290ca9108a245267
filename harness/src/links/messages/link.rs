//! What becomes of a message on a directed link. Pure: the faults in force, the link's own randomness, the time as an argument.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::plan::Random;
use crate::workload::{MessageKind, Messages};

/// Messages that may wait on one link. Beyond it they are lost, as in the outbox of a node.
const WAITING_MAX: usize = 10_000;

/// Which messages of a link are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// Their kinds; all of them, if none is named.
    pub(crate) kinds: Vec<MessageKind>,
    /// Only this one of them, counted from 1 on each link; all of them, if nothing is said.
    pub(crate) nth: Option<u64>,
}

impl Occurrence {
    fn of(messages: &Messages) -> Self {
        Self { kinds: messages.kinds.clone(), nth: messages.nth }
    }

    fn concerns(&self, kind: MessageKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    fn is(&self, number: u64) -> bool {
        self.nth.is_none_or(|nth| nth == number)
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    /// What it is; nothing if it could not be read.
    pub(crate) kind: Option<MessageKind>,
    /// Its place among the messages of its link.
    pub(crate) number: u64,
    /// The frame.
    pub(crate) bytes: Vec<u8>,
}

/// What a fault did to the messages of one link: the evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct MessageCounters {
    /// Messages that it concerned.
    pub(crate) seen: u64,
    /// Those that it lost.
    pub(crate) dropped: u64,
    /// Those that it made late.
    pub(crate) delayed: u64,
    /// Copies that it made.
    pub(crate) duplicated: u64,
    /// Those that it let others overtake.
    pub(crate) reordered: u64,
    /// Those that it kept back until its end.
    pub(crate) held: u64,
    /// How many of each kind it did something to.
    pub(crate) touched: BTreeMap<MessageKind, u64>,
}

impl MessageCounters {
    /// How many messages it did something to.
    pub(crate) fn total(&self) -> u64 {
        self.touched.values().sum()
    }
}

/// What a fault does to one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fate {
    dropped: bool,
    held: bool,
    late: Duration,
    /// How much later than the message its copy comes.
    copy: Option<Duration>,
}

#[derive(Debug)]
struct Fault {
    which: Occurrence,
    rule: Messages,
    counters: MessageCounters,
    held: Vec<Parcel>,
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
    random: Random,
    faults: BTreeMap<String, Fault>,
    /// Late messages, by due time and arrival.
    late: BTreeMap<(Duration, u64), Parcel>,
    queued: u64,
    numbers: u64,
    watches: Vec<Watch>,
}

/// What came of an arrival.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// What passes now.
    pub(crate) passes: Vec<Parcel>,
    /// The watches that waited for this message.
    pub(crate) watched: Vec<u64>,
    /// What was done, in one word, for the journal.
    pub(crate) fate: &'static str,
}

impl MessageLink {
    /// A link without faults.
    pub(crate) fn new(random: Random) -> Self {
        Self {
            random,
            faults: BTreeMap::new(),
            late: BTreeMap::new(),
            queued: 0,
            numbers: 0,
            watches: Vec::new(),
        }
    }

    pub(crate) fn begin(&mut self, fault: &str, rule: Messages) {
        let (counters, held) = (MessageCounters::default(), Vec::new());
        self.faults.insert(
            fault.to_string(),
            Fault { which: Occurrence::of(&rule), rule, counters, held },
        );
    }

    /// Ends a fault: what it did, and what it kept back. What it made late stays late.
    pub(crate) fn end(&mut self, fault: &str) -> Option<(MessageCounters, Vec<Parcel>)> {
        self.faults.remove(fault).map(|fault| (fault.counters, fault.held))
    }

    /// Waits for a message.
    pub(crate) fn watch(&mut self, id: u64, which: Occurrence) {
        self.watches.push(Watch { id, which, seen: 0 });
    }

    pub(crate) fn unwatch(&mut self, id: u64) {
        self.watches.retain(|watch| watch.id != id);
    }

    /// Decides about a message that came in.
    pub(crate) fn arrive(
        &mut self,
        kind: Option<MessageKind>,
        bytes: Vec<u8>,
        now: Duration,
    ) -> Arrival {
        self.numbers += 1;
        let parcel = Parcel { kind, number: self.numbers, bytes };
        let Some(kind) = kind else {
            return Arrival { passes: vec![parcel], watched: Vec::new(), fate: "passed" };
        };
        let watched = self.watched(kind);
        let mut sum = Fate::default();
        let mut holder = None;
        for (name, fault) in &mut self.faults {
            let Some(fate) = fault.decide(kind, &mut self.random) else { continue };
            sum.dropped |= fate.dropped;
            sum.late += fate.late;
            sum.copy = sum.copy.max(fate.copy);
            if fate.held {
                holder = Some(name.clone());
            }
        }
        let (passes, fate) = self.carry_out(sum, holder, parcel, now);
        Arrival { passes, watched, fate }
    }

    fn watched(&mut self, kind: MessageKind) -> Vec<u64> {
        let mut watched = Vec::new();
        for watch in self.watches.iter_mut().filter(|watch| watch.which.concerns(kind)) {
            watch.seen += 1;
            if watch.which.is(watch.seen) {
                watched.push(watch.id);
            }
        }
        watched
    }

    fn carry_out(
        &mut self,
        fate: Fate,
        holder: Option<String>,
        parcel: Parcel,
        now: Duration,
    ) -> (Vec<Parcel>, &'static str) {
        if fate.dropped {
            return (Vec::new(), "dropped");
        }
        if let Some(after) = fate.copy {
            self.queue(now + fate.late + after, parcel.clone());
        }
        if let Some(fault) = holder.and_then(|holder| self.faults.get_mut(&holder)) {
            fault.held.push(parcel);
            return (Vec::new(), "held");
        }
        match fate {
            Fate { late: Duration::ZERO, copy: None, .. } => (vec![parcel], "passed"),
            Fate { late: Duration::ZERO, .. } => (vec![parcel], "duplicated"),
            Fate { late, .. } => {
                self.queue(now + late, parcel);
                (Vec::new(), "delayed")
            }
        }
    }

    fn queue(&mut self, due: Duration, parcel: Parcel) {
        if self.late.len() < WAITING_MAX {
            self.queued += 1;
            self.late.insert((due, self.queued), parcel);
        }
    }

    /// When the next late message is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.late.first_key_value().map(|((due, _), _)| *due)
    }

    /// The late messages that are due, in the order in which they are.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<Parcel> {
        let mut due = Vec::new();
        while self.next_due().is_some_and(|next| next <= now) {
            due.extend(self.late.pop_first().map(|(_, parcel)| parcel));
        }
        due
    }
}

impl Fault {
    /// What the fault does to a message of this kind; nothing if it is not concerned.
    fn decide(&mut self, kind: MessageKind, random: &mut Random) -> Option<Fate> {
        let Self { which, rule, counters, .. } = self;
        if !which.concerns(kind) {
            return None;
        }
        counters.seen += 1;
        if !which.is(counters.seen) {
            return None;
        }
        let mut fate = Fate::default();
        if random.chance(rule.drop) {
            fate.dropped = true;
            counters.dropped += 1;
        } else {
            fate.held = rule.hold;
            counters.held += u64::from(rule.hold);
            fate.late = rule.delay + even(rule.jitter, random);
            counters.delayed += u64::from(!fate.late.is_zero());
            if random.chance(rule.reorder) {
                fate.late += rule.behind();
                counters.reordered += 1;
            }
            if random.chance(rule.duplicate) {
                fate.copy = Some(rule.behind());
                counters.duplicated += 1;
            }
        }
        if fate != Fate::default() {
            *counters.touched.entry(kind).or_default() += 1;
        }
        Some(fate)
    }
}

/// Anything from nothing to this, each as likely.
fn even(whole: Duration, random: &mut Random) -> Duration {
    match whole.as_nanos() as u64 {
        0 => Duration::ZERO,
        nanoseconds => Duration::from_nanos(random.below(nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::stream;

    const MS: Duration = Duration::from_millis(1);

    fn link() -> MessageLink {
        MessageLink::new(stream(1, "messages n1->n2"))
    }

    fn only(kind: MessageKind) -> Messages {
        Messages { kinds: vec![kind], ..Default::default() }
    }

    fn numbers(parcels: &[Parcel]) -> Vec<u64> {
        parcels.iter().map(|parcel| parcel.number).collect()
    }

    /// Sends one message of each kind in turn, a millisecond apart, and says which pass when.
    fn send(link: &mut MessageLink, kinds: &[MessageKind]) -> Vec<(u128, u64)> {
        let mut seen = Vec::new();
        for (place, kind) in kinds.iter().enumerate() {
            let now = MS * place as u32;
            seen.extend(
                numbers(&link.due(now)).into_iter().map(|number| (now.as_millis(), number)),
            );
            let arrival = link.arrive(Some(*kind), vec![place as u8], now);
            let passed = numbers(&arrival.passes);
            seen.extend(passed.into_iter().map(|number| (now.as_millis(), number)));
        }
        while let Some(due) = link.next_due() {
            let parcels = numbers(&link.due(due));
            seen.extend(parcels.into_iter().map(|number| (due.as_millis(), number)));
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
        link.begin("f1", Messages { drop: 1.0, ..replies });
        let sent =
            [MessageKind::RequestVoteReply, MessageKind::Heartbeat, MessageKind::RequestVoteReply];
        assert_eq!(send(&mut link, &sent), [(1, 2)]);
        let (counters, held) = link.end("f1").unwrap();
        assert_eq!((counters.seen, counters.dropped, held.len()), (2, 2, 0));
        assert_eq!(counters.touched, BTreeMap::from([(MessageKind::RequestVoteReply, 2)]));
        assert_eq!(send(&mut link, &sent).len(), 3, "it is over");
    }

    #[test]
    fn the_nth_of_its_kinds_is_meant_and_no_other() {
        let mut link = link();
        link.begin("f1", Messages { nth: Some(2), drop: 1.0, ..only(MessageKind::Heartbeat) });
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
        let mut link = link();
        let behind = Some(2 * MS);
        link.begin("f1", Messages { duplicate: 1.0, behind, ..Default::default() });
        assert_eq!(
            send(&mut link, &[MessageKind::AppendEntries; 2]),
            [(0, 1), (1, 2), (2, 1), (3, 2)]
        );
        assert_eq!(link.end("f1").unwrap().0.duplicated, 2);

        link.begin("f2", Messages { nth: Some(1), reorder: 1.0, behind, ..Default::default() });
        let passed = send(&mut link, &[MessageKind::AppendEntries; 4]);
        assert_eq!(passed, [(1, 4), (2, 3), (2, 5), (3, 6)]);
    }

    #[test]
    fn what_is_held_comes_in_order_when_the_fault_ends() {
        let mut link = link();
        link.begin("f1", Messages { hold: true, ..only(MessageKind::AppendEntries) });
        let sent = [MessageKind::AppendEntries, MessageKind::Heartbeat, MessageKind::AppendEntries];
        assert_eq!(send(&mut link, &sent), [(1, 2)]);
        let (counters, held) = link.end("f1").unwrap();
        assert_eq!((counters.held, numbers(&held)), (2, vec![1, 3]));
    }

    #[test]
    fn faults_add_up_and_one_that_loses_wins() {
        let mut link = link();
        link.begin("f1", Messages { delay: 5 * MS, ..Default::default() });
        link.begin("f2", Messages { delay: 7 * MS, ..Default::default() });
        assert_eq!(send(&mut link, &[MessageKind::Heartbeat]), [(12, 1)]);
        link.begin("f3", Messages { drop: 1.0, ..Default::default() });
        assert_eq!(send(&mut link, &[MessageKind::Heartbeat]), []);
    }

    #[test]
    fn shares_are_those_asked_for_and_the_same_for_the_same_seed() {
        let run = |seed| {
            let mut link = MessageLink::new(stream(seed, "messages n1->n2"));
            link.begin(
                "f1",
                Messages { drop: 0.2, duplicate: 0.5, behind: Some(MS), ..Default::default() },
            );
            let passed = send(&mut link, &[MessageKind::AppendEntries; 5_000]);
            (passed, link.end("f1").unwrap().0)
        };
        let (passed, counters) = run(3);
        assert_eq!((passed.clone(), counters.clone()), run(3));
        assert_ne!(passed, run(4).0);
        assert!((900..1_100).contains(&counters.dropped), "{counters:?}");
        assert!((1_850..2_150).contains(&counters.duplicated), "{counters:?}");
    }

    #[test]
    fn watches_say_when_the_message_came_that_they_wait_for() {
        let mut link = link();
        link.watch(7, Occurrence { kinds: vec![MessageKind::InstallSnapshot], nth: Some(2) });
        let mut watched = |kind| link.arrive(Some(kind), vec![], MS).watched;
        assert!(watched(MessageKind::InstallSnapshot).is_empty());
        assert!(watched(MessageKind::Heartbeat).is_empty());
        assert_eq!(watched(MessageKind::InstallSnapshot), [7]);
        link.unwatch(7);
    }

    #[test]
    fn what_cannot_be_read_passes_untouched() {
        let mut link = link();
        link.begin("f1", Messages { drop: 1.0, ..Default::default() });
        assert_eq!(link.arrive(None, vec![9], MS).passes[0].bytes, [9]);
    }
}

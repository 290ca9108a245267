//! A queue that is drained at the end: what was acknowledged comes out, and nothing comes out that nobody put in.
//!
//! After Jepsen's `total-queue`. Order is not judged. An element that comes out more often than it was put in is reported and does not
//! convict: a queue that promises delivery *at least once* redelivers what it was told too late (Jepsen reports it likewise).
//!
//! An element is lost only if somebody looked: a `drain`, or a `dequeue` that found the queue empty (ok with `null`), that began after the
//! element was acknowledged. Jepsen takes for granted that the queue was drained; without that nothing is proved here. A `dequeue` whose outcome
//! is unknown may have taken one element with it, and a `drain` any number of them: so many losses are undecided.

use std::collections::BTreeMap;

use serde_json::json;

use super::counted;
use super::elements::Elements;
use super::findings::{Findings, at_key, violation};
use crate::explain::{when, who};
use crate::history::{History, NEVER, Operation, Outcome, ValueId, View};
use crate::linearizability::{Object, Objects};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "total-queue";
/// No operation.
const NONE: u32 = u32::MAX;

/// Judges every queue of a history.
pub fn check(history: &History) -> CheckReport {
    report(history, true)
}

/// The same of a history that goes on: what has not come out yet may still do so.
pub(super) fn check_so_far(history: &History) -> CheckReport {
    report(history, false)
}

/// Lost elements convict if the history is at its `end`.
fn report(history: &History, end: bool) -> CheckReport {
    let objects = Objects::of(history);
    let mut totals = Totals::default();
    for number in 0..objects.len() {
        Queue::of(history, &objects.get(number)).judge(end, &mut totals);
    }
    if objects.len() == 0 {
        totals.doubts.push("no queue was used".into());
    }
    totals.report(objects.len())
}

/// What is known of one element; it may be put in several times.
#[derive(Clone, Copy)]
struct Element {
    /// Times that somebody tried to put it in and may have succeeded.
    attempts: u32,
    /// Times that this was acknowledged.
    acknowledged: u32,
    /// Times that it came out.
    out: u32,
    /// The event at which the first attempt began.
    begun: u32,
    /// The event at which it was acknowledged last.
    known: u32,
    /// The attempt that was acknowledged last; else any.
    put: u32,
    /// The operation that took it out first.
    taken: u32,
    /// The operation that took it out last.
    taken_last: u32,
}

const UNKNOWN: Element = Element {
    attempts: 0,
    acknowledged: 0,
    out: 0,
    begun: NEVER,
    known: 0,
    put: NONE,
    taken: NONE,
    taken_last: NONE,
};

/// One queue.
struct Queue<'a> {
    history: &'a History,
    key: String,
    numbers: Elements<'a>,
    elements: Vec<Element>,
    /// The last operation that began and found the queue empty, or emptied it.
    looked: Option<u32>,
    /// Dequeues whose outcome nobody knows.
    unknown_dequeues: usize,
    /// Whether the outcome of a drain is unknown.
    unknown_drain: bool,
    dequeued: usize,
}

impl<'a> Queue<'a> {
    fn of(history: &'a History, object: &Object<'a>) -> Self {
        let key = object.iter().next().and_then(|(place, _)| history.view(place as usize).key());
        let mut queue = Self {
            history,
            key: key.map(|key| key.into_owned()).unwrap_or_default(),
            numbers: Elements::new(history.values(), object.len()),
            elements: Vec::new(),
            looked: None,
            unknown_dequeues: 0,
            unknown_drain: false,
            dequeued: 0,
        };
        let [enqueue, dequeue, drain] =
            ["enqueue", "dequeue", "drain"].map(|f| history.function(f));
        for (place, operation) in object.iter() {
            match Some(operation.function) {
                function if function == enqueue => queue.enqueue(place, operation),
                function if function == dequeue => queue.dequeue(place, operation),
                function if function == drain => queue.drain(place, operation),
                _ => {}
            }
        }
        queue
    }

    fn element(&mut self, id: ValueId) -> &mut Element {
        let number = self.numbers.number(id);
        if number == self.elements.len() {
            self.elements.push(UNKNOWN);
        }
        &mut self.elements[number]
    }

    fn enqueue(&mut self, place: u32, operation: &Operation) {
        let element = self.element(operation.value);
        if element.put == NONE {
            element.put = place;
        }
        if operation.outcome == Outcome::Fail {
            return;
        }
        element.attempts += 1;
        element.begun = element.begun.min(operation.invoked);
        if operation.outcome == Outcome::Ok {
            element.acknowledged += 1;
            if operation.completed > element.known {
                (element.known, element.put) = (operation.completed, place);
            }
        }
    }

    fn dequeue(&mut self, place: u32, operation: &Operation) {
        match operation.outcome {
            Outcome::Ok if operation.value == ValueId::NIL => self.looked = Some(place),
            Outcome::Ok => self.take(place, operation.value),
            Outcome::Fail => {}
            Outcome::Info | Outcome::Open => self.unknown_dequeues += 1,
        }
    }

    /// A drain lists what it took out; without a list, what it took stands in dequeues of its own.
    fn drain(&mut self, place: u32, operation: &Operation) {
        match operation.outcome {
            Outcome::Ok => {
                self.looked = Some(place);
                for id in self.history.values().list(operation.value).unwrap_or_default() {
                    self.take(place, *id);
                }
            }
            Outcome::Fail => {}
            Outcome::Info | Outcome::Open => self.unknown_drain = true,
        }
    }

    fn take(&mut self, place: u32, id: ValueId) {
        self.dequeued += 1;
        let history = self.history;
        let end = |place: u32| history.operations()[place as usize].completed;
        let element = self.element(id);
        element.out += 1;
        if element.taken == NONE || end(place) < end(element.taken) {
            element.taken = place;
        }
        if element.taken_last == NONE || end(place) > end(element.taken_last) {
            element.taken_last = place;
        }
    }

    /// Adds what this queue shows.
    fn judge(&self, end: bool, totals: &mut Totals) {
        let (mut lost, mut copies, mut unseen) = (Vec::new(), 0, 0);
        for (number, element) in self.elements.iter().enumerate() {
            totals.attempts += element.attempts as usize;
            totals.acknowledged += element.acknowledged as usize;
            let missing = element.acknowledged.saturating_sub(element.out) as usize;
            match self.looked.map(|place| self.view(place)) {
                _ if missing == 0 => {}
                Some(look) if look.invoked() > element.known as usize => {
                    lost.push(number);
                    copies += missing;
                }
                _ => unseen += missing,
            }
            self.count_surplus(number, element, totals);
        }
        totals.dequeued += self.dequeued;
        let doubt = self.doubt(copies, unseen);
        if end && !self.unknown_drain && copies > self.unknown_dequeues {
            totals.lost += lost.len();
            for number in lost {
                totals.findings.add("lost", || self.lost(number));
            }
        }
        totals.doubts.extend(doubt.map(|doubt| at_key(&self.key) + &doubt));
    }

    /// What came out though it should not have, or more often than it should.
    fn count_surplus(&self, number: usize, element: &Element, totals: &mut Totals) {
        if element.taken == NONE {
            return;
        }
        let first = self.history.operations()[element.taken as usize].completed;
        if element.begun > first {
            totals.unexpected += 1;
            totals.findings.add("unexpected", || self.unexpected(number, element));
        } else {
            let surplus = element.out.saturating_sub(element.attempts);
            if surplus > 0 && totals.duplicated.is_none() {
                totals.duplicated = Some(self.duplicated(number, element));
            }
            totals.duplicates += surplus as usize;
            let recovered = element.out.min(element.attempts).saturating_sub(element.acknowledged);
            totals.recovered += recovered as usize;
        }
    }

    /// Why nothing follows from this queue.
    fn doubt(&self, lost: usize, unseen: usize) -> Option<String> {
        let missing = counted(lost, "acknowledged element");
        if self.dequeued == 0 && lost == 0 {
            Some("nothing was ever dequeued".into())
        } else if unseen > 0 {
            let elements = counted(unseen, "acknowledged element");
            Some(format!("{elements} did not come out, and the queue was not drained after that"))
        } else if lost > 0 && self.unknown_drain {
            Some(format!(
                "{missing} missing, but the outcome of a drain is unknown: it may have taken them"
            ))
        } else if lost > 0 && lost <= self.unknown_dequeues {
            let dequeues = counted(self.unknown_dequeues, "dequeue");
            Some(format!(
                "{missing} missing, but {dequeues} of unknown outcome may have taken them"
            ))
        } else {
            None
        }
    }

    fn view(&self, place: u32) -> View<'a> {
        self.history.view(place as usize)
    }

    fn lost(&self, number: usize) -> Violation {
        let (element, words) = (&self.elements[number], self.numbers.words(number));
        let put = self.view(element.put);
        let look = self.view(self.looked.expect("an element is lost only if somebody looked"));
        let mut steps = vec![format!("{} put {words} in and got ok, {}.", who(put), when(put))];
        if element.acknowledged > 1 {
            let (times, out) = (element.acknowledged, element.out);
            steps.push(format!("That was done {times} times in all, and it came out {out} times."));
        } else {
            steps.push("It never came out.".into());
        }
        steps.push(format!(
            "The queue was found empty after that by {}, {}.",
            who(look),
            when(look)
        ));
        if self.unknown_dequeues > 0 {
            let dequeues = counted(self.unknown_dequeues, "dequeue");
            steps
                .push(format!("{dequeues} of unknown outcome cannot have taken all that is lost."));
        }
        violation(look, &format!("element {words} is lost"), steps, vec![put])
    }

    fn unexpected(&self, number: usize, element: &Element) -> Violation {
        let words = self.numbers.words(number);
        let taker = self.view(element.taken);
        let put = (element.put != NONE).then(|| self.view(element.put));
        let step = match put {
            None => format!("Nobody ever put {words} in."),
            Some(put) if element.attempts == 0 => format!(
                "{words} was put in only by {} ({}), which ended fail: it certainly has no effect.",
                who(put),
                when(put)
            ),
            Some(put) => format!("{words} was put in only later, by {} ({}).", who(put), when(put)),
        };
        let steps = vec![format!("{} took {words} out, {}.", who(taker), when(taker)), step];
        let summary = format!("unexpected element {words} came out");
        violation(taker, &summary, steps, put.into_iter().collect())
    }

    /// One line for the detail: duplicates do not convict.
    fn duplicated(&self, number: usize, element: &Element) -> String {
        let (words, first, last) =
            (self.numbers.words(number), self.view(element.taken), self.view(element.taken_last));
        let key = at_key(&self.key);
        format!(
            "{key}{words} came out of {} and again of {}, {}",
            who(first),
            who(last),
            when(last)
        )
    }
}

/// What all queues of a history show.
#[derive(Default)]
struct Totals {
    findings: Findings,
    doubts: Vec<String>,
    attempts: usize,
    acknowledged: usize,
    dequeued: usize,
    lost: usize,
    unexpected: usize,
    duplicates: usize,
    recovered: usize,
    /// The first element that came out too often, in words.
    duplicated: Option<String>,
}

impl Totals {
    fn report(self, queues: usize) -> CheckReport {
        let mut scope = format!(
            "{} acknowledged of {} tried, {} dequeued from {}",
            self.acknowledged,
            self.attempts,
            self.dequeued,
            counted(queues, "queue")
        );
        if let Some(first) = &self.duplicated {
            scope += &format!(
                "; {} out more often than in, which at-least-once delivery allows: {first}",
                counted(self.duplicates, "time")
            );
        }
        let figures = [
            ("attempted", self.attempts),
            ("acknowledged", self.acknowledged),
            ("dequeued", self.dequeued),
            ("lost", self.lost),
            ("unexpected", self.unexpected),
            ("duplicated", self.duplicates),
            ("recovered", self.recovered),
        ];
        let figures = figures.map(|(name, count)| (name.to_string(), json!(count)));
        self.findings.report(NAME, scope, &self.doubts, BTreeMap::from(figures))
    }
}

//! A set that is added to and read as a whole: nothing that was acknowledged is lost, nothing is there twice, nothing was never added.
//!
//! After Jepsen's `set-full` (`jepsen.checker`), of which `set` with its one final read is the simple case. An element is *known* from the
//! moment at which its add is acknowledged, or at which a read that saw it is over. It is
//!
//! * *lost* if a read that began after it was known lacks it, and no read that ended after that one began has it;
//! * *stale* if a read that began after it was known lacks it, and a later one has it: wrong only where reads are linearizable;
//! * *never read* if it was acknowledged, but no read began after that: nothing is known of it.
//!
//! Jepsen calls an element lost if the read with the latest invocation lacks it, though a concurrent read may have it: that is stale here.
//! Its filter for duplicates keeps frequencies below one, of which there are none; duplicates convict here.
//!
//! Cost: reads are gone through backwards with the list of elements that all of them had so far. A read costs its own size, and each
//! element leaves the list once; so the whole costs the size of all reads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::counted;
use super::elements::Elements;
use super::findings::{Findings, at_key, violation};
use super::quantiles::Quantiles;
use crate::explain::{seconds, when, who};
use crate::history::{History, NEVER, Operation, Outcome, ValueId, View};
use crate::linearizability::{Object, Objects};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "set-full";
/// No operation, no read.
const NONE: u32 = u32::MAX;
/// The most elements whose staleness is listed.
const WORST_MAX: usize = 8;

/// Judges every set of a history; stale reads convict only where reads should be `linearizable`.
pub fn check(history: &History, linearizable: bool) -> CheckReport {
    report(history, linearizable, true)
}

/// The same of a history that goes on: what is missing is lost only where reads are linearizable, since a later read may have it again.
pub(super) fn check_so_far(history: &History, linearizable: bool) -> CheckReport {
    report(history, linearizable, linearizable)
}

/// Lost elements convict if their loss is `certain`.
fn report(history: &History, linearizable: bool, certain: bool) -> CheckReport {
    let objects = Objects::of(history);
    let mut totals = Totals::default();
    for number in 0..objects.len() {
        Set::read(history, &objects.get(number)).judge(linearizable, certain, &mut totals);
    }
    if objects.len() == 0 {
        totals.doubts.push("no set was used".into());
    }
    totals.report(objects.len())
}

/// What is known of one element. Places are those of operations, reads are numbered in order of invocation.
#[derive(Clone, Copy)]
struct Element {
    /// The first event at which an add that may have taken effect began; [`NEVER`] if there is none.
    begun: u32,
    /// The first event at which an add was acknowledged.
    acknowledged: u32,
    /// That add; else any add.
    add: u32,
    /// The read that saw it and ended first.
    first_seen: u32,
    /// The read that saw it and ended last.
    last_seen: u32,
    /// The read that lacks it and began last.
    last_absent: u32,
    /// The last read that was gone through and saw it.
    mark: u32,
}

const UNKNOWN: Element = Element {
    begun: NEVER,
    acknowledged: NEVER,
    add: NONE,
    first_seen: NONE,
    last_seen: NONE,
    last_absent: NONE,
    mark: NONE,
};

/// One set.
struct Set<'a> {
    history: &'a History,
    key: String,
    numbers: Elements<'a>,
    elements: Vec<Element>,
    /// Places of the reads, and the operations.
    reads: Vec<(u32, &'a Operation)>,
    /// A read and the element that it has twice.
    duplicates: Vec<(u32, u32)>,
    /// The first read whose value is no list.
    odd_read: Option<u32>,
    /// Adds that were tried.
    attempts: usize,
}

impl<'a> Set<'a> {
    fn read(history: &'a History, object: &Object<'a>) -> Self {
        let key = object.iter().next().and_then(|(place, _)| history.view(place as usize).key());
        let mut set = Self {
            history,
            key: key.map(|key| key.into_owned()).unwrap_or_default(),
            numbers: Elements::new(history.values(), object.len()),
            elements: Vec::new(),
            reads: Vec::new(),
            duplicates: Vec::new(),
            odd_read: None,
            attempts: 0,
        };
        let (add, read) = (history.function("add"), history.function("read"));
        for (place, operation) in object.iter() {
            if Some(operation.function) == add {
                set.take_add(place, operation);
            } else if Some(operation.function) == read && operation.outcome == Outcome::Ok {
                set.take_read(place, operation);
            }
        }
        set.go_through_reads();
        set
    }

    fn element(&mut self, id: ValueId) -> usize {
        let number = self.numbers.number(id);
        if number == self.elements.len() {
            self.elements.push(UNKNOWN);
        }
        number
    }

    fn take_add(&mut self, place: u32, operation: &Operation) {
        self.attempts += 1;
        let number = self.element(operation.value);
        let element = &mut self.elements[number];
        if element.add == NONE {
            element.add = place;
        }
        if operation.outcome != Outcome::Fail {
            element.begun = element.begun.min(operation.invoked);
        }
        if operation.outcome == Outcome::Ok && operation.completed < element.acknowledged {
            element.acknowledged = operation.completed;
            element.add = place;
        }
    }

    /// A set that is not there reads as empty; what is no list is no read of a set.
    fn take_read(&mut self, place: u32, operation: &'a Operation) {
        let value = operation.value;
        if value == ValueId::NIL || self.history.values().list(value).is_some() {
            self.reads.push((place, operation));
        } else {
            self.odd_read.get_or_insert(place);
        }
    }

    /// Notes who saw which element first and last, and which read lacks it last.
    fn go_through_reads(&mut self) {
        let mut in_all = None::<Vec<u32>>;
        for number in (0..self.reads.len() as u32).rev() {
            self.mark(number);
            // What was never added joins the elements later, and no read is asked to have it.
            let elements = &mut self.elements;
            let in_all = in_all.get_or_insert_with(|| (0..elements.len() as u32).collect());
            in_all.retain(|element| {
                let element = &mut elements[*element as usize];
                if element.mark != number {
                    element.last_absent = number;
                }
                element.mark == number
            });
        }
    }

    /// Marks what a read saw.
    fn mark(&mut self, number: u32) {
        let history = self.history;
        let (_, operation) = self.reads[number as usize];
        let seen = history.values().list(operation.value).unwrap_or_default();
        for id in seen {
            let place = self.element(*id);
            let element = &mut self.elements[place];
            if element.mark == number {
                self.duplicates.push((number, place as u32));
                continue;
            }
            element.mark = number;
            let ends = |read: u32| self.reads[read as usize].1.completed;
            if element.first_seen == NONE || operation.completed < ends(element.first_seen) {
                element.first_seen = number;
            }
            if element.last_seen == NONE || operation.completed > ends(element.last_seen) {
                element.last_seen = number;
            }
        }
    }
}

/// What became of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Every read that began after it was known has it.
    Stable,
    /// A read that began after it was known lacks it; a later one has it.
    Stale,
    /// A read that began after it was known lacks it, and no later one has it.
    Lost,
    /// No read began after it was known, and none saw it.
    NeverRead,
    /// It was never acknowledged and never seen, so nothing is owed.
    Unacknowledged,
    /// It was seen, though nobody had begun to add it.
    Unexpected,
}

impl<'a> Set<'a> {
    fn read_at(&self, number: u32) -> Option<&'a Operation> {
        self.reads.get(number as usize).map(|(_, operation)| *operation)
    }

    fn read_view(&self, number: u32) -> Option<View<'a>> {
        self.reads.get(number as usize).map(|(place, _)| self.history.view(*place as usize))
    }

    /// The event at which an element was known.
    fn known(&self, element: &Element) -> u32 {
        let seen = self.read_at(element.first_seen).map_or(NEVER, |read| read.completed);
        element.acknowledged.min(seen)
    }

    fn fate(&self, element: &Element) -> Fate {
        let (first, last) = (self.read_at(element.first_seen), self.read_at(element.last_seen));
        if first.is_some_and(|read| read.completed < element.begun) {
            return Fate::Unexpected;
        }
        let known = self.known(element);
        let absent = self.read_at(element.last_absent).map(|read| read.invoked);
        match (absent.filter(|absent| *absent > known), last) {
            (Some(absent), Some(last)) if last.completed > absent => Fate::Stale,
            (Some(_), _) => Fate::Lost,
            (None, Some(_)) => Fate::Stable,
            (None, None) if element.acknowledged == NEVER => Fate::Unacknowledged,
            (None, None) => Fate::NeverRead,
        }
    }

    /// Adds what this set shows.
    fn judge(&self, linearizable: bool, certain: bool, totals: &mut Totals) {
        totals.attempts += self.attempts;
        totals.reads += self.reads.len();
        let mut judged = 0;
        for (number, element) in self.elements.iter().enumerate() {
            let fate = self.fate(element);
            judged += usize::from(matches!(fate, Fate::Stable | Fate::Stale | Fate::Lost));
            totals.count(fate, self.latency(fate, element));
            match fate {
                Fate::Unexpected => {
                    totals.findings.add("unexpected", || self.unexpected(number, element));
                }
                Fate::Lost if certain => {
                    totals.findings.add("lost", || self.lost(number, element));
                }
                Fate::Stale => {
                    totals.note_stale(self, number, element);
                    if linearizable {
                        totals.findings.add("stale", || self.stale(number, element));
                    }
                }
                Fate::Stable | Fate::Lost | Fate::NeverRead | Fate::Unacknowledged => {}
            }
        }
        for (read, element) in &self.duplicates {
            totals.findings.add("duplicated", || self.duplicated(*read, *element as usize));
        }
        totals.duplicated += self.duplicates.len();
        totals.doubts.extend(self.doubt(judged).map(|doubt| at_key(&self.key) + &doubt));
    }

    /// Why nothing follows from this set.
    fn doubt(&self, judged: usize) -> Option<String> {
        if let Some(place) = self.odd_read {
            let read = self.history.view(place as usize);
            return Some(format!("the read in line {} is no list of elements", read.line()));
        }
        if self.reads.is_empty() {
            Some("no read succeeded".into())
        } else if self.elements.iter().all(|element| element.begun == NEVER) {
            Some("nothing was added".into())
        } else if judged == 0 {
            Some("no element was acknowledged before the last read began, and none was seen".into())
        } else {
            None
        }
    }

    /// How long it took after an element was known until every read had it, or none.
    fn latency(&self, fate: Fate, element: &Element) -> u64 {
        let since = match fate {
            Fate::Stale => self.read_at(element.last_absent),
            Fate::Lost => self.read_at(element.last_seen),
            _ => None,
        };
        let time = |event: u32| self.history.time(event as usize);
        since.map_or(0, |read| time(read.invoked).saturating_sub(time(self.known(element))))
    }

    fn lost(&self, number: usize, element: &Element) -> Violation {
        let words = self.numbers.words(number);
        let (mut steps, mut shown) = self.told_known(&words, element);
        let lacking = self.read_view(element.last_absent).expect("a lost element is lacked");
        match self.read_view(element.last_seen) {
            Some(last) => {
                steps.push(format!("The last to see it was {}, {}.", who(last), when(last)))
            }
            None => steps.push("No read ever saw it.".into()),
        }
        shown.extend(self.read_view(element.last_seen));
        steps.push(format!(
            "The read of {}, {}, began after that and lacks it; no read that ended later has it.",
            who(lacking),
            when(lacking)
        ));
        let summary = format!("element {words} is lost: {}", self.told_gap(element));
        violation(lacking, &summary, steps, shown)
    }

    fn stale(&self, number: usize, element: &Element) -> Violation {
        let words = self.numbers.words(number);
        let (mut steps, mut shown) = self.told_known(&words, element);
        let lacking = self.read_view(element.last_absent).expect("a stale element is lacked");
        steps.push(format!(
            "The read of {}, {}, began after that and lacks it, though a read that ended later has it.",
            who(lacking),
            when(lacking)
        ));
        shown.extend(self.read_view(element.last_seen));
        let summary = format!("a stale read lacks element {words}: {}", self.told_gap(element));
        violation(lacking, &summary, steps, shown)
    }

    /// `known at 1.200 s, missing in a read that began at 3.400 s`.
    fn told_gap(&self, element: &Element) -> String {
        let time = |event: u32| seconds(self.history.time(event as usize));
        let absent = self.read_at(element.last_absent).map_or(NEVER, |read| read.invoked);
        let known = time(self.known(element));
        format!("known at {known}, missing in a read that began at {}", time(absent))
    }

    /// Why the element was known, and the operations that show it.
    fn told_known(&self, words: &str, element: &Element) -> (Vec<String>, Vec<View<'a>>) {
        let add = self.history.view(element.add as usize);
        let first = self.read_view(element.first_seen);
        let mut shown = vec![add];
        let step = match first {
            Some(first) if element.acknowledged == NEVER => {
                shown.push(first);
                let (adder, reader) = (who(add), who(first));
                format!("{adder} added {words}, {}; {reader} saw it, {}.", when(add), when(first))
            }
            _ => format!("{} added {words} and got ok, {}.", who(add), when(add)),
        };
        (vec![step], shown)
    }

    fn unexpected(&self, number: usize, element: &Element) -> Violation {
        let words = self.numbers.words(number);
        let read = self.read_view(element.first_seen).expect("an unexpected element was seen");
        let add = (element.add != NONE).then(|| self.history.view(element.add as usize));
        let step = match add {
            None => format!("Nobody ever added {words}."),
            Some(add) if element.begun == NEVER => format!(
                "{words} was added only by {} ({}), which ended fail: it certainly has no effect.",
                who(add),
                when(add)
            ),
            Some(add) => format!("{words} was added only later, by {} ({}).", who(add), when(add)),
        };
        let summary = format!("unexpected element {words} in the read of {}", who(read));
        let steps = vec![format!("{} saw {words}, {}.", who(read), when(read)), step];
        violation(read, &summary, steps, add.into_iter().collect())
    }

    fn duplicated(&self, read: u32, number: usize) -> Violation {
        let words = self.numbers.words(number);
        let read = self.read_view(read).expect("it was read");
        let summary = format!("element {words} is twice in the read of {}", who(read));
        let step = format!("A set has no element twice: {}, {}.", who(read), when(read));
        violation(read, &summary, vec![step], vec![])
    }
}

/// What all sets of a history show.
#[derive(Default)]
struct Totals {
    findings: Findings,
    doubts: Vec<String>,
    attempts: usize,
    reads: usize,
    duplicated: usize,
    counts: BTreeMap<&'static str, usize>,
    stable: Vec<u64>,
    lost_after: Vec<u64>,
    /// Latency, and which element of which key.
    worst_stale: Vec<(u64, String)>,
}

impl Totals {
    fn count(&mut self, fate: Fate, latency: u64) {
        let name = match fate {
            Fate::Stable => "stable",
            Fate::Stale => "stale",
            Fate::Lost => "lost",
            Fate::NeverRead => "never_read",
            Fate::Unacknowledged => "unacknowledged",
            Fate::Unexpected => "unexpected",
        };
        *self.counts.entry(name).or_default() += 1;
        match fate {
            Fate::Stable | Fate::Stale => self.stable.push(latency),
            Fate::Lost => self.lost_after.push(latency),
            _ => {}
        }
    }

    /// Keeps the elements that took longest to be in every read.
    fn note_stale(&mut self, set: &Set<'_>, number: usize, element: &Element) {
        let latency = set.latency(Fate::Stale, element);
        if self.worst_stale.len() == WORST_MAX && self.worst_stale[WORST_MAX - 1].0 >= latency {
            return;
        }
        let place = self.worst_stale.partition_point(|(other, _)| *other >= latency);
        let name = at_key(&set.key) + &set.numbers.words(number);
        self.worst_stale.insert(place, (latency, name));
        self.worst_stale.truncate(WORST_MAX);
    }

    fn report(self, sets: usize) -> CheckReport {
        let of = |name: &str| self.counts.get(name).copied().unwrap_or(0);
        let (stable, stale, never) = (of("stable"), of("stale"), of("never_read"));
        let mut scope = format!(
            "{}, {} of {}; {} stable, {stale} stale, {never} never read",
            counted(self.attempts, "add"),
            counted(self.reads, "read"),
            counted(sets, "set"),
            counted(stable, "element"),
        );
        let stable_latency = Quantiles::of(self.stable);
        if let Some(longest) = stable_latency.named("max").filter(|longest| *longest > 0) {
            scope += &format!("; at worst in every read after {}", seconds(longest));
        }
        let figures = BTreeMap::from([
            ("attempted".to_string(), json!(self.attempts)),
            ("reads".to_string(), json!(self.reads)),
            ("stable".to_string(), json!(stable)),
            ("stale".to_string(), json!(stale)),
            ("lost".to_string(), json!(of("lost"))),
            ("never_read".to_string(), json!(never)),
            ("unacknowledged".to_string(), json!(of("unacknowledged"))),
            ("unexpected".to_string(), json!(of("unexpected"))),
            ("duplicated".to_string(), json!(self.duplicated)),
            ("stable_latency_ns".to_string(), stable_latency.json()),
            ("lost_latency_ns".to_string(), Quantiles::of(self.lost_after).json()),
            ("worst_stale_ns".to_string(), worst(&self.worst_stale)),
        ]);
        self.findings.report(NAME, scope, &self.doubts, figures)
    }
}

fn worst(stale: &[(u64, String)]) -> Value {
    let entry =
        |(latency, element): &(u64, String)| json!({"element": element, "latency": latency});
    stale.iter().map(entry).collect()
}

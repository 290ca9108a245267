//! A counter: every read lies between what was certainly added when it began and what may have been added when it ended.
//!
//! After Jepsen's `counter`, with decrements as well: an add that was acknowledged before the read began counts in full; one that had begun before
//! the read ended, and did not end *fail*, may count. Positive ones may only raise the upper bound, negative ones only lower the
//! lower. That is necessary, not sufficient: which of the possible adds took effect is not asked (that is `--model counter`).

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxBuildHasher;
use serde_json::json;

use super::counted;
use super::findings::{Findings, at_key, violation};
use crate::explain::{when, who};
use crate::history::{History, NEVER, Operation, Outcome, ValueId, View};
use crate::linearizability::{Object, Objects};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "counter-bounds";
/// Adds are named one by one where there are no more than this.
const ADDS_TOLD_MAX: usize = 8;

/// Judges every counter of a history.
pub fn check(history: &History) -> CheckReport {
    let objects = Objects::of(history);
    let (mut findings, mut doubts) = (Findings::default(), Vec::new());
    let (mut reads, mut adds, mut widest) = (0, 0, 0);
    for number in 0..objects.len() {
        let object = objects.get(number);
        let counter = Counter::of(history, &object);
        reads += counter.reads;
        adds += counter.adds;
        doubts.extend(counter.doubt.map(|doubt| at_key(&counter.key) + &doubt));
        for bounds in counter.bounds {
            widest = widest.max(bounds.upper - bounds.lower);
            if bounds.read < bounds.lower {
                findings.add("below the lower bound", || outside(history, &object, &bounds));
            } else if bounds.read > bounds.upper {
                findings.add("above the upper bound", || outside(history, &object, &bounds));
            }
        }
    }
    if objects.len() == 0 {
        doubts.push("no counter was used".into());
    }
    let errors = findings.count("below the lower bound") + findings.count("above the upper bound");
    let figures = BTreeMap::from([
        ("adds".to_string(), json!(adds)),
        ("reads".to_string(), json!(reads)),
        ("outside".to_string(), json!(errors)),
        ("widest_bounds".to_string(), json!(widest.to_string())),
    ]);
    let scope = format!("{} and {}", counted(adds, "add"), counted(reads, "read"));
    findings.report(NAME, scope, &doubts, figures)
}

/// A read and what it may have been.
struct Bounds {
    /// Its place.
    place: u32,
    read: i128,
    lower: i128,
    upper: i128,
}

/// One counter.
struct Counter {
    key: String,
    reads: usize,
    /// Adds that may have taken effect.
    adds: usize,
    bounds: Vec<Bounds>,
    doubt: Option<String>,
}

/// Sums of what was added, by sign.
#[derive(Clone, Copy, Default)]
struct Sums {
    raised: i128,
    lowered: i128,
}

impl Sums {
    fn add(&mut self, amount: i128) {
        if amount > 0 { self.raised += amount } else { self.lowered += amount }
    }
}

impl Counter {
    fn of(history: &History, object: &Object<'_>) -> Self {
        let key = object.iter().next().and_then(|(place, _)| history.view(place as usize).key());
        let key = key.map(|key| key.into_owned()).unwrap_or_default();
        let mut counter = Self { key, reads: 0, adds: 0, bounds: Vec::new(), doubt: None };
        counter.sweep(history, object);
        if counter.reads == 0 {
            counter.doubt.get_or_insert_with(|| "no read succeeded".into());
        } else if counter.adds == 0 {
            counter.doubt.get_or_insert_with(|| "nothing was added".into());
        }
        counter
    }

    /// Follows the events: a read takes the certain sums when it begins and the possible ones when it ends.
    fn sweep(&mut self, history: &History, object: &Object<'_>) {
        let add = history.function("add");
        let (mut certain, mut possible) = (Sums::default(), Sums::default());
        let mut begun: HashMap<u32, Sums, FxBuildHasher> = HashMap::default();
        for (event, place) in steps(object, add) {
            let operation = &history.operations()[place as usize];
            let is_add = Some(operation.function) == add;
            let Some(amount) = amount(history, operation, is_add) else {
                let line = history.line(operation.invoked as usize);
                self.doubt.get_or_insert_with(|| format!("line {line} is no whole number"));
                continue;
            };
            match (is_add, event == operation.invoked) {
                (true, true) => {
                    self.adds += 1;
                    possible.add(amount);
                }
                (true, false) => certain.add(amount),
                (false, true) => {
                    begun.insert(place, certain);
                }
                (false, false) => {
                    let before = begun.remove(&place).unwrap_or_default();
                    self.reads += 1;
                    self.bounds.push(Bounds {
                        place,
                        read: amount,
                        lower: before.raised + possible.lowered,
                        upper: possible.raised + before.lowered,
                    });
                }
            }
        }
    }
}

/// What an operation added or read. A counter that is not there reads as zero.
fn amount(history: &History, operation: &Operation, is_add: bool) -> Option<i128> {
    match operation.value {
        ValueId::NIL if !is_add => Some(0),
        value => history.values().as_integer(value).map(i128::from),
    }
}

/// Events of the adds that may have taken effect and of the reads that succeeded, in order, each with its operation.
fn steps(object: &Object<'_>, add: Option<u8>) -> Vec<(u32, u32)> {
    let counts = |operation: &Operation| match operation.outcome {
        Outcome::Ok => true,
        Outcome::Fail => false,
        Outcome::Info | Outcome::Open => Some(operation.function) == add,
    };
    let mut steps = Vec::with_capacity(2 * object.len());
    for (place, operation) in object.iter().filter(|(_, operation)| counts(operation)) {
        steps.push((operation.invoked, place));
        if operation.completed != NEVER {
            steps.push((operation.completed, place));
        }
    }
    steps.sort_unstable();
    steps
}

fn outside(history: &History, object: &Object<'_>, bounds: &Bounds) -> Violation {
    let read = history.view(bounds.place as usize);
    let Bounds { read: value, lower, upper, .. } = bounds;
    let side = if value < lower { "less than was certainly" } else { "more than can have been" };
    let summary = format!(
        "{} read {value}, {side} added: possible was {}",
        who(read),
        interval(*lower, *upper)
    );
    let adds = adds_before(history, object, read);
    let (certain, open): (Vec<View<'_>>, Vec<_>) = adds.iter().partition(|add| {
        add.outcome() == Outcome::Ok && add.completed().is_some_and(|end| end < read.invoked())
    });
    let steps = vec![
        format!("{} read {value}, {}.", who(read), when(read)),
        format!("Before it began, {} got ok.", counted(certain.len(), "add")),
        match open.len() {
            0 => "No other had begun before it ended.".into(),
            more => format!("Before it ended, {more} more had begun and may have taken effect."),
        },
        format!("So every read of that time says {}.", interval(*lower, *upper)),
    ];
    let shown = if adds.len() <= ADDS_TOLD_MAX { adds } else { open_or_last(certain, open) };
    violation(read, &summary, steps, shown)
}

/// Where there are too many adds: those that may count, or the last that certainly do.
fn open_or_last<'a>(certain: Vec<View<'a>>, mut open: Vec<View<'a>>) -> Vec<View<'a>> {
    open.truncate(ADDS_TOLD_MAX);
    let room = ADDS_TOLD_MAX - open.len();
    open.extend(certain.iter().rev().take(room));
    open
}

fn adds_before<'a>(history: &'a History, object: &Object<'_>, read: View<'_>) -> Vec<View<'a>> {
    let end = read.completed().unwrap_or(usize::MAX);
    let views = object.iter().map(|(place, _)| history.view(place as usize));
    views
        .take_while(|operation| operation.invoked() < end)
        .filter(|operation| operation.f() == "add" && operation.outcome() != Outcome::Fail)
        .collect()
}

/// `exactly 7`, `3 to 7`.
fn interval(lower: i128, upper: i128) -> String {
    if lower == upper { format!("exactly {lower}") } else { format!("{lower} to {upper}") }
}

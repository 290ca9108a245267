//! A counter that goes up in equal steps and is read.
//!
//! The count is what must have been added: it goes up when an add completes that was not counted yet, and when a read completes that returned more. What is
//! counted is the open add that completes first; of unknown outcome is the last choice. A read is right when the count passes its result while it is
//! open. The count is never higher than it must be, so a read that finds it too high is impossible.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rustc_hash::FxBuildHasher;

use super::culprit::{Culprit, told, view};
use crate::explain::{Argument, counted};
use crate::history::{History, NEVER, Operation, Outcome, ValueId};
use crate::linearizability::decision::Decision;
use crate::linearizability::objects::Object;
use crate::models::Model;

/// Judges a counter. Nothing if its steps differ.
pub(in crate::linearizability) fn counter(
    history: &History,
    object: &Object<'_>,
    with_order: bool,
) -> Option<Decision> {
    let (steps, nothing) = steps(history, object)?;
    Some(match Count::run(&steps) {
        Ok(order) => {
            // Whoever added zero can stand where it began, which is as good as anywhere.
            let mut order: Vec<_> = order.into_iter().chain(nothing).collect();
            order.sort_by_key(|(gap, _)| *gap);
            let order = order.into_iter().map(|(_, place)| place).collect();
            Decision::Valid { order: with_order.then_some(order) }
        }
        Err(wrong) => culprit(history, &steps, &wrong).convict(history, object, Model::Counter),
    })
}

/// An add of one unit, or a read.
#[derive(Clone, Copy, Debug)]
struct Step {
    place: u32,
    from: u32,
    by: u32,
    /// How many units were read; nothing for an add. What is not a multiple is [`NEVER_READ`].
    read: Option<i64>,
}

/// A count that is below all others.
const NEVER_READ: i64 = -1;

/// An operation and the gap in which it stands.
type Standing = (u32, u32);

/// All adds and reads in order of invocation, and those who added zero.
fn steps(history: &History, object: &Object<'_>) -> Option<(Vec<Step>, Vec<Standing>)> {
    let (add, read) = (history.function("add"), history.function("read"));
    let mut unit = None;
    let (mut steps, mut nothing) = (Vec::with_capacity(object.len()), Vec::new());
    for (place, operation) in object.iter() {
        let Operation { invoked, completed, outcome, value, .. } = *operation;
        let is_read = Some(operation.function) == read;
        if !is_read && Some(operation.function) != add {
            return None;
        }
        if outcome == Outcome::Fail || (is_read && outcome != Outcome::Ok) {
            continue;
        }
        let number = if is_read && value == ValueId::NIL {
            0
        } else {
            history.values().as_integer(value)?
        };
        if !is_read && number == 0 {
            nothing.extend((completed != NEVER).then_some((invoked, place)));
            continue;
        }
        if !is_read && (number < 0 || *unit.get_or_insert(number) != number) {
            return None;
        }
        steps.push(Step { place, from: invoked, by: completed, read: is_read.then_some(number) });
    }
    let unit = unit.unwrap_or(1);
    for step in &mut steps {
        step.read = step.read.map(|read| if read % unit == 0 { read / unit } else { NEVER_READ });
    }
    Some((steps, nothing))
}

/// A read that is impossible.
struct Wrong {
    /// It, by number.
    at: usize,
    /// Whether the count was higher; otherwise it cannot have become so high.
    is_passed: bool,
    /// The reads that made the count go up before, by number, in order of completion.
    forced_by: Vec<usize>,
}

#[derive(Default)]
struct Count {
    count: i64,
    done: Vec<bool>,
    open: BinaryHeap<Reverse<(u32, u32)>>,
    /// Open reads by what they returned.
    waiting: HashMap<i64, Vec<u32>, FxBuildHasher>,
    forced_by: Vec<usize>,
    order: Vec<Standing>,
}

impl Count {
    /// Where each operation stands that takes effect, in order.
    fn run(steps: &[Step]) -> Result<Vec<Standing>, Wrong> {
        let begins = steps.iter().enumerate().map(|(number, step)| (step.from, number));
        let ends = steps.iter().enumerate().map(|(number, step)| (step.by, number));
        let mut events: Vec<_> = begins.chain(ends.filter(|(by, _)| *by != NEVER)).collect();
        events.sort_unstable();
        let mut count = Self { done: vec![false; steps.len()], ..Self::default() };
        for (event, number) in events {
            if event == steps[number].from {
                count.begin(steps, number);
            } else if !count.done[number] {
                count.finish(steps, number)?;
            }
        }
        Ok(count.order)
    }

    fn begin(&mut self, steps: &[Step], number: usize) {
        let step = &steps[number];
        match step.read {
            None => self.open.push(Reverse((step.by, number as u32))),
            Some(read) if read == self.count => self.stand(steps, number, step.from),
            Some(read) => self.waiting.entry(read).or_default().push(number as u32),
        }
    }

    fn finish(&mut self, steps: &[Step], number: usize) -> Result<(), Wrong> {
        let gap = steps[number].by - 1;
        let Some(read) = steps[number].read else {
            self.up(steps, gap); // It is itself the open add that completes first.
            return Ok(());
        };
        let is_passed = read < self.count;
        let before = self.count;
        while self.count < read && self.up(steps, gap) {}
        if self.done[number] {
            if self.count > before {
                self.forced_by.push(number);
            }
            return Ok(());
        }
        Err(Wrong { at: number, is_passed, forced_by: std::mem::take(&mut self.forced_by) })
    }

    /// Counts one more; not if there is nothing to count.
    fn up(&mut self, steps: &[Step], gap: u32) -> bool {
        let Some(Reverse((_, add))) = self.open.pop() else {
            return false;
        };
        self.count += 1;
        self.stand(steps, add as usize, gap);
        for read in self.waiting.remove(&self.count).unwrap_or_default() {
            if !self.done[read as usize] {
                self.stand(steps, read as usize, gap);
            }
        }
        true
    }

    fn stand(&mut self, steps: &[Step], number: usize, gap: u32) {
        self.done[number] = true;
        self.order.push((gap, steps[number].place));
    }
}

/// What is wrong, with the operations that show it whatever the other adds did.
fn culprit(history: &History, steps: &[Step], wrong: &Wrong) -> Culprit {
    let read = steps[wrong.at];
    let adds = || steps.iter().filter(|step| step.read.is_none());
    let begun: Vec<_> = adds().filter(|step| step.from < read.by).collect();
    let over: Vec<_> = adds().filter(|step| step.by < read.from).collect();
    let unit = begun.first().and_then(|add| view(history, add.place).value().as_i64()).unwrap_or(1);
    let unit = i128::from(unit);
    let (least, most) = (unit * over.len() as i128, unit * begun.len() as i128);
    let mut lines = vec![format!("{}.", told(history, read.place))];
    lines.push(format!(
        "{} of {unit} {} over before it began, {} had begun before it was over: it must be {}.",
        match over.len() {
            0 => "No add".into(),
            count => counted(count, "add"),
        },
        if over.len() > 1 { "were" } else { "was" },
        counted(begun.len(), "add"),
        if least == most { least.to_string() } else { format!("from {least} to {most}") },
    ));
    let (kind, mut core, shown) = match read.read {
        Some(count) if count >= 0 && wrong.is_passed => {
            let mut forced = wrong.forced_by.iter().rev().map(|number| steps[*number]);
            let earlier = forced.find(|earlier| earlier.by < read.from);
            let (core, earlier) = passed(count, &over, earlier);
            lines.extend(earlier.map(|earlier| {
                format!("More had been counted already: {}.", told(history, earlier))
            }));
            ("stale read", core, Vec::from_iter(earlier))
        }
        _ => {
            if wrong.is_passed {
                lines.push(format!("Every add is of {unit}, so it can never be what was read."));
            }
            ("value out of thin air", begun.iter().map(|step| step.place).collect(), vec![])
        }
    };
    core.push(read.place);
    let argument = Argument { kind, culprit: read.place, steps: lines, shown };
    Culprit { core, argument }
}

/// Why a count had been passed before a read of it began: one add more was over, or there was an earlier read of more, which is the second part of the answer,
/// or of so much that together with the adds that lie between both it was more.
fn passed(count: i64, over: &[&Step], earlier: Option<Step>) -> (Vec<u32>, Option<u32>) {
    let enough = count as usize + 1;
    if over.len() >= enough {
        return (over[..enough].iter().map(|step| step.place).collect(), None);
    }
    let earlier = earlier.expect("only adds and reads that are over make the count go up");
    let missing = enough.saturating_sub(earlier.read.unwrap_or(0) as usize);
    let between = over.iter().filter(|step| step.from > earlier.by).take(missing);
    let core = between.map(|step| step.place).chain([earlier.place]).collect();
    (core, Some(earlier.place))
}

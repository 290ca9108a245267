//! A counter that goes up in equal steps and is read.
//!
//! The count is what must have been added: it goes up when an add completes that was not counted yet, and when a read completes that returned more. What is
//! counted is the open add that completes first; of unknown outcome is the last choice. A read is right when the count passes its result while it is
//! open. The count is never higher than it must be, so a read that finds it too high is impossible.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rustc_hash::FxBuildHasher;

use super::culprit::{Culprit, told};
use crate::explain::Argument;
use crate::history::{History, NEVER, Operation, Outcome, ValueId};
use crate::linearizability::decision::Decision;
use crate::linearizability::objects::Object;

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
        Err(wrong) => culprit(history, &steps, &wrong).convict(history, "counter"),
    })
}

/// An add of one unit, or a read.
#[derive(Clone, Copy, Debug)]
struct Step {
    place: u32,
    from: u32,
    by: u32,
    /// How many units were read; nothing for an add.
    read: Option<i64>,
}

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
        // What is not a multiple can never be read.
        step.read = step.read.map(|read| if read % unit == 0 { read / unit } else { -1 });
    }
    Some((steps, nothing))
}

/// A read that is impossible.
struct Wrong {
    /// It, by number.
    at: usize,
    /// Whether the count was higher; otherwise it cannot have become so high.
    is_passed: bool,
    /// The reads that made the count go up, by number.
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
        if !is_passed {
            self.forced_by.push(number);
        }
        while self.count < read && self.up(steps, gap) {}
        if self.done[number] {
            return Ok(());
        }
        self.forced_by.pop_if(|last| *last == number);
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

/// All adds that had begun, the read, and those before that made the count go up, as far as they are needed. Adds cannot be left out: any of them may have been
/// counted.
fn culprit(history: &History, steps: &[Step], wrong: &Wrong) -> Culprit {
    let read = steps[wrong.at];
    let core_with = |reads: usize| -> Vec<Step> {
        let reads = &wrong.forced_by[wrong.forced_by.len() - reads..];
        let keeps = |(number, step): &(usize, &Step)| {
            step.from < read.by
                && (step.read.is_none() || *number == wrong.at || reads.contains(number))
        };
        steps.iter().enumerate().filter(keeps).map(|(_, step)| *step).collect()
    };
    let mut reads = 0;
    while reads < wrong.forced_by.len() && Count::run(&core_with(reads)).is_ok() {
        reads = (2 * reads + 1).min(wrong.forced_by.len());
    }
    let core = core_with(reads).iter().map(|step| step.place).collect();
    let begun = steps.iter().filter(|step| step.read.is_none() && step.from < read.by).count();
    let completed = steps.iter().filter(|step| step.read.is_none() && step.by < read.from).count();
    let mut lines = vec![format!("{}.", told(history, read.place))];
    lines.push(format!(
        "{completed} adds were over before it began, {begun} had begun before it was over."
    ));
    let shown: Vec<_> =
        wrong.forced_by.iter().rev().take(reads.min(1)).map(|n| steps[*n].place).collect();
    lines.extend(
        shown
            .iter()
            .map(|place| format!("More had been counted already: {}.", told(history, *place))),
    );
    let kind = if wrong.is_passed { "stale read" } else { "value out of thin air" };
    let argument = Argument { kind, culprit: read.place, steps: lines, shown };
    Culprit { core, argument }
}

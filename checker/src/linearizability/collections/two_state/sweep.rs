//! Changes that are known to be changes, as often as they like.
//!
//! Nothing happens before it must: when an operation completes that has not taken effect yet. An observer of the other state needs one change, a change
//! that leads to the present state needs the state to be left first. Each change is the open one that completes first; of unknown outcome is the last
//! choice. Every operation that waits for a state is served when it comes. All choices are forced or can be exchanged, so this is exact.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Action, Standing, Step, Wrong};
use crate::history::{History, NEVER};
use crate::linearizability::collections::culprit::told;

/// Whether one observer less may be tried for the core.
const CORE_PROBES_MAX: usize = 2_000_000;

/// Judges actions in order of invocation; tells where each that takes effect stands.
pub(super) fn sweep(history: &History, actions: &[Action]) -> Result<Vec<Standing>, Wrong> {
    Sweep::run(actions).map_err(|stuck| wrong(history, actions, stuck))
}

/// An action that cannot take effect before it completes.
#[derive(Clone, Copy)]
struct Stuck {
    /// The action, and the last change before, by number.
    at: usize,
    last: Option<usize>,
}

#[derive(Default)]
struct Sweep {
    is_in: bool,
    done: Vec<bool>,
    /// Open changes to out and to in, by completion.
    changes: [BinaryHeap<Reverse<(u32, u32)>>; 2],
    /// Open observers of out and of in.
    observers: [Vec<usize>; 2],
    last: Option<usize>,
    standings: Vec<Standing>,
}

impl Sweep {
    fn run(actions: &[Action]) -> Result<Vec<Standing>, Stuck> {
        let begins = actions.iter().enumerate().map(|(number, action)| (action.from, number));
        let ends = actions.iter().enumerate().map(|(number, action)| (action.by, number));
        let mut events: Vec<_> = begins.chain(ends.filter(|(by, _)| *by != NEVER)).collect();
        events.sort_unstable();
        let mut sweep = Self { done: vec![false; actions.len()], ..Self::default() };
        for (event, number) in events {
            if event == actions[number].from {
                sweep.begin(actions, number);
            } else if !sweep.done[number] {
                sweep.finish(actions, number, event)?;
            }
        }
        Ok(sweep.standings)
    }

    fn begin(&mut self, actions: &[Action], number: usize) {
        let action = &actions[number];
        match action.step {
            Step::Is(state) if state == self.is_in => self.stand(actions, number, action.from),
            Step::Is(state) => self.observers[usize::from(state)].push(number),
            step => {
                let changes = &mut self.changes[usize::from(step == Step::Add)];
                changes.push(Reverse((action.by, number as u32)));
            }
        }
    }

    /// Lets an action take effect before it completes.
    fn finish(&mut self, actions: &[Action], number: usize, event: u32) -> Result<(), Stuck> {
        let (target, is_change) = match actions[number].step {
            Step::Is(state) => (state, false),
            step => (step == Step::Add, true),
        };
        if is_change && self.is_in == target {
            self.change(actions, number, event)?;
        }
        if self.is_in != target {
            self.change(actions, number, event)?;
        }
        assert!(self.done[number], "of all open changes the one that completes now is the first");
        Ok(())
    }

    fn change(&mut self, actions: &[Action], number: usize, event: u32) -> Result<(), Stuck> {
        let state = !self.is_in;
        let Some(Reverse((_, change))) = self.changes[usize::from(state)].pop() else {
            return Err(Stuck { at: number, last: self.last });
        };
        self.is_in = state;
        self.last = Some(change as usize);
        self.stand(actions, change as usize, event - 1);
        for observer in std::mem::take(&mut self.observers[usize::from(state)]) {
            if !self.done[observer] {
                self.stand(actions, observer, event - 1);
            }
        }
        Ok(())
    }

    fn stand(&mut self, actions: &[Action], number: usize, gap: u32) {
        self.done[number] = true;
        self.standings.push((gap, self.standings.len() as u32, actions[number].place));
    }
}

fn wrong(history: &History, actions: &[Action], stuck: Stuck) -> Wrong {
    let culprit = &actions[stuck.at];
    let begun = actions.partition_point(|action| action.from < culprit.by);
    let core = smallest(&actions[quiet(&actions[..begun])..begun], culprit.place);
    let claim = told(history, culprit.place);
    let mut steps = vec![match stuck.last {
        Some(last) => format!("The last change was {}.", told(history, actions[last].place)),
        None => "Nothing had changed since the beginning.".into(),
    }];
    steps.push(format!(
        "No operation that could have changed it again was open before the end of {claim}."
    ));
    let last = stuck.last.map(|last| actions[last].place);
    let core_places: Vec<_> = core.iter().map(|action| action.place).collect();
    let shown: Vec<_> = last.into_iter().chain(core_places.iter().rev().copied()).collect();
    Wrong { kind: "impossible change", culprit: culprit.place, steps, shown, core: core_places }
}

/// Where the last part begins before which nothing was open and everything as at the beginning.
fn quiet(actions: &[Action]) -> usize {
    let (mut last_end, mut inside, mut start) = (0, 0_i64, 0);
    for (number, action) in actions.iter().enumerate() {
        if last_end < action.from && inside == 0 {
            start = number;
        }
        last_end = last_end.max(action.by);
        inside += match action.step {
            Step::Add => 1,
            Step::Remove => -1,
            Step::Is(_) => 0,
        };
    }
    start
}

/// Without the observers that it does not take.
fn smallest(actions: &[Action], culprit: u32) -> Vec<Action> {
    let changes = |action: &&Action| !matches!(action.step, Step::Is(_)) || action.place == culprit;
    let without: Vec<_> = actions.iter().filter(changes).copied().collect();
    if Sweep::run(&without).is_err() {
        return without;
    }
    let mut kept = actions.to_vec();
    let mut number = 0;
    let mut probes = 0;
    while number < kept.len() && probes < CORE_PROBES_MAX {
        probes += kept.len();
        let action = kept[number];
        if matches!(action.step, Step::Is(_)) {
            kept.remove(number);
            if Sweep::run(&kept).is_err() {
                continue;
            }
            kept.insert(number, action);
        }
        number += 1;
    }
    kept
}

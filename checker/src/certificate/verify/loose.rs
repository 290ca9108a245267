//! What is left out of the core of a counter or a lock is not forgotten: something takes its place that allows at least as much. If nothing is right even so, the
//! whole cannot be right either.
//!
//! - **Counters.** Adds that are left out can only make the sum larger, if none of them is negative. So in an order `L` of the whole, at any moment what they add up
//!   to is at least what it was before: a read is right if that can be the difference between its result and the sum of the core. The state is the
//!   least that the sum may be, and a read makes it what it says. (If none of them is positive, everything is turned around; if there are both,
//!   a read says nothing.)
//! - **Locks.** Whoever is left out took the lock, or gave it back, at some moment of its interval. In its place the lock may be taken, or given back, at any moment of such an
//!   interval, as often as anybody likes, by somebody whose token is as small as need be (without tokens a lock allows only more). Whoever was over before
//!   the core began left the lock held or free; if they took it as often as they gave it back, as it was in the beginning.

use super::core::LeftOut;
use super::search::{Item, Window};
use super::specification::{Act, State};
use crate::history::NEVER;
use crate::models::Model;

/// A core, and what stands for those left out of it.
pub(super) struct Loose {
    /// The states that the object may be in before the core.
    pub(super) initial: Vec<State>,
    /// The core.
    pub(super) items: Vec<Item>,
    /// What others may do.
    pub(super) windows: Vec<Window>,
}

impl Loose {
    /// Nothing if nothing is known to take the place of what is left out.
    pub(super) fn of(model: Model, core: &[Item], left_out: &[LeftOut]) -> Option<Self> {
        let left_out: Vec<_> = left_out.iter().map(|left| &left.item).collect();
        match model {
            Model::Counter => counter(core, &left_out),
            Model::Lock | Model::Mutex => Some(lock(core, &left_out)),
            _ => None,
        }
    }
}

fn counter(core: &[Item], left_out: &[&Item]) -> Option<Loose> {
    let is_negative = |item: &&Item| matches!(item.act, Act::Count(more) if more < 0);
    let negative = left_out.iter().copied().filter(is_negative).count();
    let sign = match negative {
        0 => 1,
        all if all == left_out.len() => -1,
        _ => return None,
    };
    let act = |act: &Act| match *act {
        Act::Count(more) => Act::Count(sign * more),
        Act::Sum(seen) => Act::Reach(sign * seen),
        ref other => other.clone(),
    };
    let items = core.iter().map(|item| Item { act: act(&item.act), ..*item }).collect();
    Some(Loose { initial: vec![State::Sum(0)], items, windows: Vec::new() })
}

fn lock(core: &[Item], left_out: &[&Item]) -> Loose {
    let begins = core.iter().map(|item| item.invoked).min().unwrap_or(NEVER);
    let (before, during): (Vec<&Item>, Vec<&Item>) =
        left_out.iter().partition(|item| item.completed < begins);
    let taken = before.iter().filter(|item| item.act != Act::Release).count();
    let mut initial = vec![State::Lock(false, None)];
    if 2 * taken != before.len() {
        initial.push(State::Lock(true, None));
    }
    let mut windows = Vec::new();
    for act in [Act::Acquire(None), Act::Release] {
        let same = |item: &&&Item| (item.act == Act::Release) == (act == Act::Release);
        let intervals = during.iter().filter(same).map(|item| (item.invoked, item.completed));
        let merged = merged(intervals.collect());
        windows.extend(merged.into_iter().map(|(from, until)| Window {
            act: act.clone(),
            from,
            until,
        }));
    }
    Loose { initial, items: core.to_vec(), windows }
}

/// Intervals as few that do not meet.
fn merged(mut intervals: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    intervals.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (from, until) in intervals {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => merged.push((from, until)),
        }
    }
    merged
}

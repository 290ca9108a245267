//! Sets of configurations: each once, and none that another makes superfluous.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxBuildHasher;

use super::super::configuration::{Configuration, Reached, undominated};
use super::super::counts::Counts;
use super::super::slots::Slots;
use super::states::StateId;
use super::window::Window;
use crate::models::specification::Specification;

/// Below this a list is searched faster than a table.
const LIST_MAX: usize = 24;

/// All of a configuration but what it has spent.
type Key<const W: usize> = (StateId, Slots<W>, Slots<W>);

fn key<const W: usize>(at: &Configuration<W>) -> Key<W> {
    (at.state, at.used, at.free)
}

/// No place.
const NONE: u32 = u32::MAX;

/// Configurations, none of which differs from another only in that it has spent more.
pub(super) struct Frontier<const W: usize> {
    kept: Vec<Reached<W>>,
    /// The last of each key, and for each the one before it with the same.
    known: HashMap<Key<W>, u32, FxBuildHasher>,
    before: Vec<u32>,
    /// Whether of those that differ only in what they have spent just one is kept that has spent the least in all.
    only_cheapest: bool,
    /// Whether one was left out that might have been able to do more than those that are kept.
    has_dropped: bool,
    /// What is one open step from another.
    later: HashSet<Configuration<W>, FxBuildHasher>,
}

impl<const W: usize> Frontier<W> {
    pub(super) fn new(only_cheapest: bool) -> Self {
        Self {
            kept: Vec::new(),
            known: HashMap::default(),
            before: Vec::new(),
            only_cheapest,
            has_dropped: false,
            later: HashSet::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// All of them, in the order in which they came.
    pub(super) fn all(&self) -> &[Reached<W>] {
        &self.kept
    }

    /// Whether one was ever left out that might have been able to do more than those that were kept.
    pub(super) fn has_dropped(&self) -> bool {
        self.has_dropped
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.known.clear();
        self.before.clear();
    }

    /// Takes one, unless there is one as good. Says whether it did.
    pub(super) fn insert(&mut self, reached: &Reached<W>, counts: &Counts) -> bool {
        let key = key(&reached.at);
        if self.kept.len() < LIST_MAX {
            for place in 0..self.kept.len() {
                if self::key(&self.kept[place].at) == key && self.is_as_good(place, reached, counts)
                {
                    return false;
                }
            }
        } else {
            for place in self.before.len()..self.kept.len() {
                self.index(place);
            }
            let mut place = self.known.get(&key).copied().unwrap_or(NONE);
            while place != NONE {
                if self.is_as_good(place as usize, reached, counts) {
                    return false;
                }
                place = self.before[place as usize];
            }
        }
        self.kept.push(*reached);
        true
    }

    fn index(&mut self, place: usize) {
        let last = self.known.insert(key(&self.kept[place].at), place as u32);
        self.before.push(last.unwrap_or(NONE));
    }

    /// Whether one that is kept is as good as another that differs from it at most in what it has spent.
    fn is_as_good(&mut self, place: usize, other: &Reached<W>, counts: &Counts) -> bool {
        let (spent, others) = (self.kept[place].at.spent, other.at.spent);
        let is_less = counts.at_most(spent, others);
        let is_cheaper = self.only_cheapest && counts.total(spent) <= counts.total(others);
        self.has_dropped |= is_cheaper && !is_less;
        is_less || is_cheaper
    }

    /// Moves out all but what another makes superfluous.
    pub(super) fn prune_into<S: Specification>(
        &mut self,
        window: &mut Window<'_, S, W>,
        kept: &mut Vec<Reached<W>>,
    ) {
        kept.clear();
        if self.kept.len() > 1 {
            self.drop_later(window);
            let window = &*window;
            undominated(&mut self.kept, |at| at.state, |a, b| window.dominates(a, b), kept);
        } else {
            kept.append(&mut self.kept);
        }
    }

    /// Leaves out what is one open step from another: that other can still take it.
    fn drop_later<S: Specification>(&mut self, window: &mut Window<'_, S, W>) {
        let Self { kept, later, .. } = self;
        later.clear();
        let steps = window.trail.len();
        for reached in &*kept {
            window.successors(reached, |to| {
                later.insert(to.at);
            });
        }
        window.trail.truncate(steps); // Nobody takes the steps that were only looked at.
        kept.retain(|reached| !later.contains(&reached.at));
    }
}

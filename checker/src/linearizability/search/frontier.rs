//! Sets of configurations: each once, and none that another makes superfluous.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxBuildHasher;

use super::super::configuration::{Configuration, Reached, undominated};
use super::super::counts::{Counts, Spent};
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

/// Configurations, none of which differs from another only in that it has spent more.
pub(super) struct Frontier<const W: usize> {
    kept: Vec<Reached<W>>,
    known: HashMap<Key<W>, Vec<Spent>, FxBuildHasher>,
}

impl<const W: usize> Frontier<W> {
    pub(super) fn new() -> Self {
        Self { kept: Vec::new(), known: HashMap::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// All of them, in the order in which they came.
    pub(super) fn all(&self) -> &[Reached<W>] {
        &self.kept
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.known.clear();
    }

    /// Takes one, unless there is one as good. Says whether it did.
    pub(super) fn insert(&mut self, reached: &Reached<W>, counts: &Counts) -> bool {
        let (key, spent) = (key(&reached.at), reached.at.spent);
        if self.kept.len() < LIST_MAX {
            let is_as_good = |known: &Reached<W>| {
                self::key(&known.at) == key && counts.at_most(known.at.spent, spent)
            };
            if self.kept.iter().any(is_as_good) {
                return false;
            }
        } else {
            if self.known.is_empty() {
                for known in &self.kept {
                    self.known.entry(self::key(&known.at)).or_default().push(known.at.spent);
                }
            }
            let known = self.known.entry(key).or_default();
            if known.iter().any(|known| counts.at_most(*known, spent)) {
                return false;
            }
            known.push(spent);
        }
        self.kept.push(*reached);
        true
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
        let mut later: HashSet<Configuration<W>, FxBuildHasher> = HashSet::default();
        let steps = window.trail.len();
        for reached in &self.kept {
            window.successors(reached, |to| {
                later.insert(to.at);
            });
        }
        window.trail.truncate(steps); // Nobody takes the steps that were only looked at.
        self.kept.retain(|reached| !later.contains(&reached.at));
    }
}

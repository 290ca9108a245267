//! Sets of configurations: each once, and none that another makes superfluous.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxBuildHasher;

use super::super::counts::{Counts, Spent};
use super::super::slots::Slots;
use super::states::StateId;
use super::window::{Configuration, Reached, Window};
use crate::models::specification::Specification;

/// Groups of more configurations are not compared pair by pair.
const COMPARED_MAX: usize = 2_000;
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
            undominated(&mut self.kept, window, kept);
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

fn undominated<S: Specification, const W: usize>(
    all: &mut [Reached<W>],
    window: &Window<'_, S, W>,
    kept: &mut Vec<Reached<W>>,
) {
    // What has satisfied more observers and has fewer obligations comes first, so that few are ever replaced.
    all.sort_unstable_by_key(|reached| {
        (reached.at.state, std::cmp::Reverse((reached.at.used | reached.at.free).count()))
    });
    for chunk in all.chunk_by(|a, b| a.at.state == b.at.state) {
        let first = kept.len();
        if chunk.len() > COMPARED_MAX {
            kept.extend_from_slice(chunk);
            continue;
        }
        for candidate in chunk {
            if kept[first..].iter().any(|other| window.dominates(&other.at, &candidate.at)) {
                continue;
            }
            let mut place = first;
            while place < kept.len() {
                match window.dominates(&candidate.at, &kept[place].at) {
                    true => drop(kept.swap_remove(place)),
                    false => place += 1,
                }
            }
            kept.push(*candidate);
        }
    }
}

//! The configurations after an event: each once, and none that another makes superfluous.

use std::collections::HashSet;

use rustc_hash::FxBuildHasher;

use super::super::super::configuration::{Configuration, Reached, undominated};
use super::super::super::counts::Counts;
use super::moves::Window;

/// Below this a list is searched faster than a table.
const LIST_MAX: usize = 24;

/// Configurations, each once.
pub(super) struct Frontier<const W: usize> {
    kept: Vec<Reached<W>>,
    known: HashSet<Configuration<W>, FxBuildHasher>,
}

impl<const W: usize> Frontier<W> {
    pub(super) fn new() -> Self {
        Self { kept: Vec::new(), known: HashSet::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn add(&mut self, reached: Reached<W>) {
        self.insert(&reached);
    }

    /// All of them, in the order in which they came.
    pub(super) fn all(&self) -> &[Reached<W>] {
        &self.kept
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.known.clear();
    }

    /// Whether it was not there yet.
    pub(super) fn insert(&mut self, reached: &Reached<W>) -> bool {
        if self.kept.len() < LIST_MAX {
            if self.kept.iter().any(|known| known.at == reached.at) {
                return false;
            }
        } else {
            if self.known.is_empty() {
                self.known.extend(self.kept.iter().map(|known| known.at));
            }
            if !self.known.insert(reached.at) {
                return false;
            }
        }
        self.kept.push(*reached);
        true
    }

    /// Leaves out every configuration that another makes superfluous; then all but the `width` most promising, and of those that differ only
    /// in what they have spent all but the cheapest if only the cheapest are wanted. Also whether anything was left out that was not superfluous.
    pub(super) fn prune(
        &mut self,
        window: &Window<'_, W>,
        counts: &Counts,
        width: usize,
        only_cheapest: bool,
        kept: &mut Vec<Reached<W>>,
    ) -> bool {
        kept.clear();
        let all = &mut self.kept;
        if all.len() <= 1 {
            kept.append(all);
            return false;
        }
        let mut dropped = false;
        if only_cheapest && window.has_info() {
            dropped = cheapest(all, counts);
        }
        let dominates = |a: &Configuration<W>, b: &Configuration<W>| window.dominates(a, b, counts);
        undominated(all, |at| window.group(at), dominates, kept);
        if kept.len() > width {
            dropped = true;
            let discharged = |reached: &Reached<W>| (reached.at.used | reached.at.free).count();
            kept.select_nth_unstable_by_key(width, |reached| {
                (std::cmp::Reverse(discharged(reached)), counts.total(reached.at.spent))
            });
            kept.truncate(width);
        }
        dropped
    }
}

/// Keeps the cheapest of those that differ only in what they have spent. Says whether that left any out.
fn cheapest<const W: usize>(all: &mut Vec<Reached<W>>, counts: &Counts) -> bool {
    let before = all.len();
    let key = |reached: &Reached<W>| (reached.at.state, reached.at.used, reached.at.free);
    all.sort_unstable_by_key(|reached| (key(reached), counts.total(reached.at.spent)));
    all.dedup_by_key(|reached| key(reached));
    all.len() < before
}

//! What both searches keep: situations that explain everything so far.

use super::counts::Spent;
use super::slots::Slots;
use super::trail::TrailId;

/// One situation that explains everything so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Configuration<const W: usize> {
    /// The state of the object, by number; of a register its value.
    pub(super) state: u32,
    /// How many of each class of info operations have taken effect.
    pub(super) spent: Spent,
    /// Open operations that have taken effect.
    pub(super) used: Slots<W>,
    /// Open changes that may have taken effect, hidden by another.
    pub(super) free: Slots<W>,
}

/// A situation and how it came about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached<const W: usize> {
    pub(super) at: Configuration<W>,
    pub(super) trail: TrailId,
}

impl<const W: usize> Reached<W> {
    /// The same after an open operation is gone.
    pub(super) fn without(mut self, slot: Slots<W>) -> Self {
        self.at.used &= !slot;
        self.at.free &= !slot;
        self
    }
}

/// Groups of more configurations are not compared pair by pair.
const COMPARED_MAX: usize = 2_000;

/// Keeps those that no other of their group makes superfluous.
pub(super) fn undominated<G: Ord, const W: usize>(
    all: &mut [Reached<W>],
    group: impl Fn(&Configuration<W>) -> G,
    dominates: impl Fn(&Configuration<W>, &Configuration<W>) -> bool,
    kept: &mut Vec<Reached<W>>,
) {
    // What has satisfied more observers and has fewer obligations comes first, so that few are ever replaced.
    all.sort_unstable_by_key(|reached| {
        let done = (reached.at.used | reached.at.free).count();
        (group(&reached.at), std::cmp::Reverse(done))
    });
    for chunk in all.chunk_by(|a, b| group(&a.at) == group(&b.at)) {
        let first = kept.len();
        if chunk.len() > COMPARED_MAX {
            kept.extend_from_slice(chunk);
            continue;
        }
        for candidate in chunk {
            if kept[first..].iter().any(|other| dominates(&other.at, &candidate.at)) {
                continue;
            }
            let mut place = first;
            while place < kept.len() {
                match dominates(&candidate.at, &kept[place].at) {
                    true => drop(kept.swap_remove(place)),
                    false => place += 1,
                }
            }
            kept.push(*candidate);
        }
    }
}

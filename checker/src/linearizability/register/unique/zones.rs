//! Clusters of plain reads and writes straight from the operations: a few passes, a table indexed by value, and little memory.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::super::super::objects::Object;
use super::super::demands::Function;
use crate::history::{NEVER, Operation, Outcome, ValueId};

/// A cluster. Positions are one more than those of events, so that the initial value is before everything.
#[derive(Clone, Copy)]
struct Cluster {
    /// First completion. [`NEVER`]: nobody certainly wrote or saw the value, so it may be left out.
    first: u32,
    /// Last invocation.
    last: u32,
    /// Invocation of the write.
    written: u32,
}

impl Cluster {
    const NONE: Self = Self { first: NEVER, last: 0, written: NEVER };
    const INITIAL: Self = Self { first: 0, last: 0, written: 0 };

    fn left_end(&self) -> u32 {
        self.first.min(self.last)
    }
}

/// Values may be spread over so many numbers for each operation, or they are looked up by hash.
const SPREAD: usize = 4;
/// Clusters are put into order by tables of so many events at a time, which stay in the cache, ...
const WINDOW: usize = 1 << 18;
/// ... unless they are so few in a window that sorting them is quicker.
const FEW_PER_WINDOW: usize = 1 << 14;

/// Whether a register is linearizable; nothing if it may not be, or has values or operations that are not for this algorithm. The ways
/// that take longer then find out which.
pub(in super::super) fn zones(
    functions: &[Function],
    object: &Object<'_>,
    events: usize,
) -> Option<()> {
    let bound = SPREAD * object.len() + 64;
    let numbers = object.iter().map(|(_, operation)| operation.value.number() as usize);
    let values = numbers.max()? + 1;
    let clusters = if values <= bound {
        let mut clusters = vec![Cluster::NONE; values];
        clusters[ValueId::NIL.number() as usize] = Cluster::INITIAL;
        gather(functions, object, |value| value as usize, &mut clusters)?;
        clusters
    } else {
        let mut ranks: HashMap<u32, usize, FxBuildHasher> = HashMap::default();
        ranks.reserve(object.len());
        ranks.insert(ValueId::NIL.number(), 0);
        let mut clusters = vec![Cluster::NONE; object.len() + 1];
        clusters[0] = Cluster::INITIAL;
        let rank = |value| {
            let next = ranks.len();
            *ranks.entry(value).or_insert(next)
        };
        gather(functions, object, rank, &mut clusters)?;
        clusters
    };
    let mut order = Order { first: 0, last: 0 };
    if clusters.len() / (1 + events / WINDOW) < FEW_PER_WINDOW {
        order.take_sorted(&clusters)
    } else {
        order.take_by_window(&clusters, events)
    }
}

/// Fills the clusters in.
fn gather(
    functions: &[Function],
    object: &Object<'_>,
    mut rank: impl FnMut(u32) -> usize,
    clusters: &mut [Cluster],
) -> Option<()> {
    for (_, operation) in object.iter() {
        let Operation { invoked, completed, value, .. } = *operation;
        let function = functions[operation.function as usize];
        match (function, operation.outcome) {
            (Function::Cas | Function::Unknown, _) => return None,
            (Function::Write, Outcome::Fail) => continue,
            (Function::Read, Outcome::Fail | Outcome::Info | Outcome::Open) => continue,
            (Function::Read | Function::Write, _) => {}
        }
        let cluster = &mut clusters[rank(value.number())];
        if function == Function::Write {
            if cluster.written != NEVER {
                return None; // Written twice.
            }
            cluster.written = invoked + 1;
        }
        cluster.first = cluster.first.min(completed.saturating_add(1));
        cluster.last = cluster.last.max(invoked + 1);
    }
    Some(())
}

/// Takes clusters by their left ends: no later one may have to be before an earlier one.
struct Order {
    /// The forward cluster that reaches furthest so far.
    first: u32,
    last: u32,
}

impl Order {
    fn take(&mut self, cluster: &Cluster) -> Option<()> {
        if cluster.written == NEVER || cluster.first < cluster.written {
            return None; // Read before it was written, or never written.
        }
        if self.first < cluster.last && cluster.first < self.last {
            return None;
        }
        if cluster.first < cluster.last && cluster.last > self.last {
            (self.first, self.last) = (cluster.first, cluster.last);
        }
        Some(())
    }

    fn take_sorted(&mut self, clusters: &[Cluster]) -> Option<()> {
        let taken = clusters.iter().filter(|cluster| cluster.first != NEVER);
        let mut sorted: Vec<_> = taken.copied().collect();
        sorted.sort_unstable_by_key(Cluster::left_end);
        sorted.iter().try_for_each(|cluster| self.take(cluster))
    }

    /// Sorts by window first, then within each window by position: every position is the left end of one cluster at most.
    fn take_by_window(&mut self, clusters: &[Cluster], events: usize) -> Option<()> {
        let window_of = |cluster: &Cluster| cluster.left_end() as usize / WINDOW;
        let taken = || clusters.iter().enumerate().filter(|(_, cluster)| cluster.first != NEVER);
        let mut ends = vec![0; events / WINDOW + 2];
        taken().for_each(|(_, cluster)| ends[window_of(cluster) + 1] += 1);
        for window in 1..ends.len() {
            ends[window] += ends[window - 1];
        }
        let mut by_window = vec![0_u32; ends[ends.len() - 1]];
        for (place, cluster) in taken() {
            let end = &mut ends[window_of(cluster)];
            by_window[*end] = place as u32;
            *end += 1;
        }
        let mut table = vec![NEVER; WINDOW];
        let mut start = 0;
        for end in ends {
            for place in by_window.get(start..end).unwrap_or_default() {
                table[clusters[*place as usize].left_end() as usize % WINDOW] = *place;
            }
            for place in table.iter_mut().filter(|place| **place != NEVER) {
                self.take(&clusters[*place as usize])?;
                *place = NEVER;
            }
            start = end;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One cluster after another, each written, seen and over before the next begins; `(at, to)` are moved.
    fn clusters(count: u32, moved: Option<(usize, u32)>) -> (Vec<Cluster>, usize) {
        let forward = |number: u32| Cluster {
            first: 4 * number + 2,
            last: 4 * number + 3,
            written: 4 * number + 1,
        };
        let mut clusters: Vec<_> = (0..count).rev().map(forward).collect();
        if let Some((at, to)) = moved {
            clusters[at].last = to;
        }
        (clusters, 4 * count as usize + 4)
    }

    fn check(clusters: &[Cluster], events: usize, expected: bool) {
        let order = || Order { first: 0, last: 0 };
        assert_eq!(order().take_sorted(clusters).is_some(), expected);
        assert_eq!(order().take_by_window(clusters, events).is_some(), expected);
    }

    #[test]
    fn windows_agree_with_sorting() {
        let count = WINDOW as u32;
        let (valid, events) = clusters(count, None);
        check(&valid, events, true);
        // The last one is seen again after everything, over the ends of several windows.
        let (stale, events) = clusters(count, Some((count as usize - 1, 4 * count)));
        check(&stale, events, false);
        // Within one window.
        let (stale, events) = clusters(count, Some((7, 4 * (count - 6) + 3)));
        check(&stale, events, false);
        let (mut unwritten, events) = clusters(count, None);
        unwritten[WINDOW / 2].written = NEVER;
        check(&unwritten, events, false);
        check(&[Cluster::INITIAL, Cluster::NONE], 4, true);
    }
}

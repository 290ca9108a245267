//! The operations that have not found a place yet, of which those within a stretch are asked for.

/// Operations in one leaf of the tree.
const LEAF: usize = 32;

/// A set of intervals of stretches from which intervals are taken: a tree of the latest ends, over intervals in the order of their beginnings.
pub(super) struct Open {
    /// The end of each interval; zero once it is taken.
    ends: Vec<u32>,
    /// How many begin before each stretch.
    begun: Vec<u32>,
    latest: Vec<u32>,
    leaves: usize,
}

impl Open {
    /// From the ends of intervals that are sorted by their beginnings; `begun` tells for each stretch, and the one after the last, how many begin before it.
    pub(super) fn new(ends: Vec<u32>, begun: Vec<u32>) -> Self {
        let leaves = (ends.len() / LEAF + 1).next_power_of_two();
        let mut open = Self { ends, begun, latest: vec![0; 2 * leaves], leaves };
        for leaf in 0..open.ends.len().div_ceil(LEAF) {
            open.latest[leaves + leaf] = open.latest_of(leaf);
        }
        for node in (1..leaves).rev() {
            open.latest[node] = open.latest[2 * node].max(open.latest[2 * node + 1]);
        }
        open
    }

    /// The end of an interval; zero once it is taken.
    pub(super) fn end(&self, interval: usize) -> u32 {
        self.ends[interval]
    }

    /// Whether an interval begins at or before a stretch.
    pub(super) fn has_begun(&self, interval: usize, stretch: usize) -> bool {
        interval < self.begun[stretch + 1] as usize
    }

    /// Takes an interval out.
    pub(super) fn take(&mut self, interval: usize) {
        let leaf = interval / LEAF;
        let before = std::mem::take(&mut self.ends[interval]);
        let mut node = self.leaves + leaf;
        if self.latest[node] != before {
            return;
        }
        self.latest[node] = self.latest_of(leaf);
        while node > 1 {
            node /= 2;
            let latest = self.latest[2 * node].max(self.latest[2 * node + 1]);
            if latest == std::mem::replace(&mut self.latest[node], latest) {
                return;
            }
        }
    }

    /// Some interval with this stretch in it.
    pub(super) fn at(&self, stretch: usize) -> Option<usize> {
        let (end, stretch) = (self.begun[stretch + 1] as usize, stretch as u32);
        let leaf = end / LEAF;
        let covers = |interval: &usize| self.ends[*interval] > stretch;
        if let Some(found) = (leaf * LEAF..end).rev().find(covers) {
            return Some(found);
        }
        let mut node = self.leaves + leaf;
        while node > 1 {
            if node & 1 == 1 && self.latest[node - 1] > stretch {
                return Some(self.below(node - 1, stretch));
            }
            node /= 2;
        }
        None
    }

    /// The last interval below a node that ends after a stretch.
    fn below(&self, mut node: usize, stretch: u32) -> usize {
        while node < self.leaves {
            node = 2 * node + usize::from(self.latest[2 * node + 1] > stretch);
        }
        let leaf = node - self.leaves;
        let end = self.ends.len().min((leaf + 1) * LEAF);
        let found = (leaf * LEAF..end).rev().find(|interval| self.ends[*interval] > stretch);
        found.expect("the latest end of a leaf is that of one of its intervals")
    }

    fn latest_of(&self, leaf: usize) -> u32 {
        let end = self.ends.len().min((leaf + 1) * LEAF);
        self.ends[leaf * LEAF..end].iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interval_is_found_where_it_is_and_only_there() {
        let intervals: Vec<(u32, u32)> =
            (0..200).map(|n| (n / 2, n / 2 + 1 + n * n % 37)).collect();
        let begun =
            (0..=100).map(|s| intervals.iter().filter(|i| i.0 < s).count() as u32).collect();
        let mut open = Open::new(intervals.iter().map(|interval| interval.1).collect(), begun);
        let mut left: Vec<usize> = (0..intervals.len()).collect();
        for stretch in (0..100).map(|n| n * 61 % 100) {
            while let Some(found) = open.at(stretch) {
                let (from, to) = intervals[found];
                assert!((from..to).contains(&(stretch as u32)));
                open.take(found);
                left.retain(|interval| *interval != found);
            }
            let covers = |n: &usize| (intervals[*n].0..intervals[*n].1).contains(&(stretch as u32));
            assert!(!left.iter().any(covers), "all at {stretch} are found");
        }
        assert!(left.is_empty());
    }
}

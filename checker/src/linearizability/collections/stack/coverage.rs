//! How many critical intervals cover each stretch, and whose the only one is.

/// Stretches in one leaf of a tree. A leaf is read from end to end, and the tree above stays small enough for the cache.
const LEAF: usize = 32;

/// More than any coverage.
pub(super) const RETIRED: i32 = 1 << 29;

/// The coverage of stretches, of which the least is asked for: a segment tree in which an interval is added to the nodes that it fills.
pub(super) struct Coverage {
    stretches: Vec<i32>,
    /// What was added to all of a node, and the least below it with that; node `n` has the children `2n` and `2n + 1`.
    added: Vec<i32>,
    least: Vec<i32>,
    /// Number of leaves, a power of two.
    leaves: usize,
}

impl Coverage {
    /// From the coverage at the beginning.
    pub(super) fn new(mut stretches: Vec<i32>) -> Self {
        let leaves = stretches.len().div_ceil(LEAF).next_power_of_two();
        stretches.resize(leaves * LEAF, RETIRED);
        let mut coverage =
            Self { stretches, added: vec![0; 2 * leaves], least: vec![0; 2 * leaves], leaves };
        for leaf in 0..leaves {
            coverage.least[leaves + leaf] = coverage.least_of(leaf);
        }
        for node in (1..leaves).rev() {
            coverage.least[node] = coverage.least[2 * node].min(coverage.least[2 * node + 1]);
        }
        coverage
    }

    /// The least coverage, and a stretch that has it.
    pub(super) fn least(&self) -> (i32, usize) {
        let mut node = 1;
        while node < self.leaves {
            node = 2 * node + usize::from(self.least[2 * node + 1] < self.least[2 * node]);
        }
        let start = (node - self.leaves) * LEAF;
        let leaf = &self.stretches[start..start + LEAF];
        let least = leaf.iter().copied().min().unwrap_or(RETIRED);
        let within = leaf.iter().position(|covered| *covered == least).unwrap_or(0);
        (self.least[1], start + within)
    }

    /// Adds to the stretches `from..to`.
    pub(super) fn add(&mut self, from: usize, to: usize, change: i32) {
        let (first, last) = (from / LEAF, (to - 1) / LEAF);
        if first == last {
            self.add_within(from, to, change);
            self.lift(first);
            return;
        }
        self.add_within(from, (first + 1) * LEAF, change);
        self.add_within(last * LEAF, to, change);
        let (mut left, mut right) = (self.leaves + first + 1, self.leaves + last);
        while left < right {
            if left & 1 == 1 {
                self.added[left] += change;
                self.least[left] += change;
                left += 1;
            }
            if right & 1 == 1 {
                right -= 1;
                self.added[right] += change;
                self.least[right] += change;
            }
            (left, right) = (left / 2, right / 2);
        }
        self.lift(first);
        self.lift(last);
    }

    /// Takes a stretch out.
    pub(super) fn retire(&mut self, stretch: usize) {
        self.stretches[stretch] += RETIRED;
        self.update_leaf(stretch / LEAF);
        self.lift(stretch / LEAF);
    }

    fn add_within(&mut self, from: usize, to: usize, change: i32) {
        self.stretches[from..to].iter_mut().for_each(|covered| *covered += change);
        self.update_leaf(from / LEAF);
    }

    fn update_leaf(&mut self, leaf: usize) {
        let node = self.leaves + leaf;
        self.least[node] = self.least_of(leaf) + self.added[node];
    }

    fn least_of(&self, leaf: usize) -> i32 {
        let leaf = &self.stretches[leaf * LEAF..(leaf + 1) * LEAF];
        leaf.iter().copied().min().unwrap_or(RETIRED)
    }

    /// Tells the nodes above a leaf.
    fn lift(&mut self, leaf: usize) {
        let mut node = (self.leaves + leaf) / 2;
        while node > 0 {
            self.least[node] =
                self.least[2 * node].min(self.least[2 * node + 1]) + self.added[node];
            node /= 2;
        }
    }
}

/// The exclusive or of the numbers of all intervals that cover a stretch: where there is only one, its number. A Fenwick tree of whole leaves, and
/// changes within them.
pub(super) struct Names {
    changes: Vec<u32>,
    leaves: Vec<u32>,
}

impl Names {
    pub(super) fn new(stretches: usize) -> Self {
        let leaves = stretches.div_ceil(LEAF) + 1;
        Self { changes: vec![0; leaves * LEAF], leaves: vec![0; leaves + 1] }
    }

    /// Adds an interval, or takes it away again.
    pub(super) fn toggle(&mut self, from: usize, to: usize, name: u32) {
        for end in [from, to] {
            self.changes[end] ^= name;
            let mut leaf = end / LEAF + 1;
            while leaf < self.leaves.len() {
                self.leaves[leaf] ^= name;
                leaf += leaf & leaf.wrapping_neg();
            }
        }
    }

    /// The only interval that covers a stretch.
    pub(super) fn at(&self, stretch: usize) -> u32 {
        let mut leaf = stretch / LEAF;
        let within = &self.changes[leaf * LEAF..=stretch];
        let mut name = within.iter().fold(0, |all, change| all ^ change);
        while leaf > 0 {
            name ^= self.leaves[leaf];
            leaf &= leaf - 1;
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_and_names_agree_with_counting() {
        let count = 300;
        let mut seed = 7_u64;
        let mut draw = |below: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let (mut plain, mut names) = (vec![0; count], vec![0; count]);
        let (mut coverage, mut tree) = (Coverage::new(plain.clone()), Names::new(count));
        for name in 1..2_000 {
            let from = draw(count);
            let to = from + 1 + draw(count - from);
            let change = if draw(2) == 0 { 1 } else { -1 };
            coverage.add(from, to, change);
            tree.toggle(from, to, name);
            for stretch in from..to {
                plain[stretch] += change;
                names[stretch] ^= name;
            }
            if name % 10 == 0 {
                let stretch = draw(count);
                coverage.retire(stretch);
                plain[stretch] += RETIRED / 1_000; // Far above, but not out of bounds however often.
                coverage.stretches[stretch] -= RETIRED - RETIRED / 1_000;
                coverage.update_leaf(stretch / LEAF);
                coverage.lift(stretch / LEAF);
            }
            let (least, at) = coverage.least();
            assert_eq!((Some(&least), least), (plain.iter().min(), plain[at]));
            let stretch = draw(count);
            assert_eq!(tree.at(stretch), names[stretch]);
        }
    }
}

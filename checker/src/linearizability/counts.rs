//! How many operations of each class of *info* operations have taken effect, by number: most situations share few different counts.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

/// A list of counts, by number. 0 is none at all.
pub(super) type Spent = u32;

/// All lists of counts that were met.
#[derive(Debug)]
pub(super) struct Counts {
    lists: Vec<Box<[u16]>>,
    /// The sum of each list.
    totals: Vec<u32>,
    by_list: HashMap<Box<[u16]>, Spent, FxBuildHasher>,
    /// What one more of a class leads to.
    next: HashMap<(Spent, u32), Spent, FxBuildHasher>,
}

impl Counts {
    pub(super) fn new() -> Self {
        let none: Box<[u16]> = Box::new([]);
        Self {
            lists: vec![none.clone()],
            totals: vec![0],
            by_list: std::iter::once((none, 0)).collect(),
            next: HashMap::default(),
        }
    }

    /// How many of a class there are in a list.
    #[inline]
    pub(super) fn get(&self, spent: Spent, class: usize) -> u16 {
        self.lists[spent as usize].get(class).copied().unwrap_or(0)
    }

    /// The list with one more of a class.
    pub(super) fn plus(&mut self, spent: Spent, class: usize) -> Spent {
        if let Some(next) = self.next.get(&(spent, class as u32)) {
            return *next;
        }
        let mut list = self.lists[spent as usize].to_vec();
        list.resize(list.len().max(class + 1), 0);
        list[class] = list[class].saturating_add(1);
        let next = self.number(list.into());
        self.next.insert((spent, class as u32), next);
        next
    }

    /// The list with none of a class.
    pub(super) fn without(&mut self, spent: Spent, class: usize) -> Spent {
        if self.get(spent, class) == 0 {
            return spent;
        }
        let mut list = self.lists[spent as usize].to_vec();
        list[class] = 0;
        let used = list.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        list.truncate(used);
        self.number(list.into())
    }

    fn number(&mut self, list: Box<[u16]>) -> Spent {
        let number = self.lists.len() as Spent;
        let known = *self.by_list.entry(list.clone()).or_insert(number);
        if known == number {
            self.totals.push(list.iter().map(|count| u32::from(*count)).sum());
            self.lists.push(list);
        }
        known
    }

    /// Whether nowhere more are spent in `a` than in `b`.
    pub(super) fn at_most(&self, a: Spent, b: Spent) -> bool {
        let other = &self.lists[b as usize];
        let within =
            |(class, count): (usize, &u16)| *count <= other.get(class).copied().unwrap_or(0);
        a == b || self.lists[a as usize].iter().enumerate().all(within)
    }

    /// How many there are in all.
    pub(super) fn total(&self, spent: Spent) -> u32 {
        self.totals[spent as usize]
    }

    /// How many bytes the lists take, about.
    pub(super) fn bytes(&self) -> u64 {
        let longest = self.lists.last().map_or(0, |list| list.len());
        (self.lists.len() * (2 * longest + 96) + self.next.len() * 24) as u64
    }
}

//! Clusters of plain reads and writes straight from the operations: a few passes, a table indexed by value, and little memory.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::super::super::objects::Object;
use super::super::demands::Function;
use crate::history::{History, NEVER, Operation, Outcome, ValueId};

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
    let operations = || object.iter().map(|(_, operation)| operation);
    let mut all = Clusters::new(operations(), object.len(), false)?;
    all.gather(functions, operations())?;
    all.follow(events)
}

/// The same for all registers of a history at once, if no value is written to two of them: then one table is enough. Returns how many there are.
pub(in super::super) fn zones_of_all(functions: &[Function], history: &History) -> Option<usize> {
    let operations = history.operations();
    let first = operations.first()?.key;
    let is_keyed = operations.iter().any(|operation| operation.key != first);
    let mut all = Clusters::new(operations.iter(), operations.len(), is_keyed)?;
    if all.ranks.is_some() {
        return None; // Sparse values are better looked up register by register.
    }
    all.gather(functions, operations.iter())?;
    all.follow(history.events())?;
    Some(all.initial.len())
}

/// The clusters of one register, or of several.
struct Clusters {
    /// By value, but for the initial one.
    clusters: Vec<Cluster>,
    /// The register of each cluster, if there are several.
    keys: Vec<u32>,
    /// The initial cluster of each register.
    initial: Vec<Cluster>,
    registers: Registers,
    /// The place of each value, where values are sparse.
    ranks: Option<HashMap<u32, u32, FxBuildHasher>>,
}

impl Clusters {
    /// Room for the values of so many operations, on one register or on several.
    fn new<'a>(
        operations: impl Iterator<Item = &'a Operation>,
        count: usize,
        is_keyed: bool,
    ) -> Option<Self> {
        let numbers = operations.map(|operation| operation.value.number() as usize);
        let values = numbers.max()? + 1;
        let is_sparse = values > SPREAD * count + 64;
        let room = if is_sparse { count + 1 } else { values };
        let mut ranks = is_sparse.then(HashMap::<u32, u32, FxBuildHasher>::default);
        ranks.iter_mut().for_each(|ranks| ranks.reserve(count));
        Some(Self {
            clusters: vec![Cluster::NONE; room],
            keys: if is_keyed { vec![NEVER; room] } else { Vec::new() },
            initial: vec![Cluster::INITIAL],
            registers: Registers::default(),
            ranks,
        })
    }

    /// Fills the clusters in.
    fn gather<'a>(
        &mut self,
        functions: &[Function],
        operations: impl Iterator<Item = &'a Operation>,
    ) -> Option<()> {
        let is_keyed = !self.keys.is_empty();
        for operation in operations {
            let Operation { invoked, completed, value, .. } = *operation;
            let key = if is_keyed { self.registers.number(operation.key) } else { 0 };
            if self.initial.len() <= key as usize {
                self.initial.push(Cluster::INITIAL);
            }
            let function = functions[operation.function as usize];
            match (function, operation.outcome) {
                (Function::Cas | Function::Unknown, _) => return None,
                (Function::Write, Outcome::Fail) => continue,
                (Function::Read, Outcome::Fail | Outcome::Info | Outcome::Open) => continue,
                (Function::Read | Function::Write, _) => {}
            }
            let cluster = self.cluster(key, value)?;
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

    /// The cluster of a value of a register; nothing if the value is of another one too.
    fn cluster(&mut self, key: u32, value: ValueId) -> Option<&mut Cluster> {
        if value == ValueId::NIL {
            return self.initial.get_mut(key as usize);
        }
        let place = match &mut self.ranks {
            None => value.number() as usize,
            Some(ranks) => {
                let next = ranks.len() as u32;
                *ranks.entry(value.number()).or_insert(next) as usize
            }
        };
        if let Some(owner) = self.keys.get_mut(place) {
            if *owner == NEVER {
                *owner = key;
            } else if *owner != key {
                return None;
            }
        }
        self.clusters.get_mut(place)
    }

    fn follow(&self, events: usize) -> Option<()> {
        let mut orders = vec![Order::START; self.initial.len()];
        // The initial value is before everything.
        let initial = orders.iter_mut().zip(&self.initial);
        initial.into_iter().try_for_each(|(order, cluster)| order.take(cluster))?;
        let take = |place: usize| {
            let key = self.keys.get(place).map_or(0, |key| *key as usize);
            orders[key].take(&self.clusters[place])
        };
        if self.clusters.len() / (1 + events / WINDOW) < FEW_PER_WINDOW {
            self.each_sorted(take)
        } else {
            self.each_by_window(events, take)
        }
    }

    /// Those that somebody certainly wrote or saw.
    fn taken(&self) -> impl Iterator<Item = (usize, &Cluster)> {
        self.clusters.iter().enumerate().filter(|(_, cluster)| cluster.first != NEVER)
    }

    /// Takes all by their left ends.
    fn each_sorted(&self, take: impl FnMut(usize) -> Option<()>) -> Option<()> {
        let mut sorted: Vec<_> = self.taken().map(|(place, _)| place).collect();
        sorted.sort_unstable_by_key(|place| self.clusters[*place].left_end());
        sorted.into_iter().try_for_each(take)
    }

    /// Sorts by window first, then within each window by position: every position is the left end of one cluster at most.
    fn each_by_window(
        &self,
        events: usize,
        mut take: impl FnMut(usize) -> Option<()>,
    ) -> Option<()> {
        let window_of = |cluster: &Cluster| cluster.left_end() as usize / WINDOW;
        let mut ends = vec![0; events / WINDOW + 2];
        self.taken().for_each(|(_, cluster)| ends[window_of(cluster) + 1] += 1);
        for window in 1..ends.len() {
            ends[window] += ends[window - 1];
        }
        let mut by_window = vec![0_u32; ends[ends.len() - 1]];
        for (place, cluster) in self.taken() {
            let end = &mut ends[window_of(cluster)];
            by_window[*end] = place as u32;
            *end += 1;
        }
        let mut table = vec![NEVER; WINDOW];
        let mut start = 0;
        for end in ends {
            for place in by_window.get(start..end).unwrap_or_default() {
                table[self.clusters[*place as usize].left_end() as usize % WINDOW] = *place;
            }
            for place in table.iter_mut().filter(|place| **place != NEVER) {
                take(*place as usize)?;
                *place = NEVER;
            }
            start = end;
        }
        Some(())
    }
}

/// Registers by the order in which they are met.
#[derive(Default)]
struct Registers {
    /// By the bare number of a key, for small ones: one more than the register's number, or 0.
    small: Vec<u32>,
    others: HashMap<ValueId, u32, FxBuildHasher>,
    count: u32,
}

/// Keys below this number are looked up in a table.
const SMALL_KEYS: usize = 1 << 16;

impl Registers {
    fn number(&mut self, key: ValueId) -> u32 {
        let place = key.number() as usize;
        let slot = if place < SMALL_KEYS {
            if self.small.len() <= place {
                self.small.resize(place + 1, 0);
            }
            &mut self.small[place]
        } else {
            self.others.entry(key).or_default()
        };
        if *slot == 0 {
            self.count += 1;
            *slot = self.count;
        }
        *slot - 1
    }
}

/// Takes the clusters of one register by their left ends: no later one may have to be before an earlier one.
#[derive(Clone, Copy)]
struct Order {
    /// The forward cluster that reaches furthest so far.
    first: u32,
    last: u32,
}

impl Order {
    const START: Self = Self { first: 0, last: 0 };

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
}

#[cfg(test)]
mod tests {
    use super::super::super::demands::functions;
    use super::*;
    use crate::history::Recorder;

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
        let initial = vec![Cluster::INITIAL];
        let taken = clusters.to_vec();
        let (keys, registers, ranks) = (vec![], Registers::default(), None);
        let all = Clusters { clusters: taken, keys, initial, registers, ranks };
        let (mut sorted, mut by_window) = (Order::START, Order::START);
        assert_eq!(all.each_sorted(|at| sorted.take(&clusters[at])).is_some(), expected);
        let taken = all.each_by_window(events, |at| by_window.take(&clusters[at]));
        assert_eq!(taken.is_some(), expected);
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

    /// Operations one after another: `key f value`.
    fn all(text: &str) -> Option<usize> {
        let mut recorder = Recorder::new();
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let value: serde_json::Value = serde_json::from_str(words[2]).unwrap();
            let begun = recorder.invoke_on(0, words[1], words[0].into(), value.clone());
            recorder.ok(begun, value);
        }
        let history = recorder.history();
        zones_of_all(&functions(&history), &history)
    }

    #[test]
    fn registers_with_values_of_their_own_are_judged_at_once() {
        assert_eq!(
            all("a write 1\nb read null\nb write 2\na read 1\nb read 2\nc read null"),
            Some(3)
        );
        assert_eq!(all("a write 1\nb write 2\na read 1\nb read null"), None, "the write is lost");
        assert_eq!(all("a write 1\na write 2\nb write 3\na read 1"), None, "a stale read");
        assert_eq!(all("a write 1\nb read 1"), None, "a value of another register");
        assert_eq!(all("a write 1\nb write 1\nb read 1"), None, "a value of two registers");
        assert_eq!(all("a write 1\nb read 2"), None, "a value that nobody wrote");
        assert_eq!(all("a cas [1,2]"), None, "not for this algorithm");
    }
}

//! Takes away one value after another that can lie at the bottom of those that remain.
//!
//! Coverage changes only where a critical interval begins or ends, so time is cut there into *stretches*. The least covered stretch is looked at again and again:
//! nothing covers it: every operation that contains it has found its place. One value covers it: so have the operations of that value, and
//! when the value is taken away, the others. Each stretch is looked at once. A value all of whose operations have found a place is taken away.

use super::coverage::{Coverage, Names};
use super::open::Open;
use crate::linearizability::collections::prepare::{Collection, Element, NONE};

/// A value that was peeled, or its operation, and the gap in which it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// The operation; [`NONE`] for the end of a value that nobody removed.
    pub(super) place: u32,
    pub(super) gap: u32,
}

/// Values in the order in which they were taken away.
#[derive(Debug, Default)]
pub(super) struct Peeled {
    /// Elements by number, each with where its operations begin in `operations`; in the order of the peeling.
    pub(super) sequence: Vec<(u32, u32)>,
    /// The operations of one element after another: add, peeks, remove.
    pub(super) operations: Vec<Placed>,
}

/// Peels these values; or tells those that are stuck. Without being asked for it, what is peeled is not told.
pub(super) fn peel(
    collection: &Collection<'_>,
    values: &[u32],
    with_order: bool,
) -> Result<Peeled, Vec<u32>> {
    let end = collection.events() as u32;
    let is_critical = |number: &u32| {
        let element = &collection.elements[*number as usize];
        element.added_by < element.last_begin()
    };
    let members: Vec<u32> = values.iter().copied().filter(is_critical).collect();
    if members.is_empty() {
        return Ok(Peeled::default());
    }
    let intervals = Intervals::of(collection, &members, end);
    let mut peeling = Peeling::new(collection, &members, &intervals, end);
    while peeling.peeled.len() < members.len() {
        if !peeling.step() {
            let left = members.iter().zip(&peeling.unplaced).filter(|(_, left)| **left > 0);
            return Err(left.map(|(member, _)| *member).collect());
        }
    }
    Ok(if with_order { peeling.told(&members) } else { Peeled::default() })
}

/// When a value is over: the end of the history if nobody removed it.
fn last(element: &Element, end: u32) -> u32 {
    element.last_begin().min(end)
}

/// The operations of all members, one member after another.
struct Intervals {
    /// First gap, gap after the last, and the operation.
    all: Vec<(u32, u32, u32)>,
    /// Where each member's operations begin; add, peeks, remove.
    starts: Vec<u32>,
}

impl Intervals {
    fn of(collection: &Collection<'_>, members: &[u32], end: u32) -> Self {
        let mut intervals = Self {
            all: Vec::with_capacity(2 * members.len()),
            starts: Vec::with_capacity(members.len() + 1),
        };
        for number in members {
            let element = &collection.elements[*number as usize];
            let all = &mut intervals.all;
            intervals.starts.push(all.len() as u32);
            all.push((element.added_from, element.added_by, element.add));
            if !collection.peeks.is_empty() {
                let peeks = collection.peeks_of(*number).iter();
                all.extend(peeks.map(|peek| {
                    let from = peek.from.max(element.added_from);
                    (from, peek.by.min(element.removed_by), peek.place)
                }));
            }
            all.push((last(element, end), element.removed_by.min(end + 1), element.remove));
        }
        intervals.starts.push(intervals.all.len() as u32);
        intervals
    }
}

/// Where time is cut.
struct Cuts {
    words: Vec<u64>,
    /// How many cuts there are before each word.
    before: Vec<u32>,
}

impl Cuts {
    fn at(events: impl Iterator<Item = u32>, end: u32) -> Self {
        let mut words = vec![0_u64; end as usize / 64 + 1];
        events.for_each(|event| words[event as usize / 64] |= 1 << (event % 64));
        let count = |sum: &mut u32, word: &u64| {
            let before = *sum;
            *sum += word.count_ones();
            Some(before)
        };
        let before = words.iter().scan(0, count).collect();
        Self { words, before }
    }

    /// The stretch that a gap is in.
    fn stretch(&self, gap: u32) -> usize {
        let word = gap as usize / 64;
        let upto = self.words[word] << (63 - gap % 64);
        (self.before[word] + upto.count_ones()) as usize
    }

    /// How many stretches there are.
    fn stretches(&self, end: u32) -> usize {
        self.stretch(end) + 1
    }

    /// The first gap of each stretch.
    fn first_gaps(&self) -> Vec<u32> {
        let bits = |(number, word): (usize, &u64)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(number as u32 * 64 + bit)
            })
        };
        std::iter::once(0).chain(self.words.iter().enumerate().flat_map(bits)).collect()
    }
}

struct Peeling<'a> {
    intervals: &'a Intervals,
    cuts: Cuts,
    /// The critical interval of each member, in stretches.
    critical: Vec<(u32, u32)>,
    coverage: Coverage,
    /// Members are named by one more than their number.
    names: Names,
    open: Open,
    /// Intervals are sorted by their beginnings: from their place to their number, and back; and whose each is.
    sorted: Vec<u32>,
    slot: Vec<u32>,
    owner: Vec<u32>,
    /// The stretch in which each operation stands, by number.
    stands: Vec<u32>,
    /// How many operations of each member have no place yet.
    unplaced: Vec<u32>,
    /// Stretches that wait for each member to be taken away: the last, and for each the one before.
    waiting: Vec<u32>,
    waiting_before: Vec<u32>,
    /// Members whose operations have all found a place.
    free: Vec<u32>,
    peeled: Vec<u32>,
}

impl<'a> Peeling<'a> {
    fn new(
        collection: &Collection<'_>,
        members: &[u32],
        intervals: &'a Intervals,
        end: u32,
    ) -> Self {
        let elements = members.iter().map(|number| &collection.elements[*number as usize]);
        let ends = elements.clone().flat_map(|element| [element.added_by, last(element, end)]);
        let cuts = Cuts::at(ends, end);
        let stretches = cuts.stretches(end);
        let critical = |element: &Element| {
            (cuts.stretch(element.added_by) as u32, cuts.stretch(last(element, end)) as u32)
        };
        let critical: Vec<_> = elements.map(critical).collect();
        let (sorted, begun) = by_beginning(intervals, &cuts, stretches);
        let end_of = |number: &u32| cuts.stretch(intervals.all[*number as usize].1 - 1) as u32 + 1;
        let open = Open::new(sorted.iter().map(end_of).collect(), begun);
        let (mut slot, mut owner) = (vec![0; sorted.len()], Vec::with_capacity(sorted.len()));
        sorted.iter().zip(0..).for_each(|(number, place)| slot[*number as usize] = place);
        for (member, bounds) in intervals.starts.windows(2).enumerate() {
            owner.extend((bounds[0]..bounds[1]).map(|_| member as u32));
        }
        let unplaced = intervals.starts.windows(2).map(|bounds| bounds[1] - bounds[0]).collect();
        Self {
            intervals,
            coverage: Coverage::new(covered(&critical, stretches)),
            names: named(&critical, stretches),
            cuts,
            critical,
            open,
            stands: vec![0; sorted.len()],
            sorted,
            slot,
            owner,
            unplaced,
            waiting: vec![NONE; members.len()],
            waiting_before: vec![NONE; stretches],
            free: Vec::new(),
            peeled: Vec::with_capacity(members.len()),
        }
    }

    /// Looks at one stretch; not if every one that is left is covered more than once.
    fn step(&mut self) -> bool {
        let (covered, stretch) = self.coverage.least();
        match covered {
            0 => self.place_all(stretch),
            1 => {
                let member = self.names.at(stretch) as usize - 1;
                self.place_own(member, stretch);
                self.waiting_before[stretch] = self.waiting[member];
                self.waiting[member] = stretch as u32;
            }
            _ => return false,
        }
        self.coverage.retire(stretch);
        while let Some(member) = self.free.pop() {
            self.take_away(member as usize);
        }
        true
    }

    /// Every operation that contains a stretch stands there.
    fn place_all(&mut self, stretch: usize) {
        while let Some(place) = self.open.at(stretch) {
            self.place(place, stretch);
        }
    }

    /// So does every operation of one member.
    fn place_own(&mut self, member: usize, stretch: usize) {
        for number in self.intervals.starts[member]..self.intervals.starts[member + 1] {
            let place = self.slot[number as usize] as usize;
            let contains =
                self.open.end(place) > stretch as u32 && self.open.has_begun(place, stretch);
            if contains {
                self.place(place, stretch);
            }
        }
    }

    fn place(&mut self, place: usize, stretch: usize) {
        self.open.take(place);
        let number = self.sorted[place] as usize;
        self.stands[number] = stretch as u32;
        let member = self.owner[number];
        let unplaced = &mut self.unplaced[member as usize];
        *unplaced -= 1;
        if *unplaced == 0 {
            self.free.push(member);
        }
    }

    fn take_away(&mut self, member: usize) {
        self.peeled.push(member as u32);
        let (from, to) = self.critical[member];
        self.coverage.add(from as usize, to as usize, -1);
        self.names.toggle(from as usize, to as usize, member as u32 + 1);
        let mut waiting = self.waiting[member];
        while waiting != NONE {
            self.place_all(waiting as usize);
            waiting = self.waiting_before[waiting as usize];
        }
    }

    fn told(&self, members: &[u32]) -> Peeled {
        let first_gaps = self.cuts.first_gaps();
        let placed = |(number, stretch): (usize, &u32)| {
            let (from, _, place) = self.intervals.all[number];
            Placed { place, gap: from.max(first_gaps[*stretch as usize]) }
        };
        let sequence = self
            .peeled
            .iter()
            .map(|member| (members[*member as usize], self.intervals.starts[*member as usize]));
        Peeled {
            sequence: sequence.collect(),
            operations: self.stands.iter().enumerate().map(placed).collect(),
        }
    }
}

/// The numbers of all intervals in the order of their beginnings, and how many begin before each stretch.
fn by_beginning(intervals: &Intervals, cuts: &Cuts, stretches: usize) -> (Vec<u32>, Vec<u32>) {
    let begins: Vec<u32> =
        intervals.all.iter().map(|(from, ..)| cuts.stretch(*from) as u32).collect();
    let mut begun = vec![0; stretches + 1];
    begins.iter().for_each(|begin| begun[*begin as usize + 1] += 1);
    for stretch in 0..stretches {
        begun[stretch + 1] += begun[stretch];
    }
    let (mut next, mut sorted) = (begun.clone(), vec![0; begins.len()]);
    for (number, begin) in begins.iter().enumerate() {
        let slot = &mut next[*begin as usize];
        sorted[*slot as usize] = number as u32;
        *slot += 1;
    }
    (sorted, begun)
}

fn covered(critical: &[(u32, u32)], stretches: usize) -> Vec<i32> {
    let mut covered = vec![0; stretches];
    for (from, to) in critical {
        covered[*from as usize] += 1;
        covered[*to as usize] -= 1;
    }
    let mut sum = 0;
    for change in &mut covered {
        sum += *change;
        *change = sum;
    }
    covered
}

fn named(critical: &[(u32, u32)], stretches: usize) -> Names {
    let mut names = Names::new(stretches);
    for ((from, to), name) in critical.iter().zip(1..) {
        names.toggle(*from as usize, *to as usize, name);
    }
    names
}

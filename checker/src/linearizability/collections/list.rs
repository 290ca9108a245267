//! Collections that only grow and are read as a whole: a list that is appended to, a set that is added to.
//!
//! Every read must be the beginning of the longest one (of a set: part of the next larger one). So each element has a *level*, the size of the smallest read that
//! may have it, and each read has its size; operations in the order of their levels, adds before reads, are right, and only within a level is there a choice,
//! which real time makes. What was never read comes last. So one order decides.

use super::culprit::{Culprit, told};
use super::prepare::{NONE, Numbers};
use crate::explain::Argument;
use crate::history::{History, NEVER, Operation, Outcome, ValueId};
use crate::linearizability::decision::Decision;
use crate::linearizability::objects::Object;
use crate::models::Model;

/// Judges one list. Nothing if an element was appended twice.
pub(in crate::linearizability) fn list(
    history: &History,
    object: &Object<'_>,
    with_order: bool,
) -> Option<Decision> {
    judge(Whole::of(history, object, "append", true)?, with_order, Model::List)
}

/// Judges a set of which nothing is ever removed, and that is read as a whole. Nothing if an element was added twice.
pub(super) fn growing_set(
    history: &History,
    object: &Object<'_>,
    with_order: bool,
) -> Option<Decision> {
    judge(Whole::of(history, object, "add", false)?, with_order, Model::Set)
}

fn judge(mut whole: Whole<'_>, with_order: bool, model: Model) -> Option<Decision> {
    let (history, object) = (whole.history, whole.object);
    let leveled = if whole.is_list { whole.level_list() } else { whole.level_set()? };
    let decided = leveled.and_then(|()| whole.order());
    Some(match decided {
        Ok(order) => Decision::Valid { order: with_order.then_some(order) },
        Err(wrong) => whole.culprit(wrong).convict(history, &object, model),
    })
}

/// An add of an element.
#[derive(Clone, Copy, Debug)]
struct Add {
    place: u32,
    from: u32,
    by: u32,
    /// The size of the smallest read that has it; [`NEVER`] if none has.
    level: u32,
}

/// A read of everything.
#[derive(Clone, Copy, Debug)]
struct Read<'a> {
    place: u32,
    from: u32,
    by: u32,
    elements: &'a [ValueId],
}

/// An operation, to be put in order: level, whether it is a read, beginning, end, place.
type Standing = (u32, bool, u32, u32, u32);

/// Why it is impossible.
struct Wrong {
    kind: &'static str,
    culprit: u32,
    others: Vec<u32>,
    /// The reads that show it, by place.
    reads: Vec<u32>,
    why: String,
}

struct Whole<'a> {
    history: &'a History,
    object: Object<'a>,
    adds: Vec<Add>,
    numbers: Numbers,
    /// By size.
    reads: Vec<Read<'a>>,
    /// Whether the order of elements counts.
    is_list: bool,
}

impl<'a> Whole<'a> {
    fn of(history: &'a History, object: &Object<'a>, add: &str, is_list: bool) -> Option<Self> {
        let (add, read) = (history.function(add), history.function("read"));
        let numbers = Numbers::new(object.len());
        let mut whole = Self {
            history,
            object: *object,
            adds: Vec::new(),
            numbers,
            reads: Vec::new(),
            is_list,
        };
        for (place, operation) in object.iter() {
            let Operation { invoked: from, completed: by, outcome, value, .. } = *operation;
            let is_read = Some(operation.function) == read;
            if !is_read && Some(operation.function) != add {
                return None;
            }
            if outcome == Outcome::Fail || (is_read && outcome != Outcome::Ok) {
                continue;
            }
            if is_read {
                let elements =
                    if value == ValueId::NIL { &[][..] } else { history.values().list(value)? };
                if !elements.iter().all(|element| element.is_scalar()) {
                    return None;
                }
                whole.reads.push(Read { place, from, by, elements });
                continue;
            }
            let number = whole.adds.len() as u32;
            if !value.is_scalar() || !whole.numbers.set_new(value, number) {
                return None;
            }
            whole.adds.push(Add { place, from, by, level: NEVER });
        }
        whole.reads.sort_by_key(|read| read.elements.len());
        Some(whole)
    }

    /// Gives every element of a list its level, which is its position in the longest read, and sees to it that every read is a beginning of that.
    fn level_list(&mut self) -> Result<(), Wrong> {
        let Some(longest) = self.reads.last().copied() else {
            return Ok(());
        };
        for (element, level) in longest.elements.iter().zip(1..) {
            match self.adds.get_mut(self.numbers.of(*element) as usize) {
                None => return Err(self.never_added(longest, *element)),
                Some(add) if add.level != NEVER => return Err(self.twice(longest, *element)),
                Some(add) => add.level = level,
            }
        }
        for read in &self.reads {
            let mut pairs = read.elements.iter().zip(longest.elements);
            let Some((element, other)) = pairs.find(|(element, other)| element != other) else {
                continue;
            };
            return Err(match self.numbers.of(*element) {
                NONE => self.never_added(*read, *element),
                _ => self.not_a_chain(*read, longest, *element, *other),
            });
        }
        Ok(())
    }

    /// Gives every element of a set its level, and sees to it that every read has all that the one before it has. Nothing if a read has an element twice.
    fn level_set(&mut self) -> Option<Result<(), Wrong>> {
        let mut last_read = vec![NONE; self.adds.len()];
        let mut before: &[ValueId] = &[];
        for number in 0..self.reads.len() {
            let read = self.reads[number];
            let size = read.elements.len() as u32;
            let mut known = 0;
            for element in read.elements {
                let add = self.numbers.of(*element);
                let Some(last) = last_read.get_mut(add as usize) else {
                    return Some(Err(self.never_added(read, *element)));
                };
                if std::mem::replace(last, number as u32) == number as u32 {
                    return None;
                }
                let level = &mut self.adds[add as usize].level;
                known += usize::from(*level != NEVER);
                *level = size.min(*level);
            }
            if known < before.len() {
                let missing = before.iter().find(|element| !read.elements.contains(element));
                let (before, missing) = (self.reads[number - 1], missing.copied());
                let more = read.elements.iter().find(|element| !before.elements.contains(element));
                let (missing, more) =
                    (missing.unwrap_or_default(), more.copied().unwrap_or_default());
                return Some(Err(self.not_a_chain(read, before, more, missing)));
            }
            before = read.elements;
        }
        Some(Ok(()))
    }

    /// The order of everything, if real time allows it.
    fn order(&self) -> Result<Vec<u32>, Wrong> {
        let adds = self.adds.iter().filter(|add| add.level != NEVER || add.by != NEVER);
        let adds = adds.map(|add| (add.level, false, add.from, add.by, add.place));
        let size = |read: &Read<'_>| read.elements.len() as u32;
        let reads =
            self.reads.iter().map(|read| (size(read), true, read.from, read.by, read.place));
        let mut standings: Vec<Standing> = adds.chain(reads).collect();
        standings.sort_unstable();
        let mut latest: Option<Standing> = None;
        for standing in &standings {
            if let Some(other) = latest.filter(|other| standing.3 < other.2) {
                return Err(self.too_late(other, *standing));
            }
            if latest.is_none_or(|other| standing.2 > other.2) {
                latest = Some(*standing);
            }
        }
        Ok(standings.into_iter().map(|standing| standing.4).collect())
    }
}

/// What is wrong.
impl<'a> Whole<'a> {
    fn words(&self, element: ValueId) -> String {
        self.history.values().words(element)
    }

    fn never_added(&self, read: Read<'_>, element: ValueId) -> Wrong {
        let added = |(_, operation): &(u32, &Operation)| {
            operation.outcome == Outcome::Fail && operation.value == element
        };
        let aborted: Vec<_> = self.object.iter().filter(added).map(|(place, _)| place).collect();
        let words = self.words(element);
        let (kind, why) = match aborted.first() {
            None => ("value out of thin air", format!("Nobody ever added {words}.")),
            Some(add) => {
                let add = told(self.history, *add);
                ("aborted add", format!("{words} was added only by {add}, which ended fail."))
            }
        };
        Wrong { kind, culprit: read.place, others: aborted, reads: vec![read.place], why }
    }

    fn twice(&self, read: Read<'_>, element: ValueId) -> Wrong {
        let why = format!("{} was added once and is there twice.", self.words(element));
        let kind = "duplicate element";
        Wrong { kind, culprit: read.place, others: vec![], reads: vec![read.place], why }
    }

    fn not_a_chain(&self, a: Read<'_>, b: Read<'_>, in_a: ValueId, in_b: ValueId) -> Wrong {
        let (in_a, in_b) = (self.words(in_a), self.words(in_b));
        let why = if self.is_list {
            format!(
                "One has {in_a} where the other has {in_b}, so neither is a beginning of the other."
            )
        } else {
            format!("One has {in_a} but not {in_b}, the other {in_b} but not {in_a}.")
        };
        let (culprit, other) = if a.by > b.by { (a, b) } else { (b, a) };
        let reads = vec![a.place, b.place];
        Wrong {
            kind: "incompatible order",
            culprit: culprit.place,
            others: vec![other.place],
            reads,
            why,
        }
    }

    /// `first` stands before `second`, which was over before it began.
    fn too_late(&self, first: Standing, second: Standing) -> Wrong {
        let smallest = self.reads.partition_point(|read| (read.elements.len() as u32) < first.0);
        let mut reads: Vec<_> =
            self.reads.get(smallest).map(|read| read.place).into_iter().collect();
        if first.1 {
            reads = vec![first.4];
        }
        reads.extend(second.1.then_some(second.4));
        let (told_first, told_second) = (told(self.history, first.4), told(self.history, second.4));
        let (kind, because) = match (first.1, second.1) {
            (false, false) => ("incompatible order", "but comes first in what was read"),
            (false, true) => ("value from the future", "and has it already"),
            (true, false) => ("stale read", "but it is not there"),
            (true, true) => ("stale read", "and had more"),
        };
        let (earlier, later) = (told_second, told_first);
        // Whoever lacks something is told first.
        let later = if first.1 { "this read began".into() } else { later };
        let why = format!("{earlier}, was over before {later}, {because}.");
        let why = if (first.1, second.1) == (false, false) {
            format!("{later} began only after {earlier}, {because}.")
        } else {
            why
        };
        let culprit = if second.1 && !first.1 { second.4 } else { first.4 };
        let culprit =
            if first.1 || second.1 { culprit } else { reads.first().copied().unwrap_or(culprit) };
        Wrong { kind, culprit, others: vec![first.4, second.4], reads, why }
    }

    /// With the adds of everything that its reads have: no read can be right without them.
    fn culprit(&self, wrong: Wrong) -> Culprit {
        let Wrong { kind, culprit, others, reads, why } = wrong;
        let mut core = [&reads[..], &others].concat();
        let in_core = self.reads.iter().filter(|read| reads.contains(&read.place));
        for element in in_core.flat_map(|read| read.elements) {
            let add = self.adds.get(self.numbers.of(*element) as usize);
            core.extend(add.map(|add| add.place));
        }
        let steps = vec![format!("{}.", told(self.history, culprit)), why];
        let shown = others.into_iter().chain(reads).collect();
        Culprit { core, argument: Argument { kind, culprit, steps, shown } }
    }
}

//! Transactions that append to lists and read them (Kingsbury and Alvaro 2020).
//!
//! A read shows the versions of a list in their order, so that the longest read of each key tells it. What was never read comes after it, in an order
//! that nobody knows and that cannot close a cycle: a transaction depends on all it missed. With the checks here a graph
//! without a cycle is therefore a proof of (strict) serializability and not only the absence of a known contradiction (CHECKER.md 5.2).

use std::borrow::Cow;
use std::collections::HashMap;

use rustc_hash::{FxBuildHasher, FxHashSet};

use super::anomaly::{Anomaly, Order};
use super::findings::{Anomalies, Dependencies};
use super::graph::Arc;
use super::micro::{Action, Micro, Transactions};
use super::versions::{NONE, Versions};
use crate::certificate::Dependency;
use crate::history::{Outcome, ValueId};

/// What a transaction saw of a list before it changed it itself.
#[derive(Clone, Copy)]
struct Read<'a> {
    transaction: u32,
    key: u32,
    elements: &'a [ValueId],
    /// Whether it contradicts its own transaction or other reads, so that it does not tell what it missed.
    contradicts: bool,
}

/// An append that no read shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Unseen {
    key: u32,
    transaction: u32,
    value: ValueId,
}

pub(super) fn dependencies(
    transactions: &Transactions<'_>,
    versions: &Versions,
    arcs_max: usize,
) -> Dependencies {
    let mut lists = Lists::new(transactions, versions);
    lists.arcs_max = arcs_max;
    lists.read_all();
    lists.order_versions();
    lists.find_unseen();
    lists.connect();
    Dependencies {
        is_cut: lists.arcs.len() >= arcs_max,
        arcs: lists.arcs,
        live: lists.live,
        exact: true,
        anomalies: lists.anomalies,
    }
}

/// Several transactions that read the same version of a list and appended to it. A graph without cycles has none, so they are looked for only in others.
pub(super) fn lost_updates(transactions: &Transactions<'_>, anomalies: &mut Anomalies) {
    let mut seen: HashMap<(u32, &[ValueId]), Vec<u32>, FxBuildHasher> = HashMap::default();
    for place in 0..transactions.len() as u32 {
        if transactions.outcome(place) != Outcome::Ok {
            continue;
        }
        let micros = transactions.micros(place);
        for (at, read) in micros.iter().enumerate() {
            let same_key = |other: &&Micro| other.key == read.key;
            let is_external = read.action == Action::Read
                && !micros[..at].iter().any(|other| other.key == read.key);
            let mut later = micros[at..].iter().filter(same_key);
            if is_external && later.any(|other| other.action == Action::Write) {
                seen.entry((read.key, transactions.elements(read))).or_default().push(place);
            }
        }
    }
    let last = |list: &[ValueId]| list.last().copied().unwrap_or_default();
    let seen = seen.into_iter().map(|((key, list), places)| ((key, last(list)), places));
    note_lost(transactions, seen, anomalies);
}

/// Takes note of versions that several transactions overwrote.
pub(super) fn note_lost(
    transactions: &Transactions<'_>,
    seen: impl IntoIterator<Item = ((u32, ValueId), Vec<u32>)>,
    anomalies: &mut Anomalies,
) {
    let mut lost: Vec<_> = seen.into_iter().filter(|(_, places)| places.len() > 1).collect();
    lost.sort_unstable_by(|a, b| a.1.cmp(&b.1));
    for ((key, value), places) in lost {
        anomalies.note(Anomaly::LostUpdate, transactions.keys[key as usize], value, &places);
    }
}

struct Lists<'a> {
    transactions: &'a Transactions<'a>,
    versions: &'a Versions,
    reads: Vec<Read<'a>>,
    /// For each key, its elements in order, each once.
    orders: Vec<Cow<'a, [ValueId]>>,
    /// Where each version stands in its list.
    positions: Vec<u32>,
    /// For each key, whether anything was read that failed.
    aborted: Vec<bool>,
    unseen: Vec<Unseen>,
    live: Vec<bool>,
    arcs: Vec<Arc>,
    /// How many there may be: many readers that missed many appends of one key take an arc for each pair.
    arcs_max: usize,
    anomalies: Anomalies,
}

impl<'a> Lists<'a> {
    fn new(transactions: &'a Transactions<'a>, versions: &'a Versions) -> Self {
        let is_ok = |place| transactions.outcome(place) == Outcome::Ok;
        Self {
            transactions,
            versions,
            reads: Vec::with_capacity(transactions.steps() / 2),
            orders: vec![Cow::Borrowed(&[]); transactions.keys.len()],
            positions: vec![NONE; versions.len()],
            aborted: vec![false; transactions.keys.len()],
            unseen: vec![],
            live: (0..transactions.len() as u32).map(is_ok).collect(),
            arcs: Vec::with_capacity(transactions.steps() * 3 / 2),
            arcs_max: usize::MAX,
            anomalies: Anomalies::default(),
        }
    }

    fn note(&mut self, anomaly: Anomaly, key: u32, value: ValueId, transactions: &[u32]) {
        self.anomalies.note(anomaly, self.transactions.keys[key as usize], value, transactions);
    }

    /// Checks every transaction against itself, and keeps what it saw of others.
    fn read_all(&mut self) {
        let mut own: Vec<(u32, ValueId)> = Vec::new();
        for place in 0..self.transactions.len() as u32 {
            if !self.live[place as usize] {
                continue;
            }
            own.clear();
            let first = self.reads.len();
            let transactions = self.transactions;
            for micro in transactions.micros(place) {
                match micro.action {
                    Action::Write => own.push((micro.key, micro.value)),
                    Action::Read => {
                        let elements = transactions.elements(micro);
                        let read = Read {
                            transaction: place,
                            key: micro.key,
                            elements,
                            contradicts: false,
                        };
                        self.read(read, &own, first);
                    }
                }
            }
        }
    }

    /// A read ends with what its transaction appended before, and what stands before that never changes.
    fn read(&mut self, read: Read<'a>, own: &[(u32, ValueId)], first: usize) {
        let mine = || own.iter().filter(|(key, _)| *key == read.key).map(|(_, value)| *value);
        let (others, end) = match read.elements.len().checked_sub(mine().count()) {
            Some(length) => read.elements.split_at(length),
            None => (read.elements, read.elements),
        };
        let before = self.reads[first..].iter().find(|known| known.key == read.key);
        let fits =
            mine().eq(end.iter().copied()) && before.is_none_or(|known| known.elements == others);
        if !fits {
            let value = read.elements.last().copied().unwrap_or_default();
            self.note(Anomaly::Internal, read.key, value, &[read.transaction]);
            // It was seen all the same.
            self.reads.push(Read { contradicts: true, ..read });
        } else if before.is_none() {
            self.reads.push(Read { elements: others, ..read });
        }
    }

    /// The longest read of each key is its order; every other must be its beginning.
    fn order_versions(&mut self) {
        let mut longest: Vec<Option<Read<'a>>> = vec![None; self.orders.len()];
        for read in &self.reads {
            let known = &mut longest[read.key as usize];
            if known.is_none_or(|known| known.elements.len() < read.elements.len()) {
                *known = Some(*read);
            }
        }
        for read in longest.iter().flatten() {
            self.place_elements(read);
        }
        for at in 0..self.reads.len() {
            let read = self.reads[at];
            if !self.orders[read.key as usize].starts_with(read.elements) {
                // It was itself considered for the longest.
                let longest = longest[read.key as usize].unwrap_or(read);
                self.misfit(&read, longest.transaction);
                self.reads[at].contradicts = true;
            }
        }
    }

    fn place_elements(&mut self, read: &Read<'a>) {
        let key = read.key as usize;
        self.orders[key] = Cow::Borrowed(read.elements);
        let mut repeated = FxHashSet::default();
        let mut aborted = None;
        for (position, value) in read.elements.iter().enumerate() {
            let Some(version) = self.versions.number(read.key, *value) else {
                self.note(Anomaly::ThinAir, read.key, *value, &[read.transaction]);
                continue;
            };
            if self.positions[version as usize] != NONE {
                repeated.insert(position);
                continue;
            }
            self.positions[version as usize] = position as u32;
            let writer = self.versions.writer(version);
            match self.transactions.outcome(writer) {
                Outcome::Fail => {
                    self.aborted[key] = true;
                    aborted = aborted.or(Some((*value, writer)));
                }
                Outcome::Info | Outcome::Open => self.live[writer as usize] = true,
                Outcome::Ok => {
                    if let Some((value, failed)) = aborted.take() {
                        self.note(
                            Anomaly::DirtyUpdate,
                            read.key,
                            value,
                            &[writer, failed, read.transaction],
                        );
                    }
                }
            }
        }
        if !repeated.is_empty() {
            let once = read.elements.iter().enumerate().filter(|(at, _)| !repeated.contains(at));
            self.orders[key] = once.map(|(_, value)| *value).collect();
            for (position, value) in self.orders[key].iter().enumerate() {
                if let Some(version) = self.versions.number(read.key, *value) {
                    self.positions[version as usize] = position as u32;
                }
            }
        }
    }

    /// A read that is not the beginning of the longest one, which transaction `longest` made.
    fn misfit(&mut self, read: &Read<'a>, longest: u32) {
        let mut seen = FxHashSet::default();
        if let Some(twice) = read.elements.iter().find(|value| !seen.insert(**value)) {
            self.note(Anomaly::DuplicateElements, read.key, *twice, &[read.transaction]);
            return;
        }
        for value in read.elements {
            let writer = self.versions.writer_of(read.key, *value);
            match writer.map(|writer| (writer, self.transactions.outcome(writer))) {
                None => self.note(Anomaly::ThinAir, read.key, *value, &[read.transaction]),
                Some((writer, Outcome::Info | Outcome::Open)) => self.live[writer as usize] = true,
                Some((_, Outcome::Fail)) => self.aborted[read.key as usize] = true,
                Some((_, Outcome::Ok)) => {}
            }
        }
        let value = read.elements.last().copied().unwrap_or_default();
        self.note(Anomaly::IncompatibleOrder, read.key, value, &[read.transaction, longest]);
    }

    /// Appends that no read shows, and whether those of one transaction stand in their order.
    fn find_unseen(&mut self) {
        for place in 0..self.transactions.len() as u32 {
            if self.live[place as usize] {
                self.find_unseen_of(place);
            }
        }
        self.unseen.sort_unstable_by_key(|unseen| (unseen.key, unseen.transaction));
        self.unseen.dedup_by_key(|unseen| (unseen.key, unseen.transaction));
    }

    fn find_unseen_of(&mut self, place: u32) {
        let transactions = self.transactions;
        let micros = transactions.micros(place);
        for (at, micro) in micros.iter().enumerate() {
            if micro.action != Action::Write {
                continue;
            }
            let (key, value) = (micro.key, micro.value);
            let position = self.position(key, value);
            if position == NONE {
                self.unseen.push(Unseen { key, transaction: place, value });
                continue;
            }
            let same_list = |other: &&Micro| other.action == Action::Write && other.key == key;
            let mut before = micros[..at].iter().filter(same_list);
            if before.any(|other| self.position(key, other.value) > position) {
                self.note(Anomaly::ReorderedAppends, key, value, &[place]);
            }
        }
    }

    fn position(&self, key: u32, value: ValueId) -> u32 {
        self.versions.number(key, value).map_or(NONE, |version| self.positions[version as usize])
    }

    fn connect(&mut self) {
        for key in 0..self.orders.len() as u32 {
            self.connect_writes(key);
        }
        for at in 0..self.reads.len() {
            let read = self.reads[at];
            self.connect_read(&read);
        }
    }

    /// The writer of an element, if it took effect.
    fn writer(&self, key: u32, value: ValueId) -> Option<u32> {
        let writer = self.versions.writer_of(key, value)?;
        self.live[writer as usize].then_some(writer)
    }

    fn arc(&mut self, kind: Dependency, from: u32, to: u32, key: u32, value: ValueId) {
        if from != to && self.arcs.len() < self.arcs_max {
            let key = self.transactions.keys[key as usize];
            self.arcs.push(Arc { from, to, key, value, kind, rests_on: Order::Plain });
        }
    }

    fn unseen_of(&self, key: u32) -> std::ops::Range<usize> {
        let first = self.unseen.partition_point(|unseen| unseen.key < key);
        let count = self.unseen[first..].iter().take_while(|unseen| unseen.key == key).count();
        first..first + count
    }

    /// Every element's writer comes before the next one's, the last before those that no read shows.
    fn connect_writes(&mut self, key: u32) {
        let order = std::mem::take(&mut self.orders[key as usize]);
        let mut last = None;
        for value in order.iter() {
            let Some(writer) = self.writer(key, *value) else { continue };
            if let Some((before, overwritten)) = last {
                self.arc(Dependency::WriteWrite, before, writer, key, overwritten);
            }
            last = Some((writer, *value));
        }
        if let Some((before, overwritten)) = last {
            for at in self.unseen_of(key) {
                let unseen = self.unseen[at];
                self.arc(Dependency::WriteWrite, before, unseen.transaction, key, overwritten);
            }
        }
        self.orders[key as usize] = order;
    }

    /// A reader comes after the writer of the last element it saw, and before the writer of the first that it did not.
    fn connect_read(&mut self, read: &Read<'a>) {
        let Read { transaction, key, elements, .. } = *read;
        let mut position = 0;
        if let Some(last) = elements.last() {
            position =
                self.position(key, *last).checked_add(1).map_or(usize::MAX, |at| at as usize);
            self.connect_to_writer(read, *last);
        }
        if read.contradicts {
            return;
        }
        let next = self.orders[key as usize].get(position..).unwrap_or_default().iter();
        let mut seen_next = next.filter_map(|value| Some((self.writer(key, *value)?, *value)));
        if let Some((writer, value)) = seen_next.next() {
            self.arc(Dependency::ReadWrite, transaction, writer, key, value);
        } else if position != usize::MAX {
            for at in self.unseen_of(key) {
                let unseen = self.unseen[at];
                self.arc(Dependency::ReadWrite, transaction, unseen.transaction, key, unseen.value);
            }
        }
        self.check_future(read);
    }

    fn connect_to_writer(&mut self, read: &Read<'a>, last: ValueId) {
        let Read { transaction, key, elements, .. } = *read;
        let Some(version) = self.versions.number(key, last) else { return };
        let writer = self.versions.writer(version);
        if self.live[writer as usize] {
            self.arc(Dependency::WriteRead, writer, transaction, key, last);
        }
        let may_lack = writer != transaction && self.versions.is_intermediate(version);
        if may_lack && self.is_cut_short(read, writer, last) {
            self.note(Anomaly::G1b, key, last, &[transaction, writer]);
        }
        self.check_aborted(transaction, key, elements);
    }

    /// Whether a read lacks what the writer of its last element appended afterwards. Of what failed G1a says more.
    fn is_cut_short(&self, read: &Read<'a>, writer: u32, last: ValueId) -> bool {
        let is_append = |micro: &&Micro| micro.action == Action::Write && micro.key == read.key;
        let appends = self.transactions.micros(writer).iter().filter(is_append);
        let mut later = appends.skip_while(|micro| micro.value != last).skip(1);
        self.transactions.outcome(writer) != Outcome::Fail
            && later.any(|micro| !read.elements.contains(&micro.value))
    }

    /// Whether anything was read that failed.
    fn check_aborted(&mut self, transaction: u32, key: u32, elements: &[ValueId]) {
        if !self.aborted[key as usize] {
            return;
        }
        for value in elements {
            if let Some(writer) = self.versions.writer_of(key, *value)
                && self.transactions.outcome(writer) == Outcome::Fail
            {
                self.note(Anomaly::G1a, key, *value, &[transaction, writer]);
            }
        }
    }

    /// Whether a transaction saw what it appended only later, or saw twice what it had appended before.
    fn check_future(&mut self, read: &Read<'a>) {
        let Read { transaction, key, elements, contradicts } = *read;
        if contradicts {
            return;
        }
        // Of a key only the first read is kept: its own appends before it are behind `elements` too.
        let mut anomaly = Anomaly::DuplicateElements;
        let transactions = self.transactions;
        for micro in transactions.micros(transaction).iter().filter(|micro| micro.key == key) {
            if micro.action == Action::Read {
                anomaly = Anomaly::FutureRead;
            } else if (self.position(key, micro.value) as usize) < elements.len() {
                self.note(anomaly, key, micro.value, &[transaction]);
            }
        }
    }
}

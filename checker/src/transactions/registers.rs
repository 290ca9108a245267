//! Transactions over registers. The order of a register's versions is only known in part (Kingsbury and Alvaro 2020, 5.3), from:
//!
//! * the initial state, which comes before everything that was written;
//! * a transaction that read one version and wrote another: what it wrote comes later. Were it otherwise there would be a cycle of a read and a
//!   write, so this holds from read committed on;
//! * two writers of which one was over before the other began, or that one process ran: this order is used for anomalies in real time and of processes only;
//! * what [`Assumptions`] add.
//!
//! An anomaly is therefore certain, its absence is not; unless the order is known completely, as when every write follows a read of the same key.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::anomaly::{Anomaly, Order};
use super::findings::{Anomalies, Dependencies};
use super::graph::{Arc, Next, components};
use super::lists::note_lost;
use super::micro::{Action, Micro, Transactions};
use super::precedence::{Span, successors};
use super::versions::{NONE, Versions};
use crate::certificate::Dependency;
use crate::history::{NEVER, Outcome, ValueId};

/// What may be taken for granted about registers, as Elle's options of these names do. Anomalies found so only mean something if the assumption holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assumptions {
    /// Each process sees each key in the order of its versions.
    pub sequential_keys: bool,
    /// Each key by itself is linearizable.
    pub linearizable_keys: bool,
}

/// A reader of a version is put before at most so many of the versions that may come next: one version with many unordered successors
/// would otherwise take an arc for each pair. Those that were over first are taken, which miss least.
const SUCCESSORS_MAX: usize = 64;

/// What a transaction read of a key before it wrote it.
#[derive(Clone, Copy)]
struct Read {
    version: u32,
    transaction: u32,
}

/// What a transaction left behind in a key.
#[derive(Clone, Copy)]
struct Write {
    key: u32,
    version: u32,
    transaction: u32,
    /// The version that the transaction had read, or [`NONE`].
    read: u32,
}

/// One version comes before another.
#[derive(Clone, Copy)]
struct Pair {
    key: u32,
    before: u32,
    after: u32,
    rests_on: Order,
    /// Whether the order of the writers follows too and is not known otherwise.
    orders_writers: bool,
}

pub(super) fn dependencies(
    transactions: &Transactions<'_>,
    versions: &Versions,
    assumptions: Assumptions,
) -> Dependencies {
    let mut registers = Registers::new(transactions, versions);
    registers.read_all();
    registers.collect_writes();
    let exact = registers.is_exact();
    registers.order_versions(assumptions);
    registers.connect();
    let Registers { arcs, live, anomalies, .. } = registers;
    Dependencies { arcs, live, exact, is_cut: false, anomalies }
}

/// Several transactions that read the same version of a register and overwrote it.
pub(super) fn lost_updates(transactions: &Transactions<'_>, anomalies: &mut Anomalies) {
    let mut seen: HashMap<(u32, ValueId), Vec<u32>, FxBuildHasher> = HashMap::default();
    for place in 0..transactions.len() as u32 {
        if transactions.outcome(place) != Outcome::Ok {
            continue;
        }
        let micros = transactions.micros(place);
        for (at, micro) in micros.iter().enumerate() {
            let touches = |other: &&Micro| other.key == micro.key;
            let is_external =
                micro.action == Action::Read && !micros[..at].iter().any(|m| touches(&m));
            let mut later = micros[at..].iter().filter(touches);
            if is_external && later.any(|other| other.action == Action::Write) {
                seen.entry((micro.key, micro.value)).or_default().push(place);
            }
        }
    }
    note_lost(transactions, seen, anomalies);
}

struct Registers<'a> {
    transactions: &'a Transactions<'a>,
    versions: &'a Versions,
    /// Versions that were read and that nobody wrote: after the written ones and the initial ones of each key.
    unwritten: HashMap<(u32, ValueId), u32, FxBuildHasher>,
    reads: Vec<Read>,
    /// Where the reads of each version begin, once they are sorted.
    readers: Vec<u32>,
    writes: Vec<Write>,
    pairs: Vec<Pair>,
    live: Vec<bool>,
    arcs: Vec<Arc>,
    anomalies: Anomalies,
}

impl<'a> Registers<'a> {
    fn new(transactions: &'a Transactions<'a>, versions: &'a Versions) -> Self {
        let is_ok = |place| transactions.outcome(place) == Outcome::Ok;
        Self {
            transactions,
            versions,
            unwritten: HashMap::default(),
            reads: Vec::with_capacity(transactions.steps() / 2),
            readers: vec![],
            writes: Vec::with_capacity(transactions.steps() / 2),
            pairs: vec![],
            live: (0..transactions.len() as u32).map(is_ok).collect(),
            arcs: vec![],
            anomalies: Anomalies::default(),
        }
    }

    fn note(&mut self, anomaly: Anomaly, micro: &Micro, transactions: &[u32]) {
        let key = self.transactions.keys[micro.key as usize];
        self.anomalies.note(anomaly, key, micro.value, transactions);
    }

    fn initial(&self, key: u32) -> u32 {
        self.versions.len() as u32 + key
    }

    /// The writer of a version that took effect.
    fn writer(&self, version: u32) -> Option<u32> {
        let written = (version as usize) < self.versions.len();
        let writer = written.then(|| self.versions.writer(version))?;
        self.live[writer as usize].then_some(writer)
    }

    /// Checks every transaction against itself, and keeps what it saw of others.
    fn read_all(&mut self) {
        let mut known: Vec<(u32, ValueId)> = Vec::new();
        for place in 0..self.transactions.len() as u32 {
            if self.transactions.outcome(place) != Outcome::Ok {
                continue;
            }
            known.clear();
            let transactions = self.transactions;
            for micro in transactions.micros(place) {
                let last = known.iter_mut().find(|(key, _)| *key == micro.key);
                match (micro.action, last) {
                    (Action::Write, Some((_, value))) => *value = micro.value,
                    (Action::Read, Some((_, value))) if *value != micro.value => {
                        self.note(Anomaly::Internal, micro, &[place]);
                    }
                    (Action::Read, Some(_)) => {}
                    (action, None) => {
                        known.push((micro.key, micro.value));
                        if action == Action::Read {
                            self.read(place, micro);
                        }
                    }
                }
            }
        }
    }

    fn read(&mut self, transaction: u32, micro: &Micro) {
        let version = self.version(micro);
        self.reads.push(Read { version, transaction });
        if micro.value == ValueId::NIL {
            return;
        }
        if version as usize >= self.versions.len() {
            self.note(Anomaly::ThinAir, micro, &[transaction]);
            return;
        }
        let writer = self.versions.writer(version);
        let outcome = self.transactions.outcome(writer);
        match outcome {
            Outcome::Fail => self.note(Anomaly::G1a, micro, &[transaction, writer]),
            Outcome::Info | Outcome::Open => self.live[writer as usize] = true,
            Outcome::Ok => {}
        }
        if writer == transaction {
            self.note(Anomaly::FutureRead, micro, &[transaction]);
        } else if self.versions.is_intermediate(version) && outcome != Outcome::Fail {
            // Of what failed G1a says more.
            self.note(Anomaly::G1b, micro, &[transaction, writer]);
        }
    }

    fn version(&mut self, micro: &Micro) -> u32 {
        if micro.value == ValueId::NIL {
            return self.initial(micro.key);
        }
        self.versions.number(micro.key, micro.value).unwrap_or_else(|| {
            let next = self.versions.len() + self.transactions.keys.len() + self.unwritten.len();
            *self.unwritten.entry((micro.key, micro.value)).or_insert(next as u32)
        })
    }

    /// What every transaction that took effect left behind, by key.
    fn collect_writes(&mut self) {
        let transactions = self.transactions;
        for (place, micro) in transactions.writes() {
            let version = self.versions.number(micro.key, micro.value).unwrap_or(NONE);
            if !self.live[place as usize] || self.versions.is_intermediate(version) {
                continue;
            }
            let mut touching =
                transactions.micros(place).iter().filter(|other| other.key == micro.key);
            let first = touching.next().filter(|first| first.action == Action::Read);
            let first = first.filter(|_| transactions.outcome(place) == Outcome::Ok).copied();
            let read = first.map(|first| self.version(&first)).filter(|read| *read != version);
            let read = read.unwrap_or(NONE);
            self.writes.push(Write { key: micro.key, version, transaction: place, read });
        }
        self.writes.sort_unstable_by_key(|write| (write.key, write.transaction));
        self.reads.sort_unstable_by_key(|read| (read.version, read.transaction));
        let count = self.versions.len() + self.transactions.keys.len() + self.unwritten.len();
        self.readers = vec![0; count + 1];
        for read in &self.reads {
            self.readers[read.version as usize + 1] += 1;
        }
        for version in 0..count {
            self.readers[version + 1] += self.readers[version];
        }
    }

    fn readers(&self, version: u32) -> &[Read] {
        let version = version as usize;
        &self.reads[self.readers[version] as usize..self.readers[version + 1] as usize]
    }

    /// Whether the versions of every key are a chain from the initial one, each read by the writer of the next.
    fn is_exact(&self) -> bool {
        let mut overwritten = vec![false; self.readers.len()];
        self.writes.iter().all(|write| {
            let read = if write.read == NONE { self.initial(write.key) } else { write.read };
            !std::mem::replace(&mut overwritten[read as usize], true)
        })
    }

    fn order_versions(&mut self, assumptions: Assumptions) {
        let writes = std::mem::take(&mut self.writes);
        for of_key in writes.chunk_by(|a, b| a.key == b.key) {
            self.order_by_reads(of_key);
            self.order_by_processes(of_key);
            self.order_by_time(of_key);
        }
        self.writes = writes;
        if assumptions.sequential_keys {
            self.assume(Self::in_processes);
        }
        if assumptions.linearizable_keys {
            self.assume(Self::in_time);
        }
    }

    fn pair(&mut self, key: u32, before: u32, after: u32, rests_on: Order) {
        self.pairs.push(Pair { key, before, after, rests_on, orders_writers: false });
    }

    /// What was read comes before what the same transaction wrote, and the initial state before all.
    fn order_by_reads(&mut self, writes: &[Write]) {
        let mut blind: Vec<_> = writes.iter().filter(|write| write.read == NONE).collect();
        let end = |write: &&Write| self.transactions.operation(write.transaction).completed;
        if blind.len() > SUCCESSORS_MAX {
            blind.sort_unstable_by_key(end);
            blind.truncate(SUCCESSORS_MAX);
        }
        for write in blind {
            self.pair(write.key, self.initial(write.key), write.version, Order::Plain);
        }
        for write in writes.iter().filter(|write| write.read != NONE) {
            self.pair(write.key, write.read, write.version, Order::Plain);
        }
    }

    fn order_by_processes(&mut self, writes: &[Write]) {
        let mut last: HashMap<u32, u32, FxBuildHasher> = HashMap::default();
        for write in writes {
            let process = self.transactions.operation(write.transaction).process;
            if let Some(before) = last.insert(process, write.version) {
                self.pair(write.key, before, write.version, Order::Process);
            }
        }
    }

    fn order_by_time(&mut self, writes: &[Write]) {
        let span = |write: &Write| {
            let operation = self.transactions.operation(write.transaction);
            Span {
                item: write.version,
                first_end: operation.completed,
                last_begin: operation.invoked,
            }
        };
        let mut spans: Vec<_> = writes.iter().map(span).collect();
        let key = writes[0].key;
        successors(&mut spans, |before, after| self.pair(key, before, after, Order::RealTime));
    }

    /// Adds what an assumption says about each key, unless that is impossible.
    fn assume(&mut self, order: impl Fn(&Self) -> Vec<Pair>) {
        let mut pairs = order(self);
        pairs.sort_by_key(|pair| pair.key);
        let certain = self.certain_pairs();
        for of_key in pairs.chunk_by(|a, b| a.key == b.key) {
            let key = of_key[0].key;
            let known = certain.get(&key).map_or(&[][..], Vec::as_slice);
            match cyclic(of_key, known) {
                None => self.pairs.extend(of_key),
                Some(version) => {
                    let readers = self.readers(version).iter().map(|read| read.transaction);
                    let shown: Vec<_> = readers.chain(self.writer(version)).collect();
                    let key = self.transactions.keys[key as usize];
                    self.anomalies.note(Anomaly::CyclicVersions, key, ValueId::NIL, &shown);
                }
            }
        }
    }

    /// What is known of each key without any assumption.
    fn certain_pairs(&self) -> HashMap<u32, Vec<Pair>, FxBuildHasher> {
        let mut certain: HashMap<u32, Vec<Pair>, FxBuildHasher> = HashMap::default();
        for pair in self.pairs.iter().filter(|pair| pair.rests_on == Order::Plain) {
            certain.entry(pair.key).or_default().push(*pair);
        }
        for ((key, _), version) in &self.unwritten {
            let (key, after, before) = (*key, *version, self.initial(*key));
            let pair = Pair { key, before, after, rests_on: Order::Plain, orders_writers: false };
            certain.entry(key).or_default().push(pair);
        }
        certain
    }

    /// Everything that touches a version: its key, the version, the transaction.
    fn touches(&self) -> Vec<(u32, u32, u32)> {
        let mut touches = Vec::new();
        let first_initial = self.versions.len() as u32;
        let unwritten: HashMap<u32, u32> =
            self.unwritten.iter().map(|((key, _), version)| (*version, *key)).collect();
        let written: HashMap<u32, u32> =
            self.writes.iter().map(|write| (write.version, write.key)).collect();
        for read in &self.reads {
            let initial = read
                .version
                .checked_sub(first_initial)
                .filter(|key| (*key as usize) < self.transactions.keys.len());
            let key = initial.or_else(|| unwritten.get(&read.version).copied());
            if let Some(key) = key.or_else(|| written.get(&read.version).copied()) {
                touches.push((key, read.version, read.transaction));
            }
        }
        touches
            .extend(self.writes.iter().map(|write| (write.key, write.version, write.transaction)));
        touches
    }

    fn in_processes(&self) -> Vec<Pair> {
        let mut touches = self.touches();
        let process = |place: u32| self.transactions.operation(place).process;
        // Within one transaction what was read comes before what was written.
        let is_write = |version: u32, place: u32| self.writer(version) == Some(place);
        touches.sort_unstable_by_key(|(key, version, place)| {
            (*key, process(*place), *place, is_write(*version, *place))
        });
        let pairs = touches.windows(2).filter_map(|two| {
            let [(key, before, a), (other, after, b)] = *two else { return None };
            let follows = key == other && process(a) == process(b) && before != after;
            follows.then_some(Pair {
                key,
                before,
                after,
                rests_on: Order::Plain,
                orders_writers: true,
            })
        });
        pairs.collect()
    }

    fn in_time(&self) -> Vec<Pair> {
        let mut spans: HashMap<(u32, u32), Span, FxBuildHasher> = HashMap::default();
        for (key, item, place) in self.touches() {
            let operation = self.transactions.operation(place);
            let span =
                spans.entry((key, item)).or_insert(Span { item, first_end: NEVER, last_begin: 0 });
            span.first_end = span.first_end.min(operation.completed);
            span.last_begin = span.last_begin.max(operation.invoked);
        }
        let mut spans: Vec<_> = spans.into_iter().map(|((key, _), span)| (key, span)).collect();
        spans.sort_unstable_by_key(|(key, span)| (*key, span.item));
        let mut pairs = Vec::new();
        for of_key in spans.chunk_by(|a, b| a.0 == b.0) {
            let key = of_key[0].0;
            let mut spans: Vec<_> = of_key.iter().map(|(_, span)| *span).collect();
            successors(&mut spans, |before, after| {
                pairs.push(Pair {
                    key,
                    before,
                    after,
                    rests_on: Order::Plain,
                    orders_writers: true,
                });
            });
        }
        pairs
    }

    fn connect(&mut self) {
        self.arcs.reserve(self.reads.len() + 2 * self.pairs.len());
        for at in 0..self.reads.len() {
            let Read { version, transaction } = self.reads[at];
            if let Some(writer) = self.writer(version) {
                let kind = Dependency::WriteRead;
                self.arc(kind, writer, transaction, version, Order::Plain);
            }
        }
        let pairs = std::mem::take(&mut self.pairs);
        pairs.iter().for_each(|pair| self.connect_pair(pair));
    }

    fn connect_pair(&mut self, pair: &Pair) {
        let Some(next) = self.writer(pair.after) else { return };
        for at in self.readers[pair.before as usize]..self.readers[pair.before as usize + 1] {
            let reader = self.reads[at as usize].transaction;
            self.arc(Dependency::ReadWrite, reader, next, pair.after, pair.rests_on);
        }
        if let Some(writer) = self.writer(pair.before).filter(|_| pair.orders_writers) {
            self.arc(Dependency::WriteWrite, writer, next, pair.before, pair.rests_on);
        }
    }

    fn arc(&mut self, kind: Dependency, from: u32, to: u32, version: u32, rests_on: Order) {
        if from == to {
            return;
        }
        let writer = self.versions.writer(version);
        let is_it = |micro: &&Micro| {
            micro.action == Action::Write
                && self.versions.number(micro.key, micro.value) == Some(version)
        };
        if let Some(micro) = self.transactions.micros(writer).iter().find(is_it) {
            let key = self.transactions.keys[micro.key as usize];
            self.arcs.push(Arc { from, to, key, value: micro.value, kind, rests_on });
        }
    }
}

/// A version that lies on a cycle of its key, if there is one.
fn cyclic(pairs: &[Pair], known: &[Pair]) -> Option<u32> {
    let mut numbers: HashMap<u32, u32, FxBuildHasher> = HashMap::default();
    let mut after: Vec<Vec<u32>> = Vec::new();
    let mut versions = Vec::new();
    for pair in pairs.iter().chain(known) {
        let mut number = |version: u32| {
            *numbers.entry(version).or_insert_with(|| {
                after.push(vec![]);
                versions.push(version);
                after.len() as u32 - 1
            })
        };
        let (a, b) = (number(pair.before), number(pair.after));
        after[a as usize].push(b);
    }
    let next =
        |node: u32, at: usize| after[node as usize].get(at).map_or(Next::End, |to| Next::Node(*to));
    let component = components(after.len(), next);
    let mut first = vec![NONE; after.len()];
    for (node, component) in component.iter().enumerate() {
        let first = &mut first[*component as usize];
        if *first != NONE {
            return Some(versions[node]);
        }
        *first = node as u32;
    }
    None
}

//! In which order the versions of a key came, as far as that is certain.
//!
//! What is assumed depends on what was done to the key:
//!
//! * **List** (something was appended): the order of the longest list that was read. Every other read must be a beginning of it.
//! * **Growth** (nothing but `cas` from an integer, or nothing, to a larger one, or no change at all): the order of the integers.
//! * **Real time** (other writes, no value twice): one version is older than another if its write, or a read that saw it, was over before
//!   the write of the other began. Writes that overlap are not ordered.
//!
//! Keys that are appended to and used otherwise have no order. The value `null` that nobody wrote is older than every version. Values that were written several times, or by nobody, have no version.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use super::elements::Elements;
use crate::explain::{seconds, who};
use crate::history::{History, NEVER, Operation, Outcome, ValueId, View};

/// A version became current after `from` and no later than `by`. The unit is the event, or the place in the order of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) from: u64,
    by: u64,
}

impl Version {
    /// Whether this one certainly came before.
    pub(super) fn is_older_than(self, other: Self) -> bool {
        self.by < other.from
    }

    /// Whether this one came before, or is the same. In a total order that is to be *not newer*.
    pub(super) fn is_not_newer_than(self, other: Self) -> bool {
        self.by <= other.from
    }

    fn at(place: u64) -> Self {
        Self { from: place, by: place }
    }
}

/// What is done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Append,
    /// The write of a `cas`, which replaces this value.
    Replace(ValueId),
}

/// One read or write of one key, by an operation or as a step of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    /// The operation.
    pub(super) place: u32,
    pub(super) key: u32,
    pub(super) kind: Kind,
    pub(super) value: ValueId,
}

/// How the versions of a key are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    List,
    Growth,
    RealTime,
    /// Appended to and used otherwise: nothing is assumed.
    Mixed,
}

/// What was done to a key.
#[derive(Clone, Copy, Default)]
struct Uses {
    appended: bool,
    /// Written, other than from an integer to a larger one.
    written: bool,
    /// A list was read.
    listed: bool,
    /// An integer was read, or replaced by a larger one.
    counted: bool,
    /// Something else was read.
    other: bool,
}

impl Uses {
    fn order(self) -> Order {
        match self {
            Self { appended: true, written: false, counted: false, other: false, .. } => {
                Order::List
            }
            Self { appended: true, .. } => Order::Mixed,
            Self { written: false, listed: false, other: false, .. } => Order::Growth,
            Self { written: false, counted: false, other: false, .. } => Order::List,
            _ => Order::RealTime,
        }
    }
}

/// Who wrote a value of a key.
#[derive(Clone, Copy)]
struct Written {
    writer: u32,
    /// The operation whose end shows that it had taken effect.
    proof: u32,
    version: Version,
    again: bool,
}

/// All accesses of a history, and the versions of its keys.
pub(super) struct Versions<'a> {
    history: &'a History,
    keys: Elements<'a>,
    values: Elements<'a>,
    accesses: Vec<Access>,
    orders: Vec<Order>,
    /// By key and value.
    written: FxHashMap<u64, Written>,
    /// By key: the longest list that was read.
    longest: Vec<&'a [ValueId]>,
    /// By key and element: its place in the longest list, from 1.
    places: FxHashMap<u64, u32>,
    /// By key: whether a read is no beginning of the longest list.
    forked: Vec<bool>,
}

impl<'a> Versions<'a> {
    /// Finds the versions of a history.
    pub(super) fn of(history: &'a History) -> Self {
        let count = history.operations().len();
        let mut versions = Self {
            history,
            keys: Elements::new(history.values(), count),
            values: Elements::new(history.values(), count),
            accesses: Vec::with_capacity(count),
            orders: Vec::new(),
            written: HashMap::default(),
            longest: Vec::new(),
            places: HashMap::default(),
            forked: Vec::new(),
        };
        for (place, operation) in history.operations().iter().enumerate() {
            if operation.outcome != Outcome::Fail {
                versions.take(place as u32, operation);
            }
        }
        versions.orders = versions.find_orders();
        versions.order_lists();
        versions.order_writes();
        versions
    }

    /// Accesses in order of invocation. Those of operations that ended *fail* are left out.
    pub(super) fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// How the versions of a key are ordered.
    pub(super) fn order(&self, key: u32) -> Order {
        self.orders[key as usize]
    }

    /// Whose access it is.
    pub(super) fn operation(&self, access: &Access) -> &'a Operation {
        &self.history.operations()[access.place as usize]
    }

    /// The operation with its names.
    pub(super) fn view(&self, place: u32) -> View<'a> {
        self.history.view(place as usize)
    }

    /// `key k`, or `the object` in a history without keys.
    pub(super) fn key_words(&self, key: u32) -> String {
        self.key_name(key).map_or_else(|| "the object".to_string(), |name| format!("key {name}"))
    }

    /// The key in words; nothing in a history without keys.
    pub(super) fn key_name(&self, key: u32) -> Option<String> {
        let id = self.keys.id(key as usize);
        (id != ValueId::NIL).then(|| self.history.values().words(id))
    }

    fn take(&mut self, place: u32, operation: &'a Operation) {
        let values = self.history.values();
        let f = self.history.view(place as usize).f();
        let succeeded = operation.outcome == Outcome::Ok;
        match f {
            "read" if succeeded => self.push(place, operation.key, Kind::Read, operation.value),
            "write" => self.push(place, operation.key, Kind::Write, operation.value),
            "append" => self.push(place, operation.key, Kind::Append, operation.value),
            "cas" => {
                let Some((old, new)) = values.pair(operation.value) else { return };
                if succeeded {
                    self.push(place, operation.key, Kind::Read, old);
                }
                self.push(place, operation.key, Kind::Replace(old), new);
            }
            "txn" => {
                for step in values.list(operation.value).unwrap_or_default() {
                    let Some([f, key, value]) = values.list(*step) else { continue };
                    match values.as_text(*f) {
                        Some("r") if succeeded => self.push(place, *key, Kind::Read, *value),
                        Some("w") => self.push(place, *key, Kind::Write, *value),
                        Some("append") => self.push(place, *key, Kind::Append, *value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, place: u32, key: ValueId, kind: Kind, value: ValueId) {
        let key = self.keys.number(key) as u32;
        self.accesses.push(Access { place, key, kind, value });
    }

    fn find_orders(&self) -> Vec<Order> {
        let mut uses = vec![Uses::default(); self.keys.len()];
        let values = self.history.values();
        let grows =
            |old: ValueId, new: ValueId| match (values.as_integer(old), values.as_integer(new)) {
                (Some(old), Some(new)) => old < new,
                (None, Some(_)) => old == ValueId::NIL,
                _ => false,
            };
        for access in &self.accesses {
            let uses = &mut uses[access.key as usize];
            match access.kind {
                Kind::Append => uses.appended = true,
                Kind::Read if access.value == ValueId::NIL => {}
                Kind::Read if values.list(access.value).is_some() => uses.listed = true,
                Kind::Read if values.as_integer(access.value).is_some() => uses.counted = true,
                Kind::Replace(old) if grows(old, access.value) => uses.counted = true,
                Kind::Read => uses.other = true,
                Kind::Write | Kind::Replace(_) => uses.written = true,
            }
        }
        uses.into_iter().map(Uses::order).collect()
    }

    /// Of each list the longest read, and whether all others are beginnings of it.
    fn order_lists(&mut self) {
        self.longest = vec![&[]; self.keys.len()];
        self.forked = vec![false; self.keys.len()];
        let values = self.history.values();
        let lists: Vec<_> = self
            .accesses
            .iter()
            .filter(|access| access.kind == Kind::Read)
            .filter_map(|access| Some((access.key, values.list(access.value)?)))
            .collect();
        for (key, list) in &lists {
            let longest = &mut self.longest[*key as usize];
            if list.len() > longest.len() {
                *longest = list;
            }
        }
        for (key, list) in &lists {
            let beginning = self.longest[*key as usize].iter();
            let same = beginning.zip(*list).all(|(a, b)| values.same(*a, *b));
            self.forked[*key as usize] |= !same;
        }
        for key in 0..self.longest.len() {
            for (place, element) in self.longest[key].iter().enumerate() {
                let entry = pair(key as u32, self.values.number(*element));
                self.places.insert(entry, place as u32 + 1);
            }
        }
    }

    /// Of each written value when it took effect.
    fn order_writes(&mut self) {
        for access in &self.accesses {
            let is_write = matches!(access.kind, Kind::Write | Kind::Replace(_));
            if !is_write || self.orders[access.key as usize] != Order::RealTime {
                continue;
            }
            let operation = &self.history.operations()[access.place as usize];
            let version = Version { from: u64::from(operation.invoked) + 1, by: over(operation) };
            let written =
                Written { writer: access.place, proof: access.place, version, again: false };
            let entry = pair(access.key, self.values.number(access.value));
            self.written.entry(entry).and_modify(|known| known.again = true).or_insert(written);
        }
        for access in self.accesses.iter().filter(|access| access.kind == Kind::Read) {
            if self.orders[access.key as usize] != Order::RealTime {
                continue;
            }
            let entry = pair(access.key, self.values.number(access.value));
            let by = over(&self.history.operations()[access.place as usize]);
            if let Some(written) = self.written.get_mut(&entry).filter(|w| by < w.version.by) {
                (written.version.by, written.proof) = (by, access.place);
            }
        }
    }

    /// The version that an access saw or made, or why it is not known.
    pub(super) fn version(&mut self, access: &Access) -> Result<Version, &'static str> {
        let key = access.key as usize;
        match self.orders[key] {
            Order::List => self.list_version(access),
            Order::Growth => match self.history.values().as_integer(access.value) {
                // Integers in order, above nothing.
                Some(number) => Ok(Version::at((number as u64 ^ (1 << 63)).saturating_add(1))),
                None => Ok(Version::at(0)),
            },
            Order::Mixed => Err("belongs to a key that is a list and something else"),
            Order::RealTime => match self.written(access) {
                Some(written) if written.again => Err("was written several times"),
                Some(written) => Ok(written.version),
                None if access.value == ValueId::NIL => Ok(Version::at(0)),
                None => Err("was written by nobody who may have succeeded"),
            },
        }
    }

    fn list_version(&mut self, access: &Access) -> Result<Version, &'static str> {
        let key = access.key as usize;
        if self.forked[key] {
            return Err("belongs to a list whose reads do not agree on an order");
        }
        if access.kind == Kind::Read {
            let length = self.history.values().list(access.value).map_or(0, <[_]>::len);
            return Ok(Version::at(length as u64));
        }
        let entry = pair(access.key, self.values.number(access.value));
        Ok(match self.places.get(&entry) {
            Some(place) => Version::at(u64::from(*place)),
            // Nobody saw it: it comes after everything that was seen, or was lost.
            None => Version { from: self.longest[key].len() as u64 + 1, by: u64::MAX },
        })
    }

    fn written(&mut self, access: &Access) -> Option<Written> {
        let entry = pair(access.key, self.values.number(access.value));
        self.written.get(&entry).copied()
    }

    /// Why one version is older than another, in a sentence, with the operations that show it.
    pub(super) fn why_older(&mut self, older: &Access, newer: &Access) -> (String, Vec<View<'a>>) {
        let shown =
            |access: &Access| crate::explain::brief(&self.history.values().json(access.value));
        let (a, b) = (shown(older), shown(newer));
        match self.order(older.key) {
            Order::List => {
                let of = |version: Result<Version, _>| version.map_or(0, |version| version.from);
                let longest = self.longest[older.key as usize].len() as u64;
                let (first, later) = (of(self.version(older)), of(self.version(newer)));
                let place = |place: u64| match place > longest {
                    true => "comes after everything that was read, or is lost".to_string(),
                    false => format!("reaches to place {place}"),
                };
                let (first, later) = (place(first), place(later));
                (format!("In the list that was read, {a} {first}, and {b} {later}."), vec![])
            }
            Order::Growth => {
                (format!("The values of {} only grow.", self.key_words(older.key)), vec![])
            }
            Order::RealTime | Order::Mixed => self.why_earlier(older, newer, &a, &b),
        }
    }

    fn why_earlier(
        &mut self,
        older: &Access,
        newer: &Access,
        a: &str,
        b: &str,
    ) -> (String, Vec<View<'a>>) {
        let (first, then) = (self.written(older), self.written(newer));
        let Some(then) = then.map(|then| self.view(then.writer)) else {
            return (format!("{a} is older than {b}."), vec![]);
        };
        let (writer, begun) = (who(then), seconds(then.invoked_time()));
        let Some(first) = first else {
            return (
                format!("{a} is from before the first write; {writer} wrote {b} from {begun} on."),
                vec![then],
            );
        };
        let (wrote, proof) = (self.view(first.writer), self.view(first.proof));
        let end = seconds(proof.completed_time().unwrap_or_else(|| proof.invoked_time()));
        let step = format!(
            "{a}, written by {}, had taken effect by {end}; {writer} began to write {b} only after that, at {begun}.",
            who(wrote)
        );
        (step, vec![wrote, proof, then])
    }
}

/// When an operation was over.
fn over(operation: &Operation) -> u64 {
    if operation.completed == NEVER { u64::MAX } else { u64::from(operation.completed) + 1 }
}

fn pair(key: u32, value: usize) -> u64 {
    u64::from(key) << 32 | value as u64
}

//! In which order the versions of a key came, as far as that is certain.
//!
//! What is assumed depends on what was done to the key:
//!
//! * **List** (something was appended): the order of the longest list that was read. Every other read must be a beginning of it.
//! * **Growth** (nothing but `cas` from an integer, or nothing, to a larger one, or no change at all): the order of the integers.
//! * **Real time** (other writes, no value twice): one version is older than another if its write, or a read that saw it, was over before
//!   the write of the other began. Writes that overlap are not ordered.
//!
//! Keys that are appended to and used otherwise have no order. The value `null` that nobody wrote is older than every version. Values that were
//! written several times, or by nobody, have no version.

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

/// Whatever has no number.
const NONE: u32 = u32::MAX;

/// A value of a key, or an element of its list.
#[derive(Clone, Copy)]
struct Written {
    /// Who wrote it first; [`NONE`] if nobody did who may have succeeded.
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
    /// By number; every access of a register and every append has one.
    written: Vec<Written>,
    /// The number of the value of each access; [`NONE`] where it has none.
    slots: Vec<u32>,
    /// By key: the longest list that was read.
    longest: Vec<&'a [ValueId]>,
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
            written: Vec::new(),
            slots: Vec::new(),
            longest: Vec::new(),
            forked: Vec::new(),
        };
        for (place, operation) in history.operations().iter().enumerate() {
            if operation.outcome != Outcome::Fail {
                versions.take(place as u32, operation);
            }
        }
        versions.orders = versions.find_orders();
        versions.find_longest_lists();
        versions.number_values();
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
    fn find_longest_lists(&mut self) {
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
    }

    /// Numbers what was written, so that each access is looked up once.
    fn number_values(&mut self) {
        let mut numbers =
            FxHashMap::with_capacity_and_hasher(self.accesses.len(), Default::default());
        for key in 0..self.longest.len() {
            for (place, element) in self.longest[key].iter().enumerate() {
                let version = Version::at(place as u64 + 1);
                numbers.insert(
                    pair(key as u32, self.values.number(*element)),
                    self.written.len() as u32,
                );
                self.written.push(Written { writer: NONE, proof: NONE, version, again: false });
            }
        }
        self.slots.reserve_exact(self.accesses.len());
        for access in &self.accesses {
            let is_listed = match self.orders[access.key as usize] {
                Order::List => access.kind == Kind::Append,
                Order::RealTime => true,
                Order::Growth | Order::Mixed => false,
            };
            self.slots.push(if is_listed {
                let next = self.written.len() as u32;
                let entry = pair(access.key, self.values.number(access.value));
                let number = *numbers.entry(entry).or_insert(next);
                if number == next {
                    // Nobody saw it in a list: it comes after everything that was seen, or was lost.
                    let from = self.longest[access.key as usize].len() as u64 + 1;
                    let version = Version { from, by: u64::MAX };
                    self.written.push(Written { writer: NONE, proof: NONE, version, again: false });
                }
                number
            } else {
                NONE
            });
        }
    }

    /// Of each value of a register when it took effect.
    fn order_writes(&mut self) {
        for is_read in [false, true] {
            for (access, slot) in self.accesses.iter().zip(&self.slots) {
                if self.orders[access.key as usize] != Order::RealTime
                    || (access.kind == Kind::Read) != is_read
                {
                    continue;
                }
                let operation = &self.history.operations()[access.place as usize];
                let (written, by) = (&mut self.written[*slot as usize], over(operation));
                if is_read && written.writer != NONE && by < written.version.by {
                    (written.version.by, written.proof) = (by, access.place);
                } else if !is_read && written.writer != NONE {
                    written.again = true;
                } else if !is_read {
                    let version = Version { from: u64::from(operation.invoked) + 1, by };
                    let (writer, proof) = (access.place, access.place);
                    *written = Written { writer, proof, version, again: false };
                }
            }
        }
    }

    /// The version that an access, by its number, saw or made; or why it is not known.
    pub(super) fn version(&self, number: usize) -> Result<Version, &'static str> {
        let access = &self.accesses[number];
        let key = access.key as usize;
        match self.orders[key] {
            Order::Mixed => Err("belongs to a key that is a list and something else"),
            Order::List if self.forked[key] => {
                Err("belongs to a list whose reads do not agree on an order")
            }
            Order::List if access.kind == Kind::Read => {
                let length = self.history.values().list(access.value).map_or(0, <[_]>::len);
                Ok(Version::at(length as u64))
            }
            Order::List => Ok(self.written[self.slots[number] as usize].version),
            Order::Growth => Ok(match self.history.values().as_integer(access.value) {
                // Integers in order, above nothing.
                Some(number) => Version::at((number as u64 ^ (1 << 63)).saturating_add(1)),
                None => Version::at(0),
            }),
            Order::RealTime => match self.written[self.slots[number] as usize] {
                Written { again: true, .. } => Err("was written several times"),
                Written { writer: NONE, .. } if access.value == ValueId::NIL => Ok(Version::at(0)),
                Written { writer: NONE, .. } => Err("was written by nobody who may have succeeded"),
                written => Ok(written.version),
            },
        }
    }

    /// Why the version of one access is older than that of another, in a sentence, with the operations that show it. Accesses are given by
    /// number.
    pub(super) fn why_older(&self, older: usize, newer: usize) -> (String, Vec<View<'a>>) {
        let key = self.accesses[older].key;
        match self.orders[key as usize] {
            Order::Growth => (format!("The values of {} only grow.", self.key_words(key)), vec![]),
            Order::RealTime => self.why_earlier(older, newer),
            Order::List | Order::Mixed => {
                let place = |access: usize| match self.version(access).map_or(0, |v| v.from) {
                    0 => "is from before the first element".to_string(),
                    place if place > self.longest[key as usize].len() as u64 => {
                        "comes after everything that was read, or is lost".to_string()
                    }
                    place => format!("reaches to place {place}"),
                };
                let (first, later) = (self.shown(older), self.shown(newer));
                let (at, then) = (place(older), place(newer));
                (
                    format!("In the longest list that was read, {first} {at}, and {later} {then}."),
                    vec![],
                )
            }
        }
    }

    fn shown(&self, access: usize) -> String {
        crate::explain::brief(&self.history.values().json(self.accesses[access].value))
    }

    fn why_earlier(&self, older: usize, newer: usize) -> (String, Vec<View<'a>>) {
        let (a, b) = (self.shown(older), self.shown(newer));
        let written = |access: usize| self.written[self.slots[access] as usize];
        let (first, then) = (written(older), self.view(written(newer).writer));
        let (writer, begun) = (who(then), seconds(then.invoked_time()));
        if first.writer == NONE {
            let step =
                format!("{a} is from before the first write; {writer} wrote {b} from {begun} on.");
            return (step, vec![then]);
        }
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

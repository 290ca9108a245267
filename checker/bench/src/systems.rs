//! The objects that histories are made of.

use std::collections::VecDeque;
use std::io::{self, Write};

use crate::random::Random;
use crate::simulate::System;

/// Registers by key, with unique values (`domain` 0) or few.
#[derive(Debug)]
pub struct Registers {
    values: Vec<Option<u64>>,
    /// Values are `0..domain`; 0 means that every write writes a new one.
    domain: u64,
    /// The part of operations that are cas.
    cas: f64,
    /// This read, counted from the first operation, returns the value that was there long before.
    bad_read: Option<usize>,
    written: u64,
    invoked: usize,
    /// The first value of the first key.
    early: Option<u64>,
}

impl Registers {
    /// So many registers.
    pub fn new(keys: usize, domain: u64, cas: f64, bad_read: Option<usize>) -> Self {
        let values = vec![None; keys];
        Self { values, domain, cas, bad_read, written: 0, invoked: 0, early: None }
    }

    fn new_value(&mut self, random: &mut Random) -> u64 {
        match self.domain {
            0 => {
                self.written += 1;
                self.written
            }
            domain => random.below(domain),
        }
    }
}

/// An operation on a register.
#[derive(Clone, Debug)]
pub struct RegisterOperation {
    key: usize,
    kind: RegisterKind,
    is_bad: bool,
}

#[derive(Clone, Copy, Debug)]
enum RegisterKind {
    Read(Option<u64>),
    Write(u64),
    Cas(Option<u64>, u64),
}

impl System for Registers {
    type Operation = RegisterOperation;

    fn invoke(&mut self, random: &mut Random) -> RegisterOperation {
        let key = random.below(self.values.len() as u64) as usize;
        self.invoked += 1;
        let is_bad = self.bad_read.is_some_and(|bad| self.invoked == bad);
        let kind = if is_bad {
            RegisterKind::Read(None)
        } else if random.chance(self.cas) {
            let old = match self.domain {
                0 => self.values[key],
                domain => Some(random.below(domain)),
            };
            RegisterKind::Cas(old, self.new_value(random))
        } else if random.chance(0.5) {
            RegisterKind::Write(self.new_value(random))
        } else {
            RegisterKind::Read(None)
        };
        RegisterOperation { key, kind, is_bad }
    }

    fn apply(&mut self, operation: &mut RegisterOperation) -> bool {
        let value = &mut self.values[operation.key];
        match &mut operation.kind {
            RegisterKind::Read(seen) if operation.is_bad => *seen = self.early,
            RegisterKind::Read(seen) => *seen = *value,
            RegisterKind::Write(new) => *value = Some(*new),
            RegisterKind::Cas(old, new) if old == value => *value = Some(*new),
            RegisterKind::Cas(..) => return false,
        }
        if self.early.is_none() && operation.key == 0 {
            self.early = self.values[0];
        }
        true
    }

    fn write(
        &self,
        out: &mut dyn Write,
        operation: &RegisterOperation,
        done: bool,
    ) -> io::Result<()> {
        let number = |value: Option<u64>| value.map_or("null".into(), |value| value.to_string());
        let (f, value) = match operation.kind {
            RegisterKind::Read(seen) => ("read", number(seen.filter(|_| done))),
            RegisterKind::Write(value) => ("write", value.to_string()),
            RegisterKind::Cas(old, new) => ("cas", format!("[{},{new}]", number(old))),
        };
        if self.values.len() > 1 {
            write!(out, r#""f":"{f}","key":{},"value":{value}"#, operation.key)
        } else {
            write!(out, r#""f":"{f}","value":{value}"#)
        }
    }
}

/// Elements that go in and come out again, each once.
#[derive(Debug)]
pub struct Collection {
    elements: VecDeque<u64>,
    is_stack: bool,
    added: u64,
}

impl Collection {
    /// An empty queue.
    pub fn queue() -> Self {
        Self { elements: VecDeque::new(), is_stack: false, added: 0 }
    }

    /// An empty stack.
    pub fn stack() -> Self {
        Self { is_stack: true, ..Self::queue() }
    }
}

/// Puts an element in, or takes one out.
#[derive(Clone, Debug)]
pub enum CollectionOperation {
    Add(u64),
    Remove(Option<u64>),
}

impl System for Collection {
    type Operation = CollectionOperation;

    fn invoke(&mut self, random: &mut Random) -> CollectionOperation {
        if random.chance(0.5) {
            return CollectionOperation::Remove(None);
        }
        self.added += 1;
        CollectionOperation::Add(self.added)
    }

    fn apply(&mut self, operation: &mut CollectionOperation) -> bool {
        match operation {
            CollectionOperation::Add(element) => self.elements.push_back(*element),
            CollectionOperation::Remove(out) => {
                let end = if self.is_stack {
                    self.elements.pop_back()
                } else {
                    self.elements.pop_front()
                };
                *out = end;
                return end.is_some();
            }
        }
        true
    }

    fn write(
        &self,
        out: &mut dyn Write,
        operation: &CollectionOperation,
        _done: bool,
    ) -> io::Result<()> {
        let [add, remove] = if self.is_stack { ["push", "pop"] } else { ["enqueue", "dequeue"] };
        match operation {
            CollectionOperation::Add(element) => {
                write!(out, r#""f":"{add}","value":{element}"#)
            }
            CollectionOperation::Remove(Some(element)) => {
                write!(out, r#""f":"{remove}","value":{element}"#)
            }
            CollectionOperation::Remove(None) => write!(out, r#""f":"{remove}","value":null"#),
        }
    }
}

/// A text that is put, appended to and read.
#[derive(Debug)]
pub struct Text {
    text: String,
    /// Pieces are one of so many letters; 0 means that each is new.
    letters: u64,
    written: u64,
}

impl Text {
    /// An empty text.
    pub fn new(letters: u64) -> Self {
        Self { text: String::new(), letters, written: 0 }
    }

    fn new_piece(&mut self, random: &mut Random) -> String {
        self.written += 1;
        match self.letters {
            0 => format!("x{};", self.written),
            letters => char::from(b'a' + random.below(letters) as u8).to_string(),
        }
    }
}

/// An operation on a text.
#[derive(Clone, Debug)]
pub enum TextOperation {
    Put(String),
    Append(String),
    Get(String),
}

impl System for Text {
    type Operation = TextOperation;

    fn invoke(&mut self, random: &mut Random) -> TextOperation {
        if random.chance(0.5) {
            return TextOperation::Get(String::new());
        }
        let piece = self.new_piece(random);
        match random.chance(0.5) {
            true => TextOperation::Put(piece),
            false => TextOperation::Append(piece),
        }
    }

    fn apply(&mut self, operation: &mut TextOperation) -> bool {
        match operation {
            TextOperation::Put(piece) => self.text.clone_from(piece),
            TextOperation::Append(piece) => self.text += piece,
            TextOperation::Get(seen) => seen.clone_from(&self.text),
        }
        true
    }

    fn write(&self, out: &mut dyn Write, operation: &TextOperation, done: bool) -> io::Result<()> {
        match operation {
            TextOperation::Put(piece) => write!(out, r#""f":"put","value":"{piece}""#),
            TextOperation::Append(piece) => write!(out, r#""f":"append","value":"{piece}""#),
            TextOperation::Get(seen) if done => write!(out, r#""f":"get","value":"{seen}""#),
            TextOperation::Get(_) => write!(out, r#""f":"get","value":null"#),
        }
    }
}

/// Transactions of one to four reads and writes over ten keys at a time; a key is left after 32 writes, or never.
#[derive(Debug)]
pub struct Transactions {
    /// By key: everything that was written, in order.
    keys: Vec<Vec<u64>>,
    active: [usize; 10],
    /// Lists show all that was written, registers the last.
    lists: bool,
    /// Each micro-operation takes effect at a time of its own.
    interleaved: bool,
    rotates: bool,
    written: u64,
}

/// Writes before a key is left.
const WRITES_A_KEY: usize = 32;

impl Transactions {
    /// Over lists that are appended to, or over registers; serializable, or without any concurrency control.
    pub fn new(lists: bool, interleaved: bool) -> Self {
        let active = std::array::from_fn(|key| key);
        let keys = vec![Vec::new(); active.len()];
        Self { keys, active, lists, interleaved, rotates: true, written: 0 }
    }

    /// Over registers that are one object; with ever new keys, or the same ones all the time.
    pub fn map(rotates: bool) -> Self {
        Self { rotates, ..Self::new(false, false) }
    }

    fn act(&mut self, act: &mut Act) {
        match act {
            Act::Read(key, seen) => {
                let all = &self.keys[*key];
                let from = if self.lists { 0 } else { all.len().saturating_sub(1) };
                *seen = all[from..].to_vec();
            }
            Act::Write(key, value) => {
                self.keys[*key].push(*value);
                if self.rotates && self.keys[*key].len() >= WRITES_A_KEY {
                    self.leave(*key);
                }
            }
        }
    }

    fn leave(&mut self, key: usize) {
        if let Some(active) = self.active.iter_mut().find(|active| **active == key) {
            *active = self.keys.len();
            self.keys.push(Vec::new());
        }
    }
}

/// A transaction and how much of it has happened.
#[derive(Clone, Debug)]
pub struct Transaction {
    acts: Vec<Act>,
    done: usize,
}

#[derive(Clone, Debug)]
enum Act {
    Read(usize, Vec<u64>),
    Write(usize, u64),
}

impl System for Transactions {
    type Operation = Transaction;

    fn invoke(&mut self, random: &mut Random) -> Transaction {
        let acts = (0..=random.below(4)).map(|_| {
            // Low keys are used more often.
            let place = random.below(10).min(random.below(10)) as usize;
            let key = self.active[place];
            if random.chance(0.5) {
                return Act::Read(key, Vec::new());
            }
            self.written += 1;
            Act::Write(key, self.written)
        });
        Transaction { acts: acts.collect(), done: 0 }
    }

    fn steps(&self, transaction: &Transaction) -> u64 {
        if self.interleaved { transaction.acts.len() as u64 - 1 } else { 0 }
    }

    fn step(&mut self, transaction: &mut Transaction, _random: &mut Random) {
        let place = transaction.done;
        if let Some(act) = transaction.acts.get_mut(place) {
            self.act(act);
            transaction.done += 1;
        }
    }

    fn apply(&mut self, transaction: &mut Transaction) -> bool {
        while transaction.done < transaction.acts.len() {
            self.act(&mut transaction.acts[transaction.done]);
            transaction.done += 1;
        }
        true
    }

    fn write(&self, out: &mut dyn Write, transaction: &Transaction, done: bool) -> io::Result<()> {
        write!(out, r#""f":"txn","value":["#)?;
        for (number, act) in transaction.acts.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            match act {
                Act::Read(key, _) if !done => write!(out, r#"{comma}["r",{key},null]"#)?,
                Act::Read(key, seen) if self.lists => {
                    write!(out, r#"{comma}["r",{key},{}]"#, list(seen))?;
                }
                Act::Read(key, seen) => {
                    let last = seen.last().map_or("null".into(), u64::to_string);
                    write!(out, r#"{comma}["r",{key},{last}]"#)?;
                }
                Act::Write(key, value) => {
                    let f = if self.lists { "append" } else { "w" };
                    write!(out, r#"{comma}["{f}",{key},{value}]"#)?;
                }
            }
        }
        write!(out, "]")
    }
}

fn list(elements: &[u64]) -> String {
    let words: Vec<_> = elements.iter().map(u64::to_string).collect();
    format!("[{}]", words.join(","))
}

//! What is measured.

use std::io::{self, Write};

use checker::models::Model;

use crate::simulate::{Load, simulate};
use crate::systems::{Collection, Registers, Text, Transactions};

/// A history and how it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name on the command line and in the table.
    pub name: &'static str,
    /// What is judged.
    pub model: Model,
    /// The object.
    pub object: Object,
    /// How it is used.
    pub load: Load,
    /// The target in seconds of wall time, from the file or for the check alone.
    pub target: Target,
    /// Whether the history is valid.
    pub is_valid: bool,
}

/// What a target speaks of, in seconds.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The check of a history in memory.
    Check(f64),
    /// Reading and checking.
    File(f64),
    /// None of its own.
    None,
}

/// The object of a case.
#[derive(Clone, Copy, Debug)]
pub enum Object {
    /// Registers with so many keys, a domain (0: unique values) and a part of cas; one bad read near the end or not.
    Registers {
        /// How many keys.
        keys: usize,
        /// How many values; 0 is as many as there are writes.
        domain: u64,
        /// The part of operations that are cas.
        cas: f64,
        /// Whether one read near the end is stale.
        bad: bool,
    },
    /// A queue.
    Queue,
    /// A stack.
    Stack,
    /// A text that is put, appended to and read.
    Text {
        /// Everything that is put or appended is one of so many letters; 0 is something new each time.
        letters: u64,
    },
    /// A map of registers, read and written by transactions of several keys; as many as there are, or ever new ones.
    Map {
        /// Whether a key is left after some writes.
        rotates: bool,
    },
    /// Transactions over lists or registers; interleaved means without concurrency control.
    Transactions {
        /// Lists that are appended to; registers otherwise.
        lists: bool,
        /// Whether each micro-operation takes effect at a time of its own.
        interleaved: bool,
    },
}

const UNIQUE: Object = Object::Registers { keys: 1, domain: 0, cas: 0.0, bad: false };
const FEW: Object = Object::Registers { keys: 1, domain: 5, cas: 0.3, bad: false };
const MILLION: usize = 1_000_000;

/// All cases: the rows of the table.
pub const CASES: &[Case] = &[
    register("unique-1m-100c", UNIQUE, (MILLION, 100, 0.0), Target::File(0.35)),
    register("unique-1m-100c-info", UNIQUE, (MILLION, 100, 0.05), Target::File(0.5)),
    Case {
        is_valid: false,
        ..register(
            "unique-1m-100c-stale",
            Object::Registers { keys: 1, domain: 0, cas: 0.0, bad: true },
            (MILLION, 100, 0.0),
            Target::File(0.5),
        )
    },
    register(
        "keys-1000-1m-10c",
        Object::Registers { keys: 1000, domain: 0, cas: 0.0, bad: false },
        (MILLION, 10, 0.0),
        Target::Check(0.03),
    ),
    register("unique-1m-10c", UNIQUE, (MILLION, 10, 0.0), Target::None),
    register("unique-10m-100c", UNIQUE, (10 * MILLION, 100, 0.0), Target::File(1.3)),
    register("few-100k-30c", FEW, (100_000, 30, 0.0), Target::Check(0.1)),
    register("few-100k-30c-info", FEW, (100_000, 30, 0.05), Target::Check(0.5)),
    register("few-100k-100c", FEW, (100_000, 100, 0.0), Target::Check(2.0)),
    register("unique-10k-5c", UNIQUE, (10_000, 5, 0.0), Target::None),
    register("unique-10k-10c", UNIQUE, (10_000, 10, 0.0), Target::None),
    register("unique-10k-30c", UNIQUE, (10_000, 30, 0.0), Target::None),
    collection("queue-1m-10c", Model::Queue, Object::Queue, 0.1),
    collection("stack-1m-10c", Model::Stack, Object::Stack, 0.4),
    searched("kv-100k-10c", Model::Kv, Object::Text { letters: 0 }, 0.0),
    searched("kv-100k-10c-info", Model::Kv, Object::Text { letters: 0 }, 0.01),
    searched("kv-100k-10c-letters-info", Model::Kv, Object::Text { letters: 5 }, 0.01),
    searched("map-100k-10c", Model::MultiRegister, Object::Map { rotates: false }, 0.0),
    searched("map-100k-10c-info", Model::MultiRegister, Object::Map { rotates: false }, 0.01),
    searched("map-100k-10c-rotating", Model::MultiRegister, Object::Map { rotates: true }, 0.0),
    transactions("list-append-1m", true, false, MILLION, Target::File(2.0)),
    transactions("rw-register-1m", false, false, MILLION, Target::File(3.0)),
    transactions("list-append-10k-anomalies", true, true, 10_000, Target::File(0.2)),
];

const fn register(
    name: &'static str,
    object: Object,
    (operations, clients, info): (usize, usize, f64),
    target: Target,
) -> Case {
    let load = Load { operations, clients, info, seed: 7 };
    Case { name, model: Model::CasRegister, object, load, target, is_valid: true }
}

const fn collection(name: &'static str, model: Model, object: Object, seconds: f64) -> Case {
    let load = Load { operations: MILLION, clients: 10, info: 0.0, seed: 7 };
    Case { name, model, object, load, target: Target::Check(seconds), is_valid: true }
}

/// What only the general search judges.
const fn searched(name: &'static str, model: Model, object: Object, info: f64) -> Case {
    let load = Load { operations: 100_000, clients: 10, info, seed: 7 };
    Case { name, model, object, load, target: Target::None, is_valid: true }
}

const fn transactions(
    name: &'static str,
    lists: bool,
    interleaved: bool,
    operations: usize,
    target: Target,
) -> Case {
    let model = if lists { Model::ListAppend } else { Model::RwRegister };
    let load = Load { operations, clients: 10, info: 0.0, seed: 7 };
    let object = Object::Transactions { lists, interleaved };
    Case { name, model, object, load, target, is_valid: !interleaved }
}

impl Case {
    /// The case of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.name == name)
    }

    /// Writes its history, with so many operations.
    pub fn write(&self, operations: usize, out: &mut dyn Write) -> io::Result<()> {
        let load = Load { operations, ..self.load };
        match self.object {
            Object::Registers { keys, domain, cas, bad } => {
                let bad = bad.then_some(operations * 97 / 100);
                simulate(&mut Registers::new(keys, domain, cas, bad), &load, out)
            }
            Object::Queue => simulate(&mut Collection::queue(), &load, out),
            Object::Stack => simulate(&mut Collection::stack(), &load, out),
            Object::Text { letters } => simulate(&mut Text::new(letters), &load, out),
            Object::Map { rotates } => simulate(&mut Transactions::map(rotates), &load, out),
            Object::Transactions { lists, interleaved } => {
                simulate(&mut Transactions::new(lists, interleaved), &load, out)
            }
        }
    }

    /// Whether the peer has such an object.
    pub fn has_peer(&self) -> bool {
        matches!(self.object, Object::Registers { .. })
    }
}

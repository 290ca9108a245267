//! The micro-operations of every transaction, with keys as dense numbers.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::history::{History, Operation, Outcome, ValueId, Values};
use crate::models::Model;

/// What one step of a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Reads a key.
    Read,
    /// Appends to a list, or writes a register.
    Write,
}

/// One step of a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Micro {
    /// The key, by its place in [`Transactions::keys`].
    pub(crate) key: u32,
    /// What was written, or read; nil where nothing was read.
    pub(crate) value: ValueId,
    /// What it does.
    pub(crate) action: Action,
}

/// All transactions of a history. A transaction is told by its place among the operations.
pub(crate) struct Transactions<'a> {
    /// Where they come from.
    pub(crate) history: &'a History,
    /// Every key that occurs.
    pub(crate) keys: Vec<ValueId>,
    micros: Vec<Micro>,
    /// Where the steps of each transaction begin; one more at the end.
    starts: Vec<u32>,
}

/// Why operations are no transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTransactions {
    /// The line of the invocation.
    pub line: usize,
    /// What does not fit.
    pub reason: String,
}

impl<'a> Transactions<'a> {
    /// Takes a history apart.
    pub(crate) fn of(history: &'a History, model: Model) -> Result<Self, NoTransactions> {
        let mut reader = Reader {
            values: history.values(),
            model,
            names: vec![],
            ranks: HashMap::default(),
            keys: vec![],
            micros: vec![],
        };
        let mut starts = Vec::with_capacity(history.operations().len() + 1);
        let txn = history.function("txn");
        for operation in history.operations() {
            starts.push(reader.micros.len() as u32);
            let read = match Some(operation.function) == txn {
                true => reader.transaction(operation),
                false => Err("not a txn".to_string()),
            };
            let line = || history.line(operation.invoked as usize);
            read.map_err(|reason| NoTransactions { line: line(), reason })?;
        }
        starts.push(reader.micros.len() as u32);
        Ok(Self { history, keys: reader.keys, micros: reader.micros, starts })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The operation of a transaction.
    pub(crate) fn operation(&self, place: u32) -> &'a Operation {
        &self.history.operations()[place as usize]
    }

    /// How a transaction ended.
    pub(crate) fn outcome(&self, place: u32) -> Outcome {
        self.operation(place).outcome
    }

    /// The steps of a transaction.
    pub(crate) fn micros(&self, place: u32) -> &[Micro] {
        let place = place as usize;
        &self.micros[self.starts[place] as usize..self.starts[place + 1] as usize]
    }

    /// Every write with its transaction.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (u32, &Micro)> {
        let of = |place: u32| self.micros(place).iter().map(move |micro| (place, micro));
        (0..self.len() as u32).flat_map(of).filter(|(_, micro)| micro.action == Action::Write)
    }

    /// How many steps there are in all.
    pub(crate) fn steps(&self) -> usize {
        self.micros.len()
    }

    /// The elements of a list that was read. Nil is the empty list.
    pub(crate) fn elements(&self, micro: &Micro) -> &'a [ValueId] {
        self.history.values().list(micro.value).unwrap_or_default()
    }
}

struct Reader<'a> {
    values: &'a Values,
    model: Model,
    /// Names of actions that were met, by number.
    names: Vec<(ValueId, Action)>,
    ranks: HashMap<ValueId, u32, FxBuildHasher>,
    keys: Vec<ValueId>,
    micros: Vec<Micro>,
}

impl Reader<'_> {
    fn transaction(&mut self, operation: &Operation) -> Result<(), String> {
        let values = self.values;
        let steps = match (operation.value, values.list(operation.value)) {
            (ValueId::NIL, _) => &[],
            (_, Some(steps)) => steps,
            _ => return Err("a txn carries a list of micro-operations".into()),
        };
        steps.iter().try_for_each(|step| self.step(*step, operation.outcome))
    }

    fn step(&mut self, step: ValueId, outcome: Outcome) -> Result<(), String> {
        let (values, model) = (self.values, self.model);
        let wrong = || {
            let write = if model == Model::ListAppend { "append" } else { "w" };
            let step = values.json(step);
            format!(
                "a micro-operation is [\"r\", key, value] or [\"{write}\", key, value], not {step}"
            )
        };
        let (name, key, value) = match self.values.list(step) {
            Some([name, key, value]) => (*name, *key, *value),
            Some([name, key]) => (*name, *key, ValueId::NIL),
            _ => return Err(wrong()),
        };
        let action = self.action(name).ok_or_else(wrong)?;
        if !key.is_scalar() || !self.is_value(action, value, outcome) {
            return Err(wrong());
        }
        let key = self.rank(key);
        self.micros.push(Micro { key, value, action });
        Ok(())
    }

    /// Writes carry a scalar that is not the initial value; what a list read saw is a list of scalars.
    fn is_value(&self, action: Action, value: ValueId, outcome: Outcome) -> bool {
        let is_list = || {
            let elements = self.values.list(value);
            elements.is_some_and(|elements| elements.iter().all(|element| element.is_scalar()))
        };
        match (action, self.model) {
            (Action::Write, _) => value.is_scalar() && value != ValueId::NIL,
            (Action::Read, _) if outcome != Outcome::Ok || value == ValueId::NIL => true,
            (Action::Read, Model::ListAppend) => is_list(),
            (Action::Read, _) => value.is_scalar(),
        }
    }

    fn action(&mut self, name: ValueId) -> Option<Action> {
        if let Some((_, action)) = self.names.iter().find(|(known, _)| *known == name) {
            return Some(*action);
        }
        let action = match (self.values.as_text(name)?, self.model) {
            ("r" | "read", _) => Action::Read,
            ("append", Model::ListAppend) => Action::Write,
            ("w" | "write", Model::RwRegister) => Action::Write,
            _ => return None,
        };
        self.names.push((name, action));
        Some(action)
    }

    fn rank(&mut self, key: ValueId) -> u32 {
        let next = self.keys.len() as u32;
        let rank = *self.ranks.entry(key).or_insert(next);
        if rank == next {
            self.keys.push(key);
        }
        rank
    }
}

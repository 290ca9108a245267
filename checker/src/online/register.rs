//! One register, event by event.
//!
//! Every value that may still be read is known with its writer. A value that somebody certainly saw, or whose write completed, has a place: a
//! block (`blocks.rs`). A successful cas continues the block of the value that it found, so that a block is a chain of values; an open or
//! *info* cas does so at the completion that shows its value to somebody.
//!
//! Within a block, a read of an early value must not have begun after something later in the chain completed. Completions come in order, so
//! the first of those is the one with which the chain grew beyond the value ([`Replaced`]).

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::blocks::{Blocks, INITIAL, Number};
use super::evidence::{Impossible, Operation, Step};
use super::names::Name;
use super::open::{OpenOperations, Ticket};
use crate::history::Outcome;

/// A register as far as it has been followed.
#[derive(Debug)]
pub(super) struct Register {
    values: HashMap<Name, Value, FxBuildHasher>,
    blocks: Blocks,
    open: OpenOperations,
    /// How many values and blocks are kept for the sake of the explanation.
    remembered: usize,
    /// With so many values those that nobody needs are left out.
    sweep_at: usize,
    /// Whether any was left out.
    has_forgotten: bool,
}

/// A value that was written while it may still be read may be that of either write: the register can no longer be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeats;

#[derive(Clone, Copy, Debug)]
struct Value {
    /// None of the initial one.
    writer: Option<Operation>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nobody has seen it, and its write has not completed.
    Pending,
    /// It certainly was there.
    Placed {
        block: Number,
        /// The operation whose completion showed it; none of the initial value.
        proof: Option<Operation>,
        replaced: Option<Replaced>,
    },
    /// Its write failed. Kept for the sake of the explanation.
    Failed,
}

/// A cas that certainly took effect led away from a value.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    /// The completion that showed it.
    at: u64,
    /// The next value.
    by: Name,
}

impl Register {
    /// A register that nobody has used.
    pub(super) fn new(remembered: usize) -> Self {
        let initial = State::Placed { block: INITIAL, proof: None, replaced: None };
        let mut values = HashMap::default();
        values.insert(Name::NIL, Value { writer: None, state: initial });
        Self {
            values,
            blocks: Blocks::new(remembered),
            open: OpenOperations::default(),
            remembered,
            sweep_at: 2 * remembered,
            has_forgotten: false,
        }
    }

    /// An operation begins.
    pub(super) fn begin(&mut self, operation: &Operation) -> Result<Ticket, Repeats> {
        let ticket = self.open.begin(operation.invoked);
        if let Some(name) = operation.written() {
            let first_open = self.open.first();
            if self.values.get(&name).is_some_and(|value| !self.is_over(value, first_open)) {
                return Err(Repeats);
            }
            let value = Value { writer: Some(*operation), state: State::Pending };
            self.values.insert(name, value);
        }
        Ok(ticket)
    }

    /// An operation ends, at the latest event (`now`).
    pub(super) fn end(
        &mut self,
        operation: &Operation,
        ticket: Ticket,
        now: u64,
    ) -> Result<(), Box<Impossible>> {
        match operation.outcome {
            Outcome::Ok => self.succeed(operation, now)?,
            Outcome::Fail => self.fail(operation)?,
            Outcome::Info | Outcome::Open => {}
        }
        self.open.end(ticket);
        self.blocks.settle(self.open.first());
        if self.values.len() > self.sweep_at {
            self.sweep();
        }
        Ok(())
    }

    /// How many blocks something may still join, and how many writes nobody has seen.
    pub(super) fn live(&self) -> usize {
        let pending = self.values.values().filter(|value| matches!(value.state, State::Pending));
        self.blocks.live() + pending.count()
    }

    /// The names of all values that are still known.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        let writers = self.values.values().filter_map(|value| value.writer.as_ref());
        let of_writers = writers.flat_map(Operation::names);
        let of_blocks = self.blocks.operations().flat_map(Operation::names);
        self.values.keys().copied().chain(of_writers).chain(of_blocks)
    }

    /// How many values and blocks are kept, those for the sake of the explanation included.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.values.len() + self.blocks.held()
    }

    fn succeed(&mut self, operation: &Operation, now: u64) -> Result<(), Box<Impossible>> {
        if let Some(name) = operation.looked() {
            return self.look(operation, name, now);
        }
        let Some(name) = operation.written() else { return Ok(()) };
        if let Some(value) = self.own(operation, name) {
            value.writer = Some(*operation);
            if matches!(value.state, State::Pending) {
                self.place(operation, name, now)?;
            }
        }
        // Otherwise somebody saw it, and it has been replaced since.
        Ok(())
    }

    /// A write that somebody saw must not fail.
    fn fail(&mut self, operation: &Operation) -> Result<(), Box<Impossible>> {
        let Some(name) = operation.written() else { return Ok(()) };
        let proof = match self.own(operation, name) {
            Some(value) => {
                value.writer = Some(*operation);
                match std::mem::replace(&mut value.state, State::Failed) {
                    State::Placed { proof, .. } => proof,
                    State::Pending | State::Failed => return Ok(()),
                }
            }
            None => None,
        };
        Err(Impossible::aborted(*operation, proof))
    }

    /// The value that an operation wrote, if it is still known as its own.
    fn own(&mut self, operation: &Operation, name: Name) -> Option<&mut Value> {
        let value = self.values.get_mut(&name)?;
        value.writer.is_some_and(|writer| writer.invoked == operation.invoked).then_some(value)
    }

    /// A completed operation found a value and left it as it was.
    fn look(&mut self, operation: &Operation, name: Name, now: u64) -> Result<(), Box<Impossible>> {
        if self.values.get(&name).is_some_and(|value| matches!(value.state, State::Pending)) {
            self.place(operation, name, now)?;
        }
        let block = self.joinable(operation, name, operation.invoked)?;
        let joined = self.blocks.join(block, operation.invoked, operation);
        joined.map_err(|other| self.impossible(operation, name, &[block, other]))
    }

    /// The block of a value that an operation found which began then.
    fn joinable(
        &self,
        culprit: &Operation,
        name: Name,
        invoked: u64,
    ) -> Result<Number, Box<Impossible>> {
        let state = self.values.get(&name).map(|value| value.state);
        let Some(State::Placed { block, replaced, .. }) = state else {
            return Err(self.impossible(culprit, name, &[]));
        };
        if let Some(other) = self.blocks.closed_by(block) {
            return Err(self.impossible(culprit, name, &[block, other]));
        }
        match replaced {
            Some(replaced) if replaced.at < invoked => {
                Err(self.impossible(culprit, name, &[block]))
            }
            _ => Ok(block),
        }
    }

    /// A completion shows a value that was pending: it certainly was there, and so was what a cas had to find for it.
    fn place(&mut self, proof: &Operation, name: Name, now: u64) -> Result<(), Box<Impossible>> {
        let mut chain: Vec<(Name, Operation)> = Vec::new();
        let mut found = name;
        let block = loop {
            let value = self.values.get(&found);
            let pending = value.filter(|value| matches!(value.state, State::Pending));
            match pending.and_then(|value| value.writer) {
                Some(Operation { step: Step::Cas(old, _), .. })
                    if chain.len() > self.values.len() =>
                {
                    return Err(self.impossible(proof, old, &[])); // A circle: nothing wrote the first of them.
                }
                Some(cas @ Operation { step: Step::Cas(old, _), .. }) => {
                    chain.push((found, cas));
                    found = old;
                }
                Some(write) => {
                    let block = self.blocks.add(now, write.invoked, *proof);
                    self.set(found, block, proof);
                    break block;
                }
                None => break self.end_of_chain(proof, found)?,
            }
        };
        while let Some((new, cas)) = chain.pop() {
            self.replace(found, Replaced { at: now, by: new });
            self.set(new, block, proof);
            let joined = self.blocks.join(block, cas.invoked, &cas);
            joined.map_err(|other| self.impossible(proof, found, &[block, other]))?;
            found = new;
        }
        Ok(())
    }

    /// The block of a value that a cas found: no other cas may have led away from it.
    fn end_of_chain(&self, culprit: &Operation, name: Name) -> Result<Number, Box<Impossible>> {
        // Whatever replaced it has completed by now.
        self.joinable(culprit, name, u64::MAX)
    }

    fn set(&mut self, name: Name, block: Number, proof: &Operation) {
        if let Some(value) = self.values.get_mut(&name) {
            value.state = State::Placed { block, proof: Some(*proof), replaced: None };
        }
    }

    fn replace(&mut self, name: Name, by: Replaced) {
        let value = self.values.get_mut(&name);
        if let Some(State::Placed { replaced, .. }) = value.map(|value| &mut value.state) {
            *replaced = Some(by);
        }
    }

    /// Whether no operation that is open or still to come can find a value any more.
    fn is_over(&self, value: &Value, first_open: u64) -> bool {
        match value.state {
            State::Pending => false,
            State::Failed => true,
            State::Placed { block, replaced, .. } => {
                replaced.is_some_and(|replaced| replaced.at < first_open)
                    || self.blocks.closed_by(block).is_some()
            }
        }
    }

    /// Leaves out values that are over, but for the latest.
    fn sweep(&mut self) {
        let first_open = self.open.first();
        let mut values = std::mem::take(&mut self.values);
        values.retain(|_, value| match value.state {
            State::Placed { block, .. } if !self.blocks.is_forgotten(block) => {
                let chained =
                    value.writer.is_some_and(|writer| matches!(writer.step, Step::Cas(..)));
                !chained || !self.is_over(value, first_open)
            }
            _ => !self.is_over(value, first_open),
        });
        self.values = values;
        self.has_forgotten = true;
        self.sweep_at = 2 * self.values.len() + self.remembered;
    }

    /// Why an operation cannot have found a value: what is known of the value, and of these blocks.
    fn impossible(&self, culprit: &Operation, name: Name, blocks: &[Number]) -> Box<Impossible> {
        let mut operations = Vec::new();
        let mut names = vec![name];
        for proof in blocks.iter().map(|block| self.blocks.proof(*block)) {
            operations.extend(proof.first.into_iter().chain(proof.last));
        }
        names.extend(operations.iter().chain([culprit]).flat_map(Operation::names));
        for value in names.iter().filter_map(|name| self.values.get(name)) {
            operations.extend(value.writer);
            if let State::Placed { proof, replaced, .. } = value.state {
                operations.extend(proof);
                let next = replaced.and_then(|replaced| self.values.get(&replaced.by));
                operations.extend(next.and_then(|next| next.writer));
            }
        }
        let is_known = self.values.contains_key(&name) || !self.has_forgotten;
        Impossible::new(*culprit, operations, is_known)
    }
}

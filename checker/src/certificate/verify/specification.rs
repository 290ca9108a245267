//! What the objects promise when nobody interferes: the verifier's own sequential specifications, written straight from the values in the history.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::history::{History, Operation, Outcome, ValueId, Values};
use crate::models::Model;

/// What an operation does to its object, or says about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Act {
    /// The value is this.
    See(ValueId),
    /// The value is not this.
    SeeNot(ValueId),
    /// The value becomes this.
    Write(ValueId),
    /// The value is the first and becomes the second; they differ.
    Cas(ValueId, ValueId),
    /// The text becomes this.
    Put(String),
    /// This is put at the end of the text.
    Extend(String),
    /// The text is this.
    Text(String),
    /// The sum grows by this.
    Count(i128),
    /// The sum is this.
    Sum(i128),
    /// The sum is this now, and was at most this before; others may have made it grow.
    Reach(i128),
    /// An element is put in at the end.
    Insert(ValueId),
    /// An element is put into a set; if it is told, it was not in before, or was.
    Add(ValueId, Option<bool>),
    /// An element is taken out of a set; if it is told, it was in before, or was not.
    Remove(ValueId, Option<bool>),
    /// An element is in a set, or is not.
    Contains(ValueId, bool),
    /// These are all elements.
    All(Vec<ValueId>),
    /// The next element is this and is taken; nil: there is none.
    Take(ValueId),
    /// The next element, whatever it is, is taken if there is one.
    TakeAny,
    /// The next element is this and stays; nil: there is none.
    Peek(ValueId),
    /// The lock is free and is taken; the token is larger than all before.
    Acquire(Option<i64>),
    /// The lock is held and is given back.
    Release,
    /// Several keys are read and written at once.
    Transaction(Vec<Access>),
}

/// One step of a transaction on registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    /// The key has this value.
    Read(ValueId, ValueId),
    /// The key gets this value.
    Write(ValueId, ValueId),
}

impl Act {
    /// Whether it changes nothing.
    pub(super) fn is_observer(&self) -> bool {
        match self {
            Self::See(_) | Self::SeeNot(_) | Self::Text(_) | Self::Sum(_) | Self::Count(0) => true,
            Self::Add(_, Some(false)) | Self::Remove(_, Some(false)) => true,
            Self::Contains(..) | Self::All(_) | Self::Peek(_) | Self::Take(ValueId::NIL) => true,
            Self::Transaction(steps) => steps.iter().all(|step| matches!(step, Access::Read(..))),
            _ => false,
        }
    }

    /// The element that it is about, in a set, queue, stack or list.
    pub(super) fn element(&self) -> Option<ValueId> {
        match *self {
            Self::Insert(element) | Self::Contains(element, _) => Some(element),
            Self::Add(element, _) | Self::Remove(element, _) => Some(element),
            Self::Take(element) | Self::Peek(element) if element != ValueId::NIL => Some(element),
            _ => None,
        }
    }
}

/// The state of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// A register.
    Register(ValueId),
    /// A text.
    Text(String),
    /// A counter.
    Sum(i128),
    /// A set.
    Set(BTreeSet<ValueId>),
    /// A queue.
    Queue(VecDeque<ValueId>),
    /// A stack or a list, its end last.
    Sequence(Vec<ValueId>),
    /// A lock: whether it is held, and the largest token that is known.
    Lock(bool, Option<i64>),
    /// Registers by key; nil where there is none.
    Map(BTreeMap<ValueId, ValueId>),
}

impl State {
    /// How an object begins.
    pub(super) fn initial(model: Model) -> Self {
        match model {
            Model::Kv => Self::Text(String::new()),
            Model::Counter => Self::Sum(0),
            Model::Set => Self::Set(BTreeSet::new()),
            Model::Queue => Self::Queue(VecDeque::new()),
            Model::Stack | Model::List => Self::Sequence(Vec::new()),
            Model::Lock | Model::Mutex => Self::Lock(false, None),
            Model::MultiRegister => Self::Map(BTreeMap::new()),
            _ => Self::Register(ValueId::NIL),
        }
    }

    /// Applies an act; false if it cannot happen in this state, which then means nothing any more. An observer never changes it.
    pub(super) fn apply(&mut self, act: &Act) -> bool {
        match (self, act) {
            (Self::Register(value), act) => register(value, act),
            (Self::Text(text), Act::Text(seen)) => text == seen,
            (Self::Text(text), Act::Put(new)) => {
                text.clone_from(new);
                true
            }
            (Self::Text(text), Act::Extend(more)) => {
                text.push_str(more);
                true
            }
            (Self::Sum(sum), Act::Sum(seen)) => sum == seen,
            (Self::Sum(least), Act::Reach(seen)) => {
                *least = (*seen).max(*least);
                *least == *seen
            }
            (Self::Sum(sum), Act::Count(more)) => {
                *sum += more;
                true
            }
            (Self::Set(set), act) => self::set(set, act),
            (Self::Queue(queue), act) => self::queue(queue, act),
            (Self::Sequence(sequence), act) => self::sequence(sequence, act),
            (Self::Lock(held, largest), Act::Acquire(token)) => {
                let grows = token.is_none() || *token > *largest;
                *largest = token.or(*largest);
                !std::mem::replace(held, true) && grows
            }
            (Self::Lock(held, _), Act::Release) => std::mem::replace(held, false),
            (Self::Map(map), Act::Transaction(steps)) => {
                steps.iter().all(|step| access(map, *step))
            }
            _ => false,
        }
    }
}

fn register(value: &mut ValueId, act: &Act) -> bool {
    match *act {
        Act::See(seen) => *value == seen,
        Act::SeeNot(other) => *value != other,
        Act::Write(new) => {
            *value = new;
            true
        }
        Act::Cas(old, new) => std::mem::replace(value, new) == old,
        _ => false,
    }
}

fn set(set: &mut BTreeSet<ValueId>, act: &Act) -> bool {
    match act {
        Act::Add(element, Some(is_new)) if set.contains(element) == *is_new => false,
        Act::Remove(element, Some(was_in)) if set.contains(element) != *was_in => false,
        Act::Add(element, _) => {
            set.insert(*element);
            true
        }
        Act::Remove(element, _) => {
            set.remove(element);
            true
        }
        Act::Contains(element, is_in) => set.contains(element) == *is_in,
        Act::All(elements) => {
            let distinct: BTreeSet<_> = elements.iter().copied().collect();
            distinct.len() == elements.len() && distinct == *set
        }
        _ => false,
    }
}

fn queue(queue: &mut VecDeque<ValueId>, act: &Act) -> bool {
    match act {
        Act::Insert(element) => queue.push_back(*element),
        Act::Take(ValueId::NIL) => return queue.is_empty(),
        Act::Take(element) => return queue.pop_front() == Some(*element),
        Act::TakeAny => drop(queue.pop_front()),
        Act::Peek(element) => return queue.front().unwrap_or(&ValueId::NIL) == element,
        _ => return false,
    }
    true
}

fn sequence(sequence: &mut Vec<ValueId>, act: &Act) -> bool {
    match act {
        Act::Insert(element) => sequence.push(*element),
        Act::Take(ValueId::NIL) => return sequence.is_empty(),
        Act::Take(element) => return sequence.pop() == Some(*element),
        Act::TakeAny => drop(sequence.pop()),
        Act::Peek(element) => return sequence.last().unwrap_or(&ValueId::NIL) == element,
        Act::All(elements) => return sequence == elements,
        _ => return false,
    }
    true
}

fn access(map: &mut BTreeMap<ValueId, ValueId>, step: Access) -> bool {
    match step {
        Access::Read(key, value) => map.get(&key).unwrap_or(&ValueId::NIL) == &value,
        Access::Write(key, value) => {
            map.insert(key, value);
            true
        }
    }
}

/// Reads what operations do out of a history.
pub(super) struct Acts<'a> {
    history: &'a History,
    model: Model,
    /// The names of functions, by number.
    functions: Vec<&'a str>,
    mismatch: Option<u8>,
    /// Lists and maps by their text, for equal ones may have several numbers.
    structures: HashMap<String, ValueId>,
}

impl<'a> Acts<'a> {
    pub(super) fn new(history: &'a History, model: Model) -> Self {
        let functions = std::iter::once("").chain(history.functions()).collect();
        let mismatch = history.error("mismatch");
        Self { history, model, functions, mismatch, structures: HashMap::new() }
    }

    /// What an operation does; nothing if it cannot have done anything or says nothing. Without a result it did not observe anything.
    ///
    /// An error is an operation that the model does not have, or a value of the wrong shape.
    pub(super) fn of(&mut self, operation: &Operation) -> Result<Option<Act>, &'static str> {
        let f = self.functions[operation.function as usize];
        let certain = operation.outcome == Outcome::Ok;
        if operation.outcome == Outcome::Fail {
            let refuted = f == "cas" && self.history.is_error(operation, self.mismatch);
            return if refuted { self.cas(operation.value, Outcome::Fail) } else { Ok(None) };
        }
        let act = match (self.model, f) {
            (Model::Register | Model::CasRegister, "cas") => {
                return self.cas(operation.value, operation.outcome);
            }
            (Model::MultiRegister, "txn" | "read" | "write") => self.transaction(operation)?,
            (_, "read" | "get" | "contains" | "peek") if !certain => return Ok(None),
            (Model::Queue, "dequeue") | (Model::Stack, "pop") if !certain => Act::TakeAny,
            (Model::Lock, "acquire") if !certain => Act::Acquire(None),
            (_, f) => self.single(f, operation.value, certain)?,
        };
        Ok((certain || !act.is_observer()).then_some(act))
    }

    fn single(&mut self, f: &str, value: ValueId, certain: bool) -> Result<Act, &'static str> {
        let values = self.history.values();
        let integer = || values.as_integer(value).ok_or("is no integer that fits");
        Ok(match (self.model, f) {
            (Model::Register | Model::CasRegister, "read") => Act::See(self.value(value)),
            (Model::Register | Model::CasRegister, "write") => Act::Write(self.value(value)),
            (Model::Kv, "get") => Act::Text(text(values, value)),
            (Model::Kv, "put") => Act::Put(text(values, value)),
            (Model::Kv, "append") => Act::Extend(text(values, value)),
            (Model::Counter, "add") => Act::Count(integer()?.into()),
            (Model::Counter, "read") if value == ValueId::NIL => Act::Sum(0),
            (Model::Counter, "read") => Act::Sum(integer()?.into()),
            (Model::Set, "add" | "remove" | "contains") => self.member(f, value, certain)?,
            (Model::Set | Model::List, "read") => Act::All(self.elements(value)?),
            (Model::Queue, "enqueue") | (Model::Stack, "push") if value == ValueId::NIL => {
                return Err("is null, which is what an empty one answers");
            }
            (Model::Queue, "enqueue") | (Model::Stack, "push") | (Model::List, "append") => {
                Act::Insert(self.value(value))
            }
            (Model::Queue, "dequeue") | (Model::Stack, "pop") => Act::Take(self.value(value)),
            (Model::Queue | Model::Stack, "peek") => Act::Peek(self.value(value)),
            (Model::Lock, "acquire") => Act::Acquire(Some(integer()?)),
            (Model::Mutex, "acquire") => Act::Acquire(None),
            (Model::Lock | Model::Mutex, "release") => Act::Release,
            _ => return Err("is of no operation that the model has"),
        })
    }

    /// An operation on one element of a set: `x`, or `[x, answer]`.
    fn member(&mut self, f: &str, value: ValueId, certain: bool) -> Result<Act, &'static str> {
        let (element, answer) = match self.history.values().pair(value) {
            Some((element, answer @ (ValueId::TRUE | ValueId::FALSE))) => {
                (element, Some(answer == ValueId::TRUE))
            }
            _ => (value, None),
        };
        let element = self.value(element);
        Ok(match f {
            "add" => Act::Add(element, answer.filter(|_| certain)),
            "remove" => Act::Remove(element, answer.filter(|_| certain)),
            _ => Act::Contains(element, answer.ok_or("is no pair [element, answer]")?),
        })
    }

    fn cas(&mut self, value: ValueId, outcome: Outcome) -> Result<Option<Act>, &'static str> {
        let (old, new) = self.history.values().pair(value).ok_or("is no pair [old, new]")?;
        let (old, new) = (self.value(old), self.value(new));
        Ok(match outcome {
            Outcome::Fail => Some(Act::SeeNot(old)),
            Outcome::Ok if old == new => Some(Act::See(old)),
            // Whether it happened or not, it changed nothing.
            _ if old == new => None,
            _ => Some(Act::Cas(old, new)),
        })
    }

    /// The steps of a transaction; a read whose result nobody knows says nothing.
    fn transaction(&mut self, operation: &Operation) -> Result<Act, &'static str> {
        let certain = operation.outcome == Outcome::Ok;
        let mut steps = Vec::new();
        for step in micro_operations(self.history, operation)? {
            let (key, value) = (self.value(step.key), self.value(step.value));
            match step.f {
                "r" | "read" if certain => steps.push(Access::Read(key, value)),
                "r" | "read" => {}
                "w" | "write" => steps.push(Access::Write(key, value)),
                _ => return Err("has a step that is neither a read nor a write"),
            }
        }
        Ok(Act::Transaction(steps))
    }

    pub(super) fn elements(&mut self, value: ValueId) -> Result<Vec<ValueId>, &'static str> {
        let elements = match value {
            ValueId::NIL => &[],
            list => self.history.values().list(list).ok_or("is no list of elements")?,
        };
        Ok(elements.iter().map(|element| self.value(*element)).collect())
    }

    /// The one number of a value.
    pub(super) fn value(&mut self, value: ValueId) -> ValueId {
        if value.is_scalar() {
            return value;
        }
        let text = self.history.values().json(value).to_string();
        *self.structures.entry(text).or_insert(value)
    }
}

fn text(values: &Values, value: ValueId) -> String {
    if value == ValueId::NIL { String::new() } else { values.words(value) }
}

/// One step of a transaction, as it stands in the history.
#[derive(Clone, Copy, Debug)]
pub(super) struct MicroOperation<'a> {
    /// `r`, `w` or `append`.
    pub(super) f: &'a str,
    /// The key.
    pub(super) key: ValueId,
    /// What was read, written or appended.
    pub(super) value: ValueId,
}

/// The steps of a transaction.
pub(super) fn micro_operations<'a>(
    history: &'a History,
    operation: &Operation,
) -> Result<Vec<MicroOperation<'a>>, &'static str> {
    let values = history.values();
    let steps = values.list(operation.value).ok_or("is no list of steps")?;
    let step = |step: &ValueId| match values.list(*step) {
        Some([f, key, rest @ ..]) => {
            let f = values.as_text(*f).ok_or("has a step without a name")?;
            let value = rest.first().copied().unwrap_or(ValueId::NIL);
            Ok(MicroOperation { f, key: *key, value })
        }
        _ => Err("has a step that is not [name, key, value]"),
    };
    steps.iter().map(step).collect()
}

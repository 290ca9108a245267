//! Values as small numbers: what is compared often is compared as one word, and a million operations fit into little memory.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use serde_json::Value;

/// A value of a history, by number. Two scalars are equal if their numbers are; lists and maps are compared by [`Values::same`].
///
/// The top bits tell the kind. Small integers are their own number, so that most histories need no table at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(u32);

const SCALAR: u32 = 0b100 << 29;
const LIST: u32 = 0b101 << 29;
const MAP: u32 = 0b110 << 29;
const KIND: u32 = 0b111 << 29;
const FIRST_INTEGER: u32 = 3;

impl ValueId {
    /// `null`: the initial value of every register.
    pub const NIL: Self = Self(0);
    /// `false`.
    pub const FALSE: Self = Self(1);
    /// `true`.
    pub const TRUE: Self = Self(2);
    /// The largest integer that is its own number.
    pub const INTEGER_MAX: u32 = SCALAR - 1 - FIRST_INTEGER;

    /// A small integer; nothing if it is larger than [`ValueId::INTEGER_MAX`].
    pub fn integer(number: u64) -> Option<Self> {
        let number = u32::try_from(number).ok().filter(|number| *number <= Self::INTEGER_MAX)?;
        Some(Self(number + FIRST_INTEGER))
    }

    /// The bare number, dense for small integers.
    pub fn number(self) -> u32 {
        self.0
    }

    /// Whether it is neither a list nor a map: equal values have equal numbers.
    pub fn is_scalar(self) -> bool {
        !self.is_structure()
    }

    pub(super) fn is_structure(self) -> bool {
        self.0 >= LIST
    }
}

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape<'a> {
    /// `null`.
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer that fits.
    Integer(i64),
    /// A text.
    Text(&'a str),
    /// Any other number.
    Number(&'a Value),
    /// A list.
    List(&'a [ValueId]),
    /// A map: keys and values in turn.
    Map(&'a [ValueId]),
}

/// The values of a history that are not their own numbers.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Texts and unusual numbers, each once.
    scalars: Vec<Value>,
    by_text: HashMap<Box<[u8]>, u32, FxBuildHasher>,
    /// Lists and maps, one after another: the length, then the elements. Elements stand before what holds them.
    words: Vec<ValueId>,
}

impl Values {
    /// What a number stands for.
    pub fn shape(&self, id: ValueId) -> Shape<'_> {
        let place = (id.0 & !KIND) as usize;
        match id.0 & KIND {
            SCALAR => match &self.scalars[place] {
                Value::String(text) => Shape::Text(text),
                number => number.as_i64().map_or(Shape::Number(number), Shape::Integer),
            },
            LIST => Shape::List(self.elements(place)),
            MAP => Shape::Map(self.elements(place)),
            _ => match id {
                ValueId::NIL => Shape::Nil,
                ValueId::FALSE => Shape::Bool(false),
                ValueId::TRUE => Shape::Bool(true),
                ValueId(number) => Shape::Integer(i64::from(number - FIRST_INTEGER)),
            },
        }
    }

    fn elements(&self, place: usize) -> &[ValueId] {
        let length = self.words[place].0 as usize;
        &self.words[place + 1..place + 1 + length]
    }

    /// The elements of a list; nothing if it is none.
    pub fn list(&self, id: ValueId) -> Option<&[ValueId]> {
        match self.shape(id) {
            Shape::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// Both elements of a list of two.
    pub fn pair(&self, id: ValueId) -> Option<(ValueId, ValueId)> {
        match self.list(id)? {
            [first, second] => Some((*first, *second)),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_integer(&self, id: ValueId) -> Option<i64> {
        match self.shape(id) {
            Shape::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self, id: ValueId) -> Option<&str> {
        match self.shape(id) {
            Shape::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether two numbers stand for equal values.
    pub fn same(&self, a: ValueId, b: ValueId) -> bool {
        if a == b || !a.is_structure() || !b.is_structure() {
            return a == b;
        }
        let all = |a: &[ValueId], b: &[ValueId]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(*a, *b))
        };
        match (self.shape(a), self.shape(b)) {
            (Shape::List(a), Shape::List(b)) | (Shape::Map(a), Shape::Map(b)) => all(a, b),
            _ => false,
        }
    }

    /// The value as JSON.
    pub fn json(&self, id: ValueId) -> Value {
        let list = |elements: &[ValueId]| elements.iter().map(|id| self.json(*id)).collect();
        match self.shape(id) {
            Shape::Nil => Value::Null,
            Shape::Bool(truth) => truth.into(),
            Shape::Integer(number) => number.into(),
            Shape::Text(text) => text.into(),
            Shape::Number(number) => number.clone(),
            Shape::List(elements) => Value::Array(list(elements)),
            Shape::Map(elements) => {
                let entry = |pair: &[ValueId]| (self.words(pair[0]), self.json(pair[1]));
                Value::Object(elements.chunks_exact(2).map(entry).collect())
            }
        }
    }

    /// The value as people write it: texts without quotes.
    pub fn words(&self, id: ValueId) -> String {
        match self.shape(id) {
            Shape::Text(text) => text.to_string(),
            _ => self.json(id).to_string(),
        }
    }

    /// The number of a JSON value.
    pub fn of(&mut self, value: &Value) -> ValueId {
        match value {
            Value::Null => ValueId::NIL,
            Value::Bool(false) => ValueId::FALSE,
            Value::Bool(true) => ValueId::TRUE,
            Value::Number(number) => {
                number.as_u64().and_then(ValueId::integer).unwrap_or_else(|| self.scalar(value))
            }
            Value::String(text) => self.text(text),
            Value::Array(elements) => {
                let elements: Vec<_> = elements.iter().map(|value| self.of(value)).collect();
                self.push_list(&elements)
            }
            Value::Object(entries) => {
                let mut elements = Vec::with_capacity(2 * entries.len());
                for (key, value) in entries {
                    elements.push(self.text(key));
                    elements.push(self.of(value));
                }
                self.push_map(&elements)
            }
        }
    }

    /// The number of a text.
    pub fn text(&mut self, text: &str) -> ValueId {
        match self.by_text.get(text.as_bytes()) {
            Some(place) => ValueId(SCALAR | place),
            None => self.new_scalar(text.as_bytes(), Value::String(text.to_string())),
        }
    }

    /// The number of an unusual number. Texts cannot be mistaken for it: their place in the table has no leading zero byte.
    fn scalar(&mut self, value: &Value) -> ValueId {
        let text = format!("\0{value}");
        match self.by_text.get(text.as_bytes()) {
            Some(place) => ValueId(SCALAR | place),
            None => self.new_scalar(text.as_bytes(), value.clone()),
        }
    }

    /// The number of any integer.
    pub fn integer(&mut self, number: i64) -> ValueId {
        let small = u64::try_from(number).ok().and_then(ValueId::integer);
        small.unwrap_or_else(|| self.scalar(&number.into()))
    }

    fn new_scalar(&mut self, text: &[u8], value: Value) -> ValueId {
        let place = self.scalars.len() as u32;
        assert!(place < !KIND, "a history has fewer than 2^29 different texts");
        self.scalars.push(value);
        self.by_text.insert(text.into(), place);
        ValueId(SCALAR | place)
    }

    /// The number of a text that was met before, from its bytes.
    pub(super) fn known_text(&self, text: &[u8]) -> Option<ValueId> {
        self.by_text.get(text).map(|place| ValueId(SCALAR | place))
    }

    /// A new list.
    pub fn push_list(&mut self, elements: &[ValueId]) -> ValueId {
        ValueId(LIST | self.push(elements))
    }

    /// A new map, of keys and values in turn.
    pub fn push_map(&mut self, elements: &[ValueId]) -> ValueId {
        ValueId(MAP | self.push(elements))
    }

    fn push(&mut self, elements: &[ValueId]) -> u32 {
        let place = self.words.len();
        assert!(place + elements.len() < !KIND as usize, "lists of a history fit into 2 GiB");
        self.words.push(ValueId(elements.len() as u32));
        self.words.extend_from_slice(elements);
        place as u32
    }

    /// Takes over the values of another piece of the same history; what its numbers have become is in the answer. Nothing if they are too many.
    pub(super) fn absorb(&mut self, other: &Self) -> Option<Moved> {
        let fits = |ours: usize, theirs: usize| ours + theirs < !KIND as usize;
        if !fits(self.words.len(), other.words.len())
            || !fits(self.scalars.len(), other.scalars.len())
        {
            return None;
        }
        let scalars = other.scalars.iter().map(|value| self.of(value)).collect();
        let moved = Moved { scalars, offset: self.words.len() as u32 };
        let mut place = 0;
        while let Some(length) = other.words.get(place) {
            let end = place + 1 + length.0 as usize;
            self.words.push(*length);
            self.words.extend(other.words[place + 1..end].iter().map(|id| moved.id(*id)));
            place = end;
        }
        Some(moved)
    }
}

/// What the numbers of a piece have become in the whole.
pub(super) struct Moved {
    scalars: Vec<ValueId>,
    offset: u32,
}

impl Moved {
    pub(super) fn id(&self, id: ValueId) -> ValueId {
        match id.0 & KIND {
            SCALAR => self.scalars[(id.0 & !KIND) as usize],
            LIST | MAP => ValueId(id.0 + self.offset),
            _ => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_comes_back_as_it_was() {
        let mut values = Values::default();
        let all = [
            json!(null),
            json!(true),
            json!(0),
            json!(2_147_483_644_u64),
            json!(2_147_483_645_u64),
            json!(u64::MAX),
            json!(-7),
            json!(1.5),
            json!("x"),
            json!("1.5"),
            json!([]),
            json!([1, [2, "x"], null]),
            json!({"a": [1], "b": {}}),
        ];
        let ids: Vec<_> = all.iter().map(|value| values.of(value)).collect();
        for (value, id) in all.iter().zip(&ids) {
            assert_eq!(values.json(*id), *value);
            let again = values.of(value);
            assert!(values.same(*id, again), "{value}");
            assert!(ids.iter().filter(|other| values.same(**other, *id)).count() == 1, "{value}");
        }
    }

    #[test]
    fn a_piece_keeps_its_values_when_it_is_taken_over() {
        let mut piece = Values::default();
        let id = piece.of(&json!(["a", [1, "b"], {"c": -1}]));
        let mut whole = Values::default();
        whole.of(&json!(["b", 4]));
        let moved = whole.absorb(&piece).unwrap();
        assert_eq!(whole.json(moved.id(id)), json!(["a", [1, "b"], {"c": -1}]));
        assert_eq!(moved.id(ValueId::NIL), ValueId::NIL);
    }
}

//! A set: `add` and `remove` of an element, which may say whether they changed anything, `contains`, and `read` of all elements.

use std::collections::HashSet;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::specification::{Recorded, Specification, Unreadable, listed};
use crate::history::{ValueId, Values};

/// See [`super::Model::Set`].
pub(crate) struct Set {
    /// Whether nothing is ever removed, and no addition says whether it was the first.
    only_grows: bool,
    /// What somebody saw in it.
    seen: HashSet<ValueId, FxBuildHasher>,
    /// What somebody saw missing; what a read of all did not show is missing too.
    missed: HashSet<ValueId, FxBuildHasher>,
    is_read: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// With what it said, if anything: whether the element was not there before.
    Add(ValueId, Option<bool>),
    /// With what it said, if anything: whether the element was there before.
    Remove(ValueId, Option<bool>),
    Contains(ValueId, bool),
    /// All elements, sorted.
    Read(Arc<[ValueId]>),
}

use Operation::{Add, Contains, Read, Remove};

impl Specification for Set {
    /// Its elements, sorted.
    type State = Vec<ValueId>;
    type Operation = Operation;

    fn read(recorded: &mut Recorded<'_>) -> Result<Option<Operation>, Unreadable> {
        let value = recorded.value;
        let said = recorded.truth();
        let (element, result) = said.map_or((value, None), |(element, said)| {
            (element, recorded.is_certain.then_some(said))
        });
        Ok(match recorded.function {
            "add" => Some(Add(element, result)),
            "remove" => Some(Remove(element, result)),
            "contains" if recorded.is_certain => {
                let (element, result) = said.ok_or(Unreadable("needs an element and a truth"))?;
                Some(Contains(element, result))
            }
            "read" if recorded.is_certain => {
                let mut elements = recorded.list()?;
                elements.sort_unstable();
                Some(Read(elements.into()))
            }
            _ => None,
        })
    }

    fn new(certain: &[&Operation], possible: &[&Operation]) -> Self {
        let shrinks = |operation: &&Operation| matches!(operation, Remove(..) | Add(_, Some(true)));
        let mut set = Self {
            only_grows: !certain.iter().chain(possible).any(shrinks),
            seen: HashSet::default(),
            missed: HashSet::default(),
            is_read: false,
        };
        for operation in certain {
            match operation {
                Add(x, Some(false)) | Remove(x, Some(true)) | Contains(x, true) => {
                    set.seen.insert(*x);
                }
                Add(x, Some(true)) | Remove(x, Some(false)) | Contains(x, false) => {
                    set.missed.insert(*x);
                }
                Read(elements) => {
                    set.seen.extend(elements.iter());
                    set.is_read = true;
                }
                Add(_, None) | Remove(_, None) => {}
            }
        }
        set
    }

    fn initial(&self) -> Vec<ValueId> {
        Vec::new()
    }

    fn step(&self, set: &Vec<ValueId>, operation: &Operation) -> Option<Vec<ValueId>> {
        let holds = |element: &ValueId| set.binary_search(element).is_ok();
        let legal = match operation {
            Add(element, Some(new)) => holds(element) != *new,
            Remove(element, Some(old)) => holds(element) == *old,
            Contains(element, is_in) => holds(element) == *is_in,
            Read(elements) => set[..] == elements[..],
            Add(_, None) | Remove(_, None) => true,
        };
        legal.then(|| {
            let mut set = set.clone();
            match operation {
                Add(element, _) => {
                    if let Err(place) = set.binary_search(element) {
                        set.insert(place, *element);
                    }
                }
                Remove(element, _) => set.retain(|other| other != element),
                Contains(..) | Read(_) => {}
            }
            set
        })
    }

    fn words(&self, set: &Vec<ValueId>, values: &Values) -> String {
        format!("{{{}}}", listed(values, set.iter().copied()))
    }

    fn is_observer(operation: &Operation) -> bool {
        matches!(operation, Add(_, Some(false)) | Remove(_, Some(false)) | Contains(..) | Read(_))
    }

    fn hides(later: &Operation, earlier: &Operation) -> bool {
        match (later, earlier) {
            (Add(later, None) | Remove(later, None), Add(x, None) | Remove(x, None)) => later == x,
            _ => false,
        }
    }

    /// The order of additions does not matter, except to who looks between them.
    fn is_useful<'a>(
        &'a self,
        to: &Vec<ValueId>,
        _target: &'a Operation,
        mut wanting: impl Iterator<Item = &'a Operation>,
    ) -> bool {
        !self.only_grows
            || wanting.any(|operation| match operation {
                Read(elements) => to.iter().all(|x| elements.binary_search(x).is_ok()),
                other => self.step(to, other).is_some(),
            })
    }

    fn is_observable(&self, operation: &Operation) -> bool {
        match operation {
            Add(element, _) => self.seen.contains(element),
            Remove(element, _) => self.is_read || self.missed.contains(element),
            Contains(..) | Read(_) => true,
        }
    }

    fn bytes(set: &Vec<ValueId>) -> usize {
        size_of::<Vec<ValueId>>() + size_of::<ValueId>() * set.capacity()
    }
}

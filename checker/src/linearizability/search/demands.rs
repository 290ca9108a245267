//! From operations to what they demand of an object.
//!
//! Left out is what demands nothing: what failed, what only would have looked, and whatever may have happened without that anybody
//! who certainly did could tell.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::super::objects::Object;
use crate::history::{History, NEVER, Outcome};
use crate::models::specification::{Canonical, Recorded, Specification};

/// A kind of operation by number: equal operations are of one kind.
pub(super) type Kind = u32;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) kind: Kind,
    /// The event of its invocation.
    pub(super) invoked: u32,
    /// The event of its completion. [`NEVER`]: it may take effect at any time after its invocation, or not at all.
    pub(super) completed: u32,
    /// Its place among all operations of the history.
    pub(super) operation: u32,
}

impl Demand {
    /// Whether it must have happened.
    pub(super) fn is_certain(&self) -> bool {
        self.completed != NEVER
    }
}

/// All demands on an object, in order of invocation.
pub(super) struct Demands<S: Specification> {
    pub(super) specification: S,
    pub(super) demands: Vec<Demand>,
    pub(super) kinds: Vec<S::Operation>,
}

impl<S: Specification> Demands<S> {
    /// Reads the operations on an object; which one cannot be read, and why, if there is such.
    pub(super) fn read(history: &History, object: &Object<'_>) -> Result<Self, String> {
        let names = history.by_function("", |_| "");
        let names: Vec<_> = names.into_iter().take(1).chain(history.functions()).collect();
        let (mut canonical, mut kinds) = (Canonical::default(), Kinds::<S>::new());
        let mut demands = Vec::with_capacity(object.len());
        for (place, operation) in object.iter() {
            if operation.outcome == Outcome::Fail {
                continue;
            }
            let (name, value) = (names[operation.function as usize], operation.value);
            let values = history.values();
            let mut recorded =
                Recorded::new(name, value, operation.outcome, values, &mut canonical);
            let read = S::read(&mut recorded).map_err(|reason| {
                let line = history.line(operation.invoked as usize);
                format!("the `{name}` of line {line} {}", reason.0)
            })?;
            let Some(read) = read else { continue };
            let kind = kinds.of(read);
            let (invoked, completed) = (operation.invoked, operation.completed);
            demands.push(Demand { kind, invoked, completed, operation: place });
        }
        let mut whole = Self::new(kinds.kinds, demands);
        let mut observable: HashMap<Kind, bool, FxBuildHasher> = HashMap::default();
        let Self { specification, demands, kinds } = &mut whole;
        demands.retain(|demand| {
            let of_kind = || specification.is_observable(&kinds[demand.kind as usize]);
            demand.is_certain() || *observable.entry(demand.kind).or_insert_with(of_kind)
        });
        Ok(whole)
    }

    /// Whoever only looks, and may have or not, demands nothing.
    fn new(kinds: Vec<S::Operation>, mut demands: Vec<Demand>) -> Self {
        demands
            .retain(|demand| demand.is_certain() || !S::is_observer(&kinds[demand.kind as usize]));
        Self { specification: specification(&kinds, &demands), demands, kinds }
    }

    /// The same with only some of the demands. All that may have happened stays, for what it saw may matter now.
    pub(super) fn only(&self, demands: Vec<Demand>) -> Self {
        Self::new(self.kinds.clone(), demands)
    }

    /// What a demand is about.
    pub(super) fn step(&self, place: u32) -> &S::Operation {
        &self.kinds[self.demands[place as usize].kind as usize]
    }
}

/// The specification of an object with these demands.
pub(super) fn specification<S: Specification>(kinds: &[S::Operation], demands: &[Demand]) -> S {
    // By kind: the last completion, if it certainly happened, and whether it possibly did.
    let mut met = vec![(None, false); kinds.len()];
    for demand in demands {
        let (last, is_possible) = &mut met[demand.kind as usize];
        match demand.is_certain() {
            true => *last = (*last).max(Some(demand.completed)),
            false => *is_possible = true,
        }
    }
    let ends = kinds.iter().zip(&met).filter_map(|(kind, (last, _))| Some((kind, (*last)?)));
    let ends: Vec<_> = ends.collect();
    let certain: Vec<_> = ends.iter().map(|(kind, _)| *kind).collect();
    let possible = kinds.iter().zip(&met).filter(|(_, (_, is_possible))| *is_possible);
    let possible: Vec<_> = possible.map(|(kind, _)| kind).collect();
    S::new(&certain, &possible).with_ends(&ends)
}

/// Numbers for kinds.
struct Kinds<S: Specification> {
    kinds: Vec<S::Operation>,
    by_kind: HashMap<S::Operation, Kind, FxBuildHasher>,
}

impl<S: Specification> Kinds<S> {
    fn new() -> Self {
        Self { kinds: Vec::new(), by_kind: HashMap::default() }
    }

    fn of(&mut self, operation: S::Operation) -> Kind {
        let next = self.kinds.len() as Kind;
        match self.by_kind.get(&operation) {
            Some(kind) => *kind,
            None => {
                self.kinds.push(operation.clone());
                self.by_kind.insert(operation, next);
                next
            }
        }
    }
}

//! The verifier: checks what a certificate says against the history, and trusts neither the search nor the specialised algorithms. It shares no code with
//! them: of this crate it uses the reader of histories and nothing else.
//!
//! **Valid** is one pass over an order for each object (`order.rs`). **Invalid** is a small core (`core.rs`), shown to be impossible by trying every order
//! (`search.rs`), with a check that leaving out the rest cannot have made it so (`closed.rs`, `loose.rs`); or a cycle or an anomaly of transactions
//! (`transactions/`), each edge derived again.

mod closed;
mod core;
mod loose;
mod order;
mod search;
mod specification;
mod transactions;

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use self::search::STEPS_MAX;
use self::specification::Acts;
use super::{ObjectProof, Proof};
use crate::history::{History, NEVER, ValueId};
use crate::models::{Family, Model};
use crate::verdict::Verdict;

/// Why a certificate was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not prove what it says.
    #[error("{0}")]
    Unproved(String),
    /// Whether it does was not found out: there is more to try than the verifier is willing to, or it does not know how.
    #[error("{0}")]
    Undecided(String),
}

fn refuse<T>(reason: String) -> Result<T, Refusal> {
    Err(Refusal::Unproved(reason))
}

/// What a certificate says about a history.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// What the history is judged as.
    pub model: Model,
    /// How strong the promise is, by Elle's name: `strict-serializable`, `serializable`, …; `linearizable` for objects.
    pub consistency: &'a str,
    /// What was found.
    pub verdict: Verdict,
}

/// What was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Objects with an order that is right.
    pub valid: usize,
    /// Objects that were shown to be violated.
    pub invalid: usize,
    /// Objects about which nothing was proved.
    pub unproved: usize,
}

/// Checks that proofs prove a verdict: *valid* needs an order for every object, *invalid* one object that is violated; and whatever else is
/// said must be true too. *Unknown* is proved by nothing.
pub fn verify(
    history: &History,
    claim: Claim<'_>,
    proofs: &[ObjectProof],
) -> Result<Accepted, Refusal> {
    let accepted = verify_all(history, claim.model, claim.consistency, proofs)?;
    let any = history.operations().iter().any(|operation| operation.completed != NEVER);
    match claim.verdict {
        Verdict::Valid if !any => {
            refuse("no operation of the history completed: nothing is proved".into())
        }
        Verdict::Valid if accepted.invalid > 0 => {
            refuse(format!("it says valid, but {} is violated", objects(accepted.invalid)))
        }
        Verdict::Valid if accepted.unproved > 0 => {
            refuse(format!("it says valid, but {} has no proof", objects(accepted.unproved)))
        }
        Verdict::Invalid if accepted.invalid == 0 => {
            refuse("it says invalid, but shows no object that is violated".into())
        }
        Verdict::Unknown => refuse("it says unknown, which proves nothing".into()),
        Verdict::Valid | Verdict::Invalid => Ok(accepted),
    }
}

fn objects(count: usize) -> String {
    if count == 1 { "1 object".into() } else { format!("{count} objects") }
}

/// Checks every proof on its own, whatever verdict they make up; the first that is wrong is the answer.
pub fn verify_all(
    history: &History,
    model: Model,
    consistency: &str,
    proofs: &[ObjectProof],
) -> Result<Accepted, Refusal> {
    let mut verifier = Verifier::new(history, model, consistency);
    let mut violated: HashMap<ValueId, bool, FxBuildHasher> = HashMap::default();
    for ObjectProof { key, proof } in proofs {
        let name = name(history, *key);
        verifier.object(*key, proof).map_err(|refusal| match refusal {
            Refusal::Unproved(reason) => Refusal::Unproved(format!("{name}: {reason}")),
            Refusal::Undecided(reason) => Refusal::Undecided(format!("{name}: {reason}")),
        })?;
        let is_violated = !matches!(proof, Proof::Order(_));
        if violated.insert(*key, is_violated).is_some_and(|before| !before || !is_violated) {
            return refuse(format!("{name} has an order and other proofs beside it"));
        }
    }
    let invalid = violated.values().filter(|is_violated| **is_violated).count();
    let (valid, unproved) = (violated.len() - invalid, verifier.places.len() - violated.len());
    Ok(Accepted { valid, invalid, unproved })
}

fn name(history: &History, key: ValueId) -> String {
    match key {
        ValueId::NIL => "the history".into(),
        key => format!("key {}", history.values().words(key)),
    }
}

/// The keys of the objects that a history has under a model, in the order in which they are first met.
pub(super) fn keys(history: &History, model: Model) -> Vec<ValueId> {
    let mut met: HashMap<ValueId, (), FxBuildHasher> = HashMap::default();
    let keys = history.operations().iter().map(|operation| key(model, operation.key));
    keys.filter(|key| met.insert(*key, ()).is_none()).collect()
}

/// The object that an operation belongs to: its key, unless transactions tie everything together.
fn key(model: Model, key: ValueId) -> ValueId {
    if model.family() == Family::Object { key } else { ValueId::NIL }
}

/// Tells which parts of one object prove that it is violated.
pub(crate) struct Cores<'a> {
    verifier: Verifier<'a>,
    key: ValueId,
    places: Vec<u32>,
}

impl<'a> Cores<'a> {
    /// The parts of an object, which are these operations by place; so many steps may be spent on each.
    pub(crate) fn of(
        history: &'a History,
        model: Model,
        key: ValueId,
        places: Vec<u32>,
        steps_max: u64,
    ) -> Self {
        let verifier = Verifier::of_places(history, model, "", HashMap::default());
        Self { verifier: Verifier { steps_max, ..verifier }, key, places }
    }

    /// The event at which no order of these operations is right any more, if they prove that the object is violated.
    pub(crate) fn end(&mut self, core: &[u32]) -> Option<u32> {
        let Self { verifier, key, places } = self;
        places.iter().for_each(|place| verifier.named[*place as usize] = false);
        verifier.core(*key, places, core).ok()
    }
}

/// Checks proofs against one history.
struct Verifier<'a> {
    history: &'a History,
    model: Model,
    consistency: &'a str,
    acts: Acts<'a>,
    /// The operations of each object, in order of invocation.
    places: HashMap<ValueId, Vec<u32>, FxBuildHasher>,
    /// The operations that the proof at hand has named so far.
    named: Vec<bool>,
    /// What may be spent on trying the orders of a core.
    steps_max: u64,
}

impl<'a> Verifier<'a> {
    fn new(history: &'a History, model: Model, consistency: &'a str) -> Self {
        let mut places: HashMap<ValueId, Vec<u32>, FxBuildHasher> = HashMap::default();
        for (place, operation) in history.operations().iter().enumerate() {
            places.entry(key(model, operation.key)).or_default().push(place as u32);
        }
        Self::of_places(history, model, consistency, places)
    }

    fn of_places(
        history: &'a History,
        model: Model,
        consistency: &'a str,
        places: HashMap<ValueId, Vec<u32>, FxBuildHasher>,
    ) -> Self {
        let named = vec![false; history.operations().len()];
        let acts = Acts::new(history, model);
        Self { history, model, consistency, acts, places, named, steps_max: STEPS_MAX }
    }

    fn object(&mut self, key: ValueId, proof: &Proof) -> Result<(), Refusal> {
        let Some(places) = self.places.get(&key).cloned() else {
            return refuse("the history has no operation on it".into());
        };
        // What an earlier proof of the same object named.
        places.iter().for_each(|place| self.named[*place as usize] = false);
        match (self.model.family(), proof) {
            (Family::Object, Proof::Order(order)) => self.order(key, &places, order),
            (Family::Object, Proof::Core(core)) => self.core(key, &places, core).map(drop),
            (Family::Transactions, Proof::Core(_))
            | (Family::Object, _)
            | (Family::Property, _) => {
                refuse(format!("a {} is not proved in this way", self.model))
            }
            (Family::Transactions, proof) => self.transactions(&places, proof),
        }
    }

    /// Says that the proof names an operation, which must be one of the object, and named once.
    fn name(&mut self, key: ValueId, place: u32) -> Result<(), Refusal> {
        let Some(operation) = self.history.operations().get(place as usize) else {
            return refuse(format!("the history has no operation {place}"));
        };
        if self::key(self.model, operation.key) != key {
            return refuse(format!("{} is on another key", self.words(place)));
        }
        if std::mem::replace(&mut self.named[place as usize], true) {
            return refuse(format!("{} is named twice", self.words(place)));
        }
        Ok(())
    }

    /// What an operation does, as the verifier's specification sees it.
    fn act(&mut self, place: u32) -> Result<Option<specification::Act>, Refusal> {
        let act = self.acts.of(&self.history.operations()[place as usize]);
        act.or_else(|reason| refuse(format!("the value of {} {reason}", self.words(place))))
    }

    /// What an operation is called in a refusal.
    fn words(&self, place: u32) -> String {
        let view = self.history.view(place as usize);
        let value = self.history.values().words(view.id());
        let value: String = value.chars().take(60).collect();
        format!(
            "operation {place} (line {}, {} {value}, {})",
            view.line(),
            view.f(),
            view.outcome().name()
        )
    }
}

//! Histories in few words, proofs about them, and whether the verifier takes them.

use checker::certificate::{ObjectProof, Proof, Refusal, verify_all};
use checker::history::{Event, History, ValueId};
use checker::models::Model;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Histories tried where `FAULTLINE_CASES` says nothing.
const CASES: u32 = 1_500;

/// Events from lines of `process type f value [error]`; values are JSON without blanks.
pub(super) fn events(text: &str) -> Vec<Event> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let event = |(index, line): (usize, &str)| {
        let words: Vec<_> = line.split_whitespace().collect();
        let value: serde_json::Value = serde_json::from_str(words[3]).unwrap();
        serde_json::from_value(serde_json::json!({
            "index": index, "time": index, "process": words[0].parse::<u64>().unwrap(), "type": words[1],
            "f": words[2], "value": value, "error": words.get(4),
        }))
        .unwrap()
    };
    lines.enumerate().map(event).collect()
}

pub(super) fn history(text: &str) -> History {
    History::pair(events(text)).unwrap()
}

/// A history in which every line is an operation of its own process, over before the next begins: `f value`, `f value info`, …
pub(super) fn sequential(text: &str) -> History {
    let mut lines = String::new();
    for (process, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        let outcome = words.get(2).unwrap_or(&"ok");
        let error = words.get(3).unwrap_or(&"");
        let (f, value) = (words[0], words[1]);
        lines +=
            &format!("{process} invoke {f} {value}\n{process} {outcome} {f} {value} {error}\n");
    }
    history(&lines)
}

pub(super) fn whole(proof: Proof) -> Vec<ObjectProof> {
    vec![ObjectProof { key: ValueId::NIL, proof }]
}

pub(super) fn consistency(model: Model) -> &'static str {
    checker::certificate::consistency_of(model)
}

pub(super) fn accept(history: &History, model: Model, proof: Proof) {
    let verified = verify_all(history, model, consistency(model), &whole(proof.clone()));
    assert!(verified.is_ok(), "{proof:?}: {verified:?}");
}

/// Expects a proof to be refused for a reason with these words.
pub(super) fn refuse(history: &History, model: Model, proof: Proof, words: &str) {
    match verify_all(history, model, consistency(model), &whole(proof.clone())) {
        Err(Refusal::Unproved(reason)) => assert!(reason.contains(words), "{proof:?}: {reason}"),
        other => panic!("{proof:?}: {other:?}"),
    }
}

pub(super) fn order(places: &[u32]) -> Proof {
    Proof::Order(places.to_vec())
}

pub(super) fn core(places: &[u32]) -> Proof {
    Proof::Core(places.to_vec())
}

/// A history as text, for messages.
pub(super) fn written(history: &History) -> String {
    let line = |(place, view): (usize, checker::history::View<'_>)| {
        let key = view.key().unwrap_or_default().into_owned();
        format!(
            "{place}: {key} {} {} {} {:?}..{:?}\n",
            view.f(),
            view.value(),
            view.outcome().name(),
            view.invoked(),
            view.completed()
        )
    };
    history.views().enumerate().map(line).collect()
}

/// Checks random bytes as many times as `FAULTLINE_CASES` says, or `CASES` times, divided by `share`: where every model is tried, or all orders.
pub(super) fn check_random(share: u32, length: usize, check: impl Fn(&[u8])) {
    let cases = std::env::var("FAULTLINE_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config::with_cases(cases.unwrap_or(CASES) / share);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..config });
    let check = |bytes: Vec<u8>| {
        check(&bytes);
        Ok(())
    };
    runner.run(&prop::collection::vec(any::<u8>(), length), check).unwrap();
}

/// Random bytes, from which a history is drawn; when they are used up all is zero.
pub(super) struct Draw<'a>(std::slice::Iter<'a, u8>);

impl<'a> Draw<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    pub(super) fn below(&mut self, limit: u8) -> u8 {
        self.0.next().copied().unwrap_or(0) % limit
    }

    /// One of some choices.
    pub(super) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.below(choices.len() as u8))].clone()
    }
}

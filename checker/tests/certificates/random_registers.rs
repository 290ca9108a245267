//! Random histories of registers: the proofs of the real check are accepted, and all their mutations refused.

use std::cell::RefCell;

use checker::certificate::{Claim, ObjectProof, Proof, verify, verify_all};
use checker::history::{Event, History, Outcome};
use checker::judge::Limits;
use checker::linearizability::check_with_proofs;
use checker::models::Model;
use checker::verdict::Verdict;
use serde_json::{Value, json};

use super::support::{Draw, check_random, written};

/// What holds for a whole history.
struct Choices {
    keys: u8,
    values: u8,
    /// Whether a failed cas says that the register held something else.
    refutes: bool,
    /// How often a result is changed.
    wrong: u8,
}

/// An operation that is open.
#[derive(Clone)]
struct Asked {
    process: u64,
    f: &'static str,
    key: u8,
    value: Value,
}

impl Asked {
    fn draw(process: u64, choices: &Choices, draw: &mut Draw<'_>) -> Self {
        let (f, key) = (draw.of(&["read", "write", "cas"]), draw.below(choices.keys));
        let value = match f {
            "read" => Value::Null,
            "write" => draw.below(choices.values).into(),
            _ => json!([draw.below(choices.values), draw.below(choices.values)]),
        };
        Self { process, f, key, value }
    }

    /// Takes effect on its register, or does not, and says how it ends. The value of a read is then what it saw.
    fn end(
        &mut self,
        register: &mut Value,
        choices: &Choices,
        draw: &mut Draw<'_>,
    ) -> &'static str {
        let fits = self.f != "cas" || *register == self.value[0];
        let lost = draw.below(8) == 0;
        if fits && !(lost && draw.below(2) == 0) {
            match self.f {
                "read" => self.value = register.clone(),
                "write" => *register = self.value.clone(),
                _ => *register = self.value[1].clone(),
            }
        }
        if self.f == "read" && draw.below(12) < choices.wrong {
            self.value = draw.below(choices.values).into();
        }
        match (lost, fits || draw.below(16) < choices.wrong) {
            (true, _) => "info",
            (_, true) => "ok",
            _ => "fail",
        }
    }

    fn event(&self, index: usize, event_type: &str, error: Option<&str>) -> Event {
        let event = json!({
            "index": index, "time": index, "process": self.process, "type": event_type, "f": self.f,
            "key": format!("k{}", self.key), "value": self.value, "error": error,
        });
        serde_json::from_value(event).unwrap()
    }
}

/// A history of registers, from random bytes: mostly a run of real ones in which some results are changed.
fn random(bytes: &[u8]) -> Vec<Event> {
    let draw = &mut Draw::new(bytes);
    let (keys, values, clients) = (1 + draw.below(2), 2 + draw.below(4), 1 + draw.below(4));
    let choices = Choices { keys, values, refutes: draw.below(2) == 0, wrong: draw.below(4) };
    let mut registers = vec![Value::Null; keys.into()];
    let mut open: Vec<Option<Asked>> = vec![None; clients.into()];
    let mut processes: Vec<u64> = (0..u64::from(clients)).collect();
    let mut events = Vec::new();
    for _ in 0..12 + draw.below(16) {
        let client = usize::from(draw.below(clients));
        let Some(mut asked) = open[client].take() else {
            let asked = Asked::draw(processes[client], &choices, draw);
            events.push(asked.event(events.len(), "invoke", None));
            open[client] = Some(asked);
            continue;
        };
        let outcome = asked.end(&mut registers[usize::from(asked.key)], &choices, draw);
        let error = (outcome == "fail" && choices.refutes).then_some("mismatch");
        events.push(asked.event(events.len(), outcome, error));
        if outcome == "info" {
            processes[client] += 100;
        }
    }
    events
}

/// What may be done to a right proof so that it is none: each with its name.
fn mutations(
    history: &History,
    object: &ObjectProof,
    at: usize,
) -> Vec<(&'static str, ObjectProof)> {
    let with = |proof| ObjectProof { key: object.key, proof };
    let mut mutations = Vec::new();
    if let Proof::Order(order) = &object.proof {
        let mut reversed = order.clone();
        reversed.reverse();
        let is_ok = |place: &u32| history.operations()[*place as usize].outcome == Outcome::Ok;
        if let Some(place) = order.iter().copied().filter(is_ok).nth(at % order.len().max(1)) {
            let without = order.iter().copied().filter(|other| *other != place).collect();
            mutations.push(("drop", with(Proof::Order(without))));
            let twice = order.iter().copied().chain([place]).collect();
            mutations.push(("twice", with(Proof::Order(twice))));
        }
        let end = history.operations().len() as u32;
        mutations
            .push(("beyond", with(Proof::Order(order.iter().copied().chain([end]).collect()))));
        let failed =
            (0..end).find(|place| history.operations()[*place as usize].outcome == Outcome::Fail);
        if let Some(failed) = failed.filter(|place| !order.contains(place)) {
            mutations.push((
                "failed",
                with(Proof::Order(order.iter().copied().chain([failed]).collect())),
            ));
        }
    }
    if let Proof::Core(core) = &object.proof {
        mutations.push(("order", with(Proof::Order(core.clone()))));
        mutations.push(("nothing", with(Proof::Core(vec![]))));
        mutations.push(("twice", with(Proof::Core([&core[..], &core[..1]].concat()))));
    }
    mutations
}

/// Whether an order is right, by its definition: every pair is looked at for real time, and the register replayed.
fn is_right(history: &History, order: &[u32]) -> bool {
    let operations = history.operations();
    let real_time = order.iter().enumerate().all(|(at, place)| {
        let is_late = |before: &u32| {
            operations[*before as usize].invoked > operations[*place as usize].completed
        };
        !order[..at].iter().any(is_late)
    });
    let mut register = Value::Null;
    real_time
        && order.iter().all(|place| {
            let view = history.view(*place as usize);
            let value = view.value();
            match (view.f(), view.outcome()) {
                ("read", Outcome::Ok) => register == value,
                ("write", _) => {
                    register = value;
                    true
                }
                ("cas", Outcome::Fail) => register != value[0],
                ("cas", _) if register == value[0] => {
                    register = value[1].clone();
                    true
                }
                (f, outcome) => f == "read" || outcome != Outcome::Ok,
            }
        })
}

fn claim(verdict: Verdict) -> Claim<'static> {
    Claim { model: Model::CasRegister, consistency: "linearizable", verdict }
}

#[test]
fn certificates_of_registers_are_accepted_and_their_mutations_refused() {
    let counts = RefCell::new([0; 3]);
    check_random(1, 200, |bytes| {
        let history = History::pair(random(bytes)).unwrap();
        let (report, proofs) = check_with_proofs(&history, Model::CasRegister, &Limits::default());
        counts.borrow_mut()[report.verdict as usize] += 1;
        if report.verdict != Verdict::Unknown {
            check_verdict(&history, report.verdict, &proofs);
            check_mutations(&history, report.verdict, &proofs, bytes[0].into());
            proofs.iter().for_each(|object| check_swaps(&history, object));
        }
    });
    let [valid, _, invalid] = *counts.borrow();
    assert!(valid > 0 && invalid > 0, "{counts:?}");
}

/// The proofs prove this verdict and no other, and not without one of them.
fn check_verdict(history: &History, verdict: Verdict, proofs: &[ObjectProof]) {
    let verified = verify(history, claim(verdict), proofs);
    assert!(verified.is_ok(), "{verified:?}\n{proofs:?}\n{}", written(history));
    let other = if verdict == Verdict::Valid { Verdict::Invalid } else { Verdict::Valid };
    assert!(verify(history, claim(other), proofs).is_err());
    assert!(verify(history, claim(Verdict::Unknown), proofs).is_err());
    if verdict == Verdict::Valid {
        let fewer = verify(history, claim(verdict), &proofs[1..]);
        assert!(fewer.is_err(), "{}", written(history));
    }
}

fn check_mutations(history: &History, verdict: Verdict, proofs: &[ObjectProof], at: usize) {
    let refused = |name, mutant: &[ObjectProof]| {
        let verified = verify(history, claim(verdict), mutant);
        assert!(verified.is_err(), "{name}: {mutant:?}\n{}", written(history));
    };
    for (number, object) in proofs.iter().enumerate() {
        for (name, mutant) in mutations(history, object, at) {
            let mut mutants = proofs.to_vec();
            mutants[number] = mutant;
            refused(name, &mutants);
        }
    }
    if let [first, second] = proofs {
        let other_key = |of: &ObjectProof, key| ObjectProof { key, ..of.clone() };
        let exchanged = [other_key(first, second.key), other_key(second, first.key)];
        if exchanged.iter().any(|object| object.proof != Proof::Order(vec![])) {
            refused("other key", &exchanged);
        }
    }
}

/// An order with two neighbours exchanged is accepted if and only if it is right too.
fn check_swaps(history: &History, object: &ObjectProof) {
    let Proof::Order(order) = &object.proof else { return };
    for at in 1..order.len() {
        let mut swapped = order.clone();
        swapped.swap(at - 1, at);
        let right = is_right(history, &swapped);
        let proof = ObjectProof { key: object.key, proof: Proof::Order(swapped) };
        let verified = verify_all(history, Model::CasRegister, "linearizable", &[proof]);
        assert_eq!(verified.is_ok(), right, "{verified:?}\n{}", written(history));
    }
}

//! Verdicts on changed histories, each with a proof that the independent verifier accepts.

use checker::certificate::verify_all;
use checker::models::Family;
use checker::transactions::{self, Consistency};
use checker::{History, Limits, Model, Verdict, judge, linearizability};

use super::changes::{corrupted, forgotten, keyed, later, widened, without_one_read};
use super::objects::{Simulated, simulated};
use super::operations::{Operation, events, history, valid};
use super::random::Random;

/// Histories for each model.
const CASES: u64 = 40;

#[test]
fn what_must_not_change_a_verdict_does_not() {
    let models = Model::all().filter_map(|model| Some((model, simulated(model)?)));
    for (model, simulated) in models {
        check(model, &simulated);
    }
}

fn check(model: Model, simulated: &Simulated) {
    let cases = std::env::var("FAULTLINE_CASES").ok().and_then(|cases| cases.parse().ok());
    let mut invalid = 0;
    let cases = cases.unwrap_or(CASES);
    for case in 0..cases {
        let random = &mut Random::new(case);
        let good = valid(simulated, random);
        let keeps = |name: &str, changed: &[Operation]| {
            assert_eq!(verdict(model, changed), Verdict::Valid, "{model}, {name}: {changed:#?}");
        };
        keeps("as it is", &good);
        keeps("an interval widened", &widened(&good, random));
        keeps("an outcome forgotten", &forgotten(&good, random));
        keeps("a read left out", &without_one_read(&good, random));
        let bad = corrupted(&good, random);
        grows(model, &bad, random);
        if verdict(model, &bad) != Verdict::Invalid {
            continue;
        }
        invalid += 1;
        let appended = [bad.clone(), later(&good)].concat();
        if model.family() == Family::Object {
            keeps("beside another object", &keyed(&good, &good));
            assert_eq!(verdict(model, &keyed(&bad, &good)), Verdict::Invalid, "{model}: {bad:#?}");
            let found = verdict(model, &appended);
            assert_eq!(found, Verdict::Invalid, "{model}, more afterwards: {appended:#?}");
        }
    }
    assert!(invalid * 10 >= cases, "{model}: only {invalid} of {cases} corrupted ones are invalid");
}

/// What convicts the beginning of a history convicts the whole: the judge of histories that grow rests on it.
fn grows(model: Model, operations: &[Operation], random: &mut Random) {
    let mut events = events(operations);
    let judged = |events| judge_as(&History::pair(events).unwrap(), model);
    let whole = judged(events.clone());
    events.truncate(random.below(events.len()));
    let beginning = judged(events);
    let is_kept = beginning != Verdict::Invalid || whole == Verdict::Invalid;
    assert!(is_kept, "{model}: {operations:#?}");
}

fn judge_as(history: &History, model: Model) -> Verdict {
    checker::check(history, model).verdict
}

fn verdict(model: Model, operations: &[Operation]) -> Verdict {
    let history = history(operations);
    judge::fits(&history, model).unwrap();
    assert!(is_proved(&history, model), "{model}, not proved: {operations:#?}");
    judge_as(&history, model)
}

/// Whether the independent verifier accepts every proof of a verdict.
fn is_proved(history: &History, model: Model) -> bool {
    let limits = Limits::default();
    let (name, proofs) = match model.family() {
        Family::Transactions => {
            let consistency = Consistency::StrictSerializable;
            let findings = transactions::check(history, model, consistency, &limits).unwrap();
            (consistency.name(), findings.proofs)
        }
        _ => (linearizability::NAME, linearizability::check_with_proofs(history, model, &limits).1),
    };
    let verified = verify_all(history, model, name, &proofs);
    verified.inspect_err(|refusal| eprintln!("{model}: {refusal}: {proofs:?}")).is_ok()
}

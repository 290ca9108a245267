//! Proofs about random histories of transactions: the verifier accepts every proof of the check, one by one, and nothing against a history that
//! was made by doing one transaction after another. `FAULTLINE_CASES` says how many histories of each model.

use checker::certificate::{Dependency, Edge, ObjectProof, Proof, Refusal, verify_all};
use checker::history::{Event, History, ValueId};
use checker::judge::Limits;
use checker::models::Model;
use checker::transactions::{self, Consistency};
use checker::verdict::Verdict;
use serde_json::{Value, json};

/// Histories tried where `FAULTLINE_CASES` says nothing.
const CASES: u64 = 400;

/// Cycles that are tried on each history.
const GUESSES: usize = 50;

const MODELS: [Model; 2] = [Model::ListAppend, Model::RwRegister];

const LEVELS: [&str; 8] = [
    "read-uncommitted",
    "read-committed",
    "cursor-stability",
    "repeatable-read",
    "snapshot-isolation",
    "serializable",
    "strong-session-serializable",
    "strict-serializable",
];

const ANOMALIES: [&str; 10] = [
    "G1a",
    "G1b",
    "internal",
    "duplicate-elements",
    "incompatible-order",
    "lost-update",
    "thin-air",
    "future-read",
    "reordered-appends",
    "dirty-update",
];

const KINDS: [Dependency; 5] = [
    Dependency::WriteRead,
    Dependency::WriteWrite,
    Dependency::ReadWrite,
    Dependency::Process,
    Dependency::RealTime,
];

/// Xorshift, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// What one transaction does, when, and how it ends.
struct Plan {
    /// Each step a key, and the element or value that is written or nothing for a read.
    steps: Vec<(u64, Option<u64>)>,
    /// What each step saw.
    seen: Vec<Value>,
    outcome: &'static str,
    begin: u64,
    end: u64,
}

impl Plan {
    fn value(&self, model: Model, is_end: bool) -> Value {
        let write = if model == Model::ListAppend { "append" } else { "w" };
        let step = |((key, written), seen): (&(u64, Option<u64>), &Value)| match written {
            Some(written) => json!([write, key, written]),
            None if is_end && self.outcome == "ok" => json!(["r", key, seen]),
            None => json!(["r", key, null]),
        };
        self.steps.iter().zip(&self.seen).map(step).collect()
    }
}

/// Transactions on two keys that write every value once; what they see is still open. Each goes on around a moment of its own.
fn plans(random: &mut Random) -> Vec<Plan> {
    let mut written = [0, 0];
    (1..=1 + random.below(5)).map(|at| plan(random, &mut written, 100 * at)).collect()
}

fn plan(random: &mut Random, written: &mut [u64; 2], moment: u64) -> Plan {
    let count = 1 + random.below(3);
    let step = |_| {
        let key = random.below(2);
        let is_write = random.below(2) == 0;
        written[key as usize] += u64::from(is_write);
        (key, is_write.then_some(written[key as usize]))
    };
    let steps: Vec<_> = (0..count).map(step).collect();
    let seen = vec![Value::Null; steps.len()];
    let outcome = random.of(&["ok", "ok", "ok", "ok", "info", "fail"]);
    let begin = moment - 1 - random.below(moment.min(200) - 1);
    Plan { steps, seen, outcome, begin, end: moment + random.below(200) }
}

/// Lets every read see anything.
fn see_anything(model: Model, plans: &mut [Plan], random: &mut Random) {
    let mut written = [0, 0];
    for (key, value) in plans.iter().flat_map(|plan| &plan.steps) {
        written[*key as usize] += u64::from(value.is_some());
    }
    for plan in plans {
        let steps = plan.steps.iter().zip(&mut plan.seen);
        for ((key, _), seen) in steps.filter(|((_, value), _)| value.is_none()) {
            *seen = match model {
                Model::ListAppend => any_list(written[*key as usize], random),
                _ => any_value(written[*key as usize], random),
            };
        }
    }
}

/// The initial value or one that was written; sometimes one that was not.
fn any_value(written: u64, random: &mut Random) -> Value {
    let unwritten = u64::from(random.below(20) == 0);
    match random.below(written + 1 + unwritten) {
        0 => Value::Null,
        value => json!(value),
    }
}

/// Mostly the beginning of one list; sometimes in another order, or with an element twice.
fn any_list(written: u64, random: &mut Random) -> Value {
    let mut list: Vec<_> = (1..=written).collect();
    if random.below(4) == 0 {
        (0..list.len()).for_each(|at| list.swap(at, random.below(written) as usize));
    }
    list.truncate(random.below(written + 1) as usize);
    if random.below(30) == 0 {
        list.extend(list.first().copied());
    }
    json!(list)
}

/// Lets every read see what it sees if one transaction is done after another, each at its moment.
fn see_in_order(model: Model, plans: &mut [Plan], random: &mut Random) {
    let mut store = [vec![], vec![]];
    for plan in plans {
        let before = store.clone();
        for ((key, written), seen) in plan.steps.iter().zip(&mut plan.seen) {
            let values = &mut store[*key as usize];
            match (written, model) {
                (Some(written), _) => values.push(*written),
                (None, Model::ListAppend) => *seen = json!(values),
                (None, _) => *seen = json!(values.last()),
            }
        }
        if plan.outcome == "fail" || plan.outcome == "info" && random.below(2) == 0 {
            store = before;
        }
    }
}

/// The history of some transactions. A process goes on with another where that is possible.
fn history(model: Model, plans: &[Plan]) -> History {
    let mut processes: Vec<&Plan> = Vec::new();
    let mut lines = Vec::new();
    let mut in_time: Vec<_> = plans.iter().collect();
    in_time.sort_by_key(|plan| plan.begin);
    for plan in in_time {
        let is_free = |last: &&Plan| last.outcome != "info" && last.end < plan.begin;
        let process = processes.iter().position(is_free).unwrap_or(processes.len());
        match processes.get_mut(process) {
            Some(last) => *last = plan,
            None => processes.push(plan),
        }
        lines.push((plan.begin, process, "invoke", plan.value(model, false)));
        lines.push((plan.end, process, plan.outcome, plan.value(model, true)));
    }
    lines.sort_by_key(|(time, ..)| *time);
    let event = |(index, (_, process, kind, value))| -> Event {
        serde_json::from_value(json!({
            "index": index, "time": index, "process": process, "type": kind, "f": "txn", "value": value,
        }))
        .unwrap()
    };
    History::pair(lines.into_iter().enumerate().map(event).collect()).unwrap()
}

fn cases() -> u64 {
    std::env::var("FAULTLINE_CASES").map_or(CASES, |cases| cases.parse().unwrap())
}

fn whole(proof: Proof) -> [ObjectProof; 1] {
    [ObjectProof { key: ValueId::NIL, proof }]
}

fn words(model: Model, plans: &[Plan]) -> String {
    let line = |plan: &Plan| {
        let Plan { begin, end, outcome, .. } = plan;
        format!("{begin}..{end} {outcome} {}\n", plan.value(model, true))
    };
    plans.iter().map(line).collect()
}

#[test]
fn every_proof_of_the_check_is_accepted() {
    for model in MODELS {
        let mut random = Random(0x9e37_79b9 + model as u64);
        let mut refuted = 0;
        for _ in 0..cases() {
            let mut plans = plans(&mut random);
            see_anything(model, &mut plans, &mut random);
            let history = history(model, &plans);
            refuted +=
                LEVELS.iter().filter(|level| is_refuted(&history, model, level, &plans)).count();
        }
        assert!(refuted as u64 > cases(), "only {refuted} refuted");
    }
}

/// Whether a level was refuted; every proof must be accepted by itself, and a verdict of a violation must have one.
fn is_refuted(history: &History, model: Model, level: &str, plans: &[Plan]) -> bool {
    let consistency: Consistency = level.parse().unwrap();
    let findings = transactions::check(history, model, consistency, &Limits::default()).unwrap();
    let is_invalid = findings.report.verdict == Verdict::Invalid;
    assert!(!is_invalid || !findings.proofs.is_empty());
    for proof in &findings.proofs {
        let verified = verify_all(history, model, consistency.name(), std::slice::from_ref(proof));
        let accepted =
            verified.as_ref().is_ok_and(|accepted| accepted.invalid == usize::from(is_invalid));
        assert!(accepted, "{level}: {proof:?}: {verified:?}\n{}", words(model, plans));
    }
    is_invalid
}

#[test]
fn nothing_refutes_one_transaction_after_another() {
    for model in MODELS {
        let mut random = Random(0x85eb_ca6b + model as u64);
        for _ in 0..cases() {
            let mut plans = plans(&mut random);
            see_in_order(model, &mut plans, &mut random);
            let history = history(model, &plans);
            for proof in guesses(plans.len() as u64, &mut random) {
                let verified =
                    verify_all(&history, model, "strict-serializable", &whole(proof.clone()));
                assert!(verified.is_err(), "{proof:?}\n{}", words(model, &plans));
            }
        }
    }
}

/// Every anomaly of all transactions, and cycles of two at random.
fn guesses(count: u64, random: &mut Random) -> Vec<Proof> {
    let transactions: Vec<_> = (0..count as u32).collect();
    let anomaly =
        |name: &str| Proof::Anomaly { name: name.into(), transactions: transactions.clone() };
    let mut proofs: Vec<_> = ANOMALIES.map(anomaly).into();
    proofs.extend((0..GUESSES).map(|_| {
        let (a, b) = (random.below(count) as u32, random.below(count) as u32);
        Proof::Cycle(vec![edge(a, b, random), edge(b, a, random)])
    }));
    proofs
}

fn edge(from: u32, to: u32, random: &mut Random) -> Edge {
    let kind = random.of(&KINDS);
    let integer = |number| ValueId::integer(number).unwrap();
    let (key, value) = (integer(random.below(2)), random.below(5));
    let value = if value == 0 { ValueId::NIL } else { integer(value) };
    Edge { from, to, kind, key, value }
}

/// One transaction after another, each of its own process: how it ended and its steps.
fn sequential(transactions: &[(&str, Value)]) -> History {
    let lines = transactions.iter().enumerate();
    let lines = lines.flat_map(|(process, (end, steps))| {
        [(process, "invoke", steps.clone()), (process, *end, steps.clone())]
    });
    let event = |(index, (process, kind, value))| -> Event {
        serde_json::from_value(json!({
            "index": index, "time": index, "process": process, "type": kind, "f": "txn", "value": value,
        }))
        .unwrap()
    };
    History::pair(lines.enumerate().map(event).collect()).unwrap()
}

#[test]
fn a_register_read_before_its_only_write_is_proved() {
    let history = sequential(&[("ok", json!([["r", 1, 5], ["w", 1, 5]]))]);
    let plans: &[Plan] = &[];
    assert!(is_refuted(&history, Model::RwRegister, "read-committed", plans));
    let other_write =
        sequential(&[("ok", json!([["w", 1, 5]])), ("ok", json!([["r", 1, 5], ["w", 1, 5]]))]);
    let proof = Proof::Anomaly { name: "future-read".into(), transactions: vec![1] };
    assert!(verify_all(&other_write, Model::RwRegister, "read-committed", &whole(proof)).is_err());
}

/// The initial value is null too: neither who read it nor who failed to write it shows anything.
#[test]
fn a_write_of_null_proves_nothing() {
    let read = ("ok", json!([["r", 1, null]]));
    let key = ValueId::integer(1).unwrap();
    let edge = |from, to, kind, key| Edge { from, to, kind, key, value: ValueId::NIL };
    let cycle = Proof::Cycle(vec![
        edge(1, 0, Dependency::WriteRead, key),
        edge(0, 1, Dependency::RealTime, ValueId::NIL),
    ]);
    let aborted = Proof::Anomaly { name: "G1a".into(), transactions: vec![0, 1] };
    for (end, proof) in [("ok", cycle), ("fail", aborted)] {
        let history = sequential(&[read.clone(), (end, json!([["w", 1, null]]))]);
        let verified =
            verify_all(&history, Model::RwRegister, "strict-serializable", &whole(proof));
        assert!(matches!(verified, Err(Refusal::Unproved(_))), "{verified:?}");
    }
}

//! What transactions may see, by trying every order of few of them: it knows nothing of dependencies.

use std::collections::{HashMap, HashSet};

use checker::certificate::{Dependency, Edge, Proof};
use checker::history::{History, Outcome};
use checker::models::Model;
use checker::transactions::{Anomaly, Consistency, Findings, Order};
use checker::verdict::Verdict;
use serde_json::{Value, json};

use super::support::{findings, of_events};

/// How many random histories are tried, unless `FAULTLINE_CASES` says otherwise.
const CASES: u64 = 3_000;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

type State = HashMap<String, Value>;

/// Runs a transaction. Whether all that it read is right; without a known outcome reads do not matter.
fn run(model: Model, state: &mut State, steps: &Value, reads_matter: bool) -> bool {
    let list = model == Model::ListAppend;
    let initial = || if list { json!([]) } else { Value::Null };
    for step in steps.as_array().unwrap() {
        let value = state.entry(step[1].to_string()).or_insert_with(initial);
        match step[0].as_str().unwrap() {
            "r" if reads_matter => {
                let seen = if step[2].is_null() { initial() } else { step[2].clone() };
                if *value != seen {
                    return false;
                }
            }
            "append" => value.as_array_mut().unwrap().push(step[2].clone()),
            "w" => *value = step[2].clone(),
            _ => {}
        }
    }
    true
}

/// Whether some order explains a history.
struct Oracle<'a> {
    model: Model,
    history: &'a History,
    strict: bool,
    seen: HashSet<(u32, Vec<(String, String)>)>,
}

impl Oracle<'_> {
    fn explains(&mut self, done: u32, state: &State) -> bool {
        let left = |place: &usize| done >> place & 1 == 0;
        let places = || (0..self.history.operations().len()).filter(left);
        let outcome = |place: usize| self.history.view(place).outcome();
        if places().all(|place| outcome(place) != Outcome::Ok) {
            return true;
        }
        let mut key: Vec<_> =
            state.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
        key.sort();
        if !self.seen.insert((done, key)) {
            return false;
        }
        let ended = |place: usize| {
            self.history.view(place).completed().filter(|_| outcome(place) == Outcome::Ok)
        };
        let first_end = places().filter_map(ended).min().unwrap_or(usize::MAX);
        let candidates: Vec<_> = places()
            .filter(|place| outcome(*place) != Outcome::Fail)
            .filter(|place| !self.strict || self.history.view(*place).invoked() < first_end)
            .collect();
        candidates.into_iter().any(|place| {
            let mut state = state.clone();
            let view = self.history.view(place);
            run(self.model, &mut state, &view.value(), view.outcome() == Outcome::Ok)
                && self.explains(done | 1 << place, &state)
        })
    }
}

fn is_explained(model: Model, history: &History, strict: bool) -> bool {
    let mut oracle = Oracle { model, history, strict, seen: HashSet::new() };
    oracle.explains(0, &State::new())
}

/// A small history: each transaction takes effect at one moment, most of the time.
fn random_history(model: Model, random: &mut Random) -> History {
    let clients = 2 + random.below(3);
    let keys = 1 + random.below(2);
    let noise = 2 + random.below(12);
    let mut state = State::new();
    let mut old = vec![State::new()];
    let mut next_value = 0;
    let mut open: HashMap<u64, (Value, Option<Value>)> = HashMap::new();
    let mut number_of: HashMap<u64, u64> = (0..clients).map(|client| (client, client)).collect();
    let mut events = Vec::new();
    let (mut begun, mut number) = (0, clients);
    let transactions = 2 + random.below(5);
    while begun < transactions || (!open.is_empty() && !random.one_in(20)) {
        let client = random.below(clients);
        let process = number_of[&client];
        match open.get_mut(&client) {
            None if begun < transactions => {
                let steps = random_steps(model, keys, &mut next_value, random);
                events.push((process, "invoke".to_string(), steps.clone()));
                open.insert(client, (steps, None));
                begun += 1;
            }
            Some((steps, seen @ None)) => {
                let before = state.clone();
                *seen = Some(effect(model, steps, &mut state, &old, noise, random));
                old.push(before);
            }
            Some((steps, Some(seen))) => {
                let (value, event_type) = match random.below(10) {
                    0 => (steps.clone(), "fail"),
                    1 => (steps.clone(), "info"),
                    _ => (seen.clone(), "ok"),
                };
                if event_type == "info" {
                    number += 1;
                    number_of.insert(client, number);
                }
                events.push((process, event_type.into(), value));
                open.remove(&client);
            }
            None => {}
        }
    }
    of_events(events)
}

fn random_steps(model: Model, keys: u64, next_value: &mut u64, random: &mut Random) -> Value {
    let write = if model == Model::ListAppend { "append" } else { "w" };
    let mut step = |random: &mut Random| {
        let key = random.below(keys);
        if random.one_in(2) {
            return json!(["r", key, null]);
        }
        *next_value += 1;
        json!([write, key, *next_value])
    };
    (0..1 + random.below(3)).map(|_| step(random)).collect()
}

/// What a transaction sees when it takes effect: the state, or now and then an old one, or nonsense, or it has no effect at all.
fn effect(
    model: Model,
    steps: &Value,
    state: &mut State,
    old: &[State],
    noise: u64,
    random: &mut Random,
) -> Value {
    let mut stale = old[random.below(old.len() as u64) as usize].clone();
    let lost = random.one_in(4 * noise);
    let is_stale = random.one_in(noise);
    let mut seen = steps.clone();
    let list = model == Model::ListAppend;
    for step in seen.as_array_mut().unwrap() {
        let key = step[1].to_string();
        if step[0] == "r" {
            let from = if is_stale { &stale } else { &*state };
            let value = from.get(&key).cloned();
            step[2] = value.unwrap_or_else(|| if list { json!([]) } else { Value::Null });
            if random.one_in(4 * noise) {
                spoil(&mut step[2], random);
            }
        } else {
            let one = json!([step]);
            run(model, &mut stale, &one, false);
            if !lost {
                run(model, state, &one, false);
            }
        }
    }
    seen
}

fn spoil(value: &mut Value, random: &mut Random) {
    match value {
        Value::Array(list) if list.len() > 1 && random.one_in(2) => list.swap(0, 1),
        Value::Array(list) if random.one_in(2) => {
            list.pop();
        }
        Value::Array(list) => list.push(json!(1 + random.below(6))),
        other => *other = json!(1 + random.below(6)),
    }
}

/// Every order that is given as a proof is run, and every dependency of a cycle is found again in its two transactions.
fn check_proofs(model: Model, history: &History, findings: &Findings, strict: bool) {
    for proof in &findings.proofs {
        match &proof.proof {
            Proof::Order(order) => check_order(model, history, order, strict),
            Proof::Cycle(_) | Proof::Anomaly { .. } | Proof::Core(_) => {}
        }
    }
    for found in findings.anomalies.iter().filter(|found| !found.cycle.is_empty()) {
        let Anomaly::Cycle(_, order) = found.anomaly else { panic!("{found:?}") };
        check_cycle(model, history, &found.cycle, order);
    }
}

fn check_order(model: Model, history: &History, order: &[u32], strict: bool) {
    let mut state = State::new();
    let mut latest = 0;
    for place in order {
        let view = history.view(*place as usize);
        assert!(run(model, &mut state, &view.value(), view.outcome() == Outcome::Ok), "{order:?}");
        assert!(!strict || view.completed().is_none_or(|end| end > latest), "{order:?}");
        latest = latest.max(view.invoked());
    }
    let all: HashSet<_> = order.iter().collect();
    assert_eq!(all.len(), order.len());
    let ok = (0..history.operations().len())
        .filter(|place| history.view(*place).outcome() == Outcome::Ok);
    ok.for_each(|place| assert!(all.contains(&(place as u32))));
}

fn check_cycle(model: Model, history: &History, cycle: &[Edge], order: Order) {
    let steps = |place: u32| history.view(place as usize).value();
    let mut last = cycle.last().unwrap().to;
    for edge in cycle {
        assert_eq!(edge.from, last, "{cycle:?}");
        last = edge.to;
        let (key, value) = (history.values().json(edge.key), history.values().json(edge.value));
        let (a, b) = (history.view(edge.from as usize), history.view(edge.to as usize));
        let writes = |place: u32, value: &Value| {
            steps(place)
                .as_array()
                .unwrap()
                .iter()
                .any(|s| s[0] != "r" && s[1] == key && s[2] == *value)
        };
        let reads = |place: u32, fits: &dyn Fn(&Value) -> bool| {
            steps(place)
                .as_array()
                .unwrap()
                .iter()
                .any(|s| s[0] == "r" && s[1] == key && fits(&s[2]))
        };
        let contains = |seen: &Value| {
            *seen == value || seen.as_array().is_some_and(|list| list.contains(&value))
        };
        match edge.kind {
            Dependency::RealTime => {
                assert_eq!(order, Order::RealTime);
                assert!(a.completed().unwrap() < b.invoked());
            }
            Dependency::Process => {
                assert!(
                    a.process() == b.process() && edge.from < edge.to && order == Order::Process
                );
            }
            Dependency::WriteWrite => assert!(writes(edge.from, &value)),
            Dependency::WriteRead => {
                assert!(writes(edge.from, &value) && reads(edge.to, &contains))
            }
            Dependency::ReadWrite => {
                assert!(writes(edge.to, &value));
                let missed = |seen: &Value| {
                    if model == Model::ListAppend { !contains(seen) } else { *seen != value }
                };
                assert!(reads(edge.from, &missed), "{cycle:?}");
            }
        }
    }
    let distinct: HashSet<_> = cycle.iter().map(|edge| edge.from).collect();
    assert_eq!(distinct.len(), cycle.len());
}

fn differ(model: Model, consistency: Consistency, first_seed: u64) {
    let cases = std::env::var("FAULTLINE_CASES").map_or(CASES, |text| text.parse().unwrap());
    let strict = consistency == Consistency::StrictSerializable;
    let (mut valid, mut invalid, mut proved, mut missed) = (0, 0, 0, 0);
    for case in 0..cases {
        let history = random_history(model, &mut Random(first_seed + case));
        let findings = findings(&history, model, consistency);
        let explained = is_explained(model, &history, strict);
        check_proofs(model, &history, &findings, strict);
        let has_order =
            matches!(findings.proofs.first().map(|proof| &proof.proof), Some(Proof::Order(_)));
        match (findings.report.verdict, explained) {
            (Verdict::Valid, true) => valid += 1,
            (Verdict::Invalid, false) => invalid += 1,
            // Only what no dependency ties together may be left undecided.
            (Verdict::Unknown, true) => {}
            (Verdict::Valid, false) if model == Model::RwRegister && !has_order => missed += 1,
            (verdict, _) => {
                let lines: Vec<_> = history
                    .views()
                    .map(|v| {
                        (
                            v.process(),
                            v.outcome(),
                            v.invoked(),
                            v.completed(),
                            v.value().to_string(),
                        )
                    })
                    .collect();
                panic!(
                    "{model} {consistency} seed {}: {verdict:?} but {explained}: {findings:#?}\n{lines:#?}",
                    first_seed + case
                );
            }
        }
        proved += u64::from(has_order);
    }
    println!(
        "{model} {consistency}: {cases} cases, {valid} valid ({proved} with an order), {invalid} invalid, {missed} missed"
    );
    assert!(valid * 20 > cases && invalid * 20 > cases, "{valid} {invalid} of {cases}");
    assert!(proved * 20 > cases);
    assert!(missed * 20 < cases, "{missed}");
}

#[test]
fn lists_are_judged_as_every_order_says() {
    differ(Model::ListAppend, Consistency::StrictSerializable, 1_000_000_000);
    differ(Model::ListAppend, Consistency::Serializable, 2_000_000_000);
}

#[test]
fn registers_are_never_convicted_where_an_order_explains_them() {
    differ(Model::RwRegister, Consistency::StrictSerializable, 3_000_000_000);
    differ(Model::RwRegister, Consistency::Serializable, 4_000_000_000);
}

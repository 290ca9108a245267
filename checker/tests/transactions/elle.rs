//! The cases of Elle's own unit tests, with what Elle says about each.

use std::collections::{BTreeSet, HashMap};

use checker::models::Model;
use checker::transactions::{
    Anomaly, Assumptions, Consistency, Findings, Found, Order, RuledOut, Shape,
};
use serde_json::Value;

use super::support::{findings_assuming, of_events};

/// Where we differ, and why.
const EXCEPTIONS: &[(u64, &str)] = &[
    (62, "the order of transactions is given from outside; we have no such option"),
    (64, "the order of transactions is given from outside; we have no such option"),
    (
        76,
        "asks not to conclude from a read to the later write of the same transaction; we always do, and it is sound",
    ),
];

/// Cases in which something is read that no transaction wrote. We call that a violation of its own; Elle stops for lists (which these cases are not) and
/// takes it for granted for registers ("TODO: this represents a bug!"). Everything else must agree.
const THIN_AIR: &[u64] = &[51, 54, 72, 73, 74, 77, 79];

#[test]
fn elles_own_cases_are_judged_as_elle_judges_them() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let data = std::env::var("FAULTLINE_DATA").unwrap_or_else(|_| default.into());
    let path = std::path::Path::new(&data).join("peers/elle-unit/cases.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return;
    };
    let mut wrong = Vec::new();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 78);
    for case in &cases {
        wrong.extend(Case::of(case).disagreement());
    }
    assert!(wrong.is_empty(), "{} of 78:\n{}", wrong.len(), wrong.join("\n"));
}

struct Case<'a> {
    case: &'a Value,
    id: u64,
    consistency: Vec<Consistency>,
    findings: Findings,
}

impl<'a> Case<'a> {
    fn of(case: &'a Value) -> Self {
        let opts = &case["opts"];
        let models = match &opts["consistency-models"] {
            Value::Array(models) => {
                models.iter().map(|model| model.as_str().unwrap().parse().unwrap()).collect()
            }
            Value::Null if opts.get("anomalies").is_some() => vec![],
            _ => vec![Consistency::StrictSerializable],
        };
        let model = case["kind"].as_str().unwrap().parse::<Model>().unwrap();
        let assumptions = Assumptions {
            sequential_keys: opts["sequential-keys?"] == true,
            linearizable_keys: opts["linearizable-keys?"] == true,
        };
        let history = of_events(events(case["history"].as_array().unwrap()));
        let asked = models.first().copied().unwrap_or(Consistency::StrictSerializable);
        let findings = findings_assuming(&history, model, asked, assumptions);
        Self { case, id: case["id"].as_u64().unwrap(), consistency: models, findings }
    }

    /// What is said differently, if anything.
    fn disagreement(&self) -> Option<String> {
        let found: Vec<_> =
            self.findings.anomalies.iter().filter(|found| self.counts(found)).collect();
        let expect = &self.case["expect"];
        let names = |value: &Value| -> BTreeSet<String> {
            value
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap().to_string())
                .collect()
        };
        let mut expected = names(&expect["anomaly-types"]);
        expected.remove("empty-transaction-graph");
        let ours: BTreeSet<_> = found
            .iter()
            .filter(|found| self.is_asked_for(found.anomaly))
            .map(|found| found.anomaly.name().to_string())
            .collect();
        // Elle stops at models that are ruled out already; we say what else there is.
        let known = ruled_out(
            self.findings.anomalies.iter().filter(|found| expected.contains(found.anomaly.name())),
        );
        let extra = found.iter().filter(|found| {
            self.is_asked_for(found.anomaly) && !expected.contains(found.anomaly.name())
        });
        let news =
            extra.filter(|found| !found.anomaly.rules_out().iter().all(|model| known.has(*model)));
        // Where Elle sees a cycle in real time we may see it in the order of one process already, which says more.
        let is_found = |name: &String| {
            ours.contains(name) || ours.contains(&name.replace("-realtime", "-process"))
        };
        let same_types = expected.iter().all(is_found) && news.count() == 0;
        let visible = found.iter().filter(|found| self.is_visible(found.anomaly)).copied();
        let not: BTreeSet<_> =
            ruled_out(visible).not().map(|model| model.name().to_string()).collect();
        let same_not = expect["valid?"] == true || not == names(&expect["not"]);
        let agrees = same_types && same_not;
        let excused = EXCEPTIONS.iter().any(|(id, _)| *id == self.id);
        (agrees == excused).then(|| {
            format!(
                "case {} {}: {ours:?} not {not:?}, Elle {expected:?} not {}",
                self.id, self.case["test"], expect["not"]
            )
        })
    }

    fn counts(&self, found: &Found) -> bool {
        found.anomaly != Anomaly::ThinAir || !THIN_AIR.contains(&self.id)
    }

    /// Whether Elle looks for the anomaly under the options of the case.
    fn is_asked_for(&self, anomaly: Anomaly) -> bool {
        let forbids = |model: &Consistency| {
            RuledOut::from_weakest(anomaly.rules_out().iter().copied()).has(*model)
        };
        let named = self.case["opts"]["anomalies"].as_array();
        let named =
            named.map_or(&[][..], Vec::as_slice).iter().any(|name| match name.as_str().unwrap() {
                "G1" => forbids(&Consistency::ReadCommitted),
                "G2" => matches!(
                    anomaly,
                    Anomaly::Cycle(Shape::GSingle | Shape::GNonadjacent | Shape::G2, Order::Plain)
                ),
                "G-single" => anomaly == Anomaly::Cycle(Shape::GSingle, Order::Plain),
                name => anomaly.name() == name,
            });
        named || self.consistency.iter().any(forbids)
    }

    /// Whether it counts for the models that Elle rules out: what needs an order of processes or time only if it was asked for.
    fn is_visible(&self, anomaly: Anomaly) -> bool {
        match anomaly {
            Anomaly::Cycle(_, Order::Process | Order::RealTime) => self.is_asked_for(anomaly),
            _ => true,
        }
    }
}

fn ruled_out<'a>(found: impl Iterator<Item = &'a Found>) -> RuledOut {
    RuledOut::from_weakest(found.flat_map(|found| found.anomaly.rules_out()).copied())
}

/// Action and key of every step.
type Shapes = Vec<(Value, Value)>;

/// Elle's tests leave out invocations, and let a process do several things at once. Where a completion has no invocation it gets one just before;
/// a process that is busy or crashed is given another number.
fn events(ops: &[Value]) -> Vec<(u64, String, Value)> {
    let kind = |op: &Value| op["type"].as_str().unwrap().to_string();
    let shape = |op: &Value| -> Shapes {
        let steps = op["value"].as_array().cloned().unwrap_or_default();
        steps.iter().map(|step| (step[0].clone(), step[1].clone())).collect()
    };
    let mut events = Vec::new();
    let mut open: Vec<(u64, u64, Shapes)> = Vec::new();
    let mut last_of: HashMap<u64, u64> = HashMap::new();
    let mut next_number = 1_000;
    for op in ops {
        let process = op["process"].as_u64().unwrap_or(0);
        if kind(op) == "invoke"
            || !open.iter().any(|known| known.0 == process && known.2 == shape(op))
        {
            let mut number = *last_of.entry(process).or_insert(process);
            if open.iter().any(|known| known.1 == number) {
                next_number += 1;
                number = next_number;
            }
            open.push((process, number, shape(op)));
            events.push((number, "invoke".into(), op["value"].clone()));
        }
        if kind(op) != "invoke" {
            let at =
                open.iter().position(|known| known.0 == process && known.2 == shape(op)).unwrap();
            let (_, number, _) = open.remove(at);
            events.push((number, kind(op), op["value"].clone()));
        }
    }
    events
}

//! Transactions over dependency graphs (Adya 1999; Kingsbury and Alvaro, *Elle*, 2020): what depends on what is known from the values that were read, and a
//! cycle of dependencies is something that no order of the transactions explains. Which kinds of cycles there are tells which consistency models
//! the history cannot have (`docs/consistency.md`).
//!
//! First one order of all transactions is looked for that respects every dependency and real time, without storing real time
//! (`order.rs`). Where there is one and nothing else is wrong, everything holds. Otherwise the cycles of every kind are searched for (`cycles.rs`).

mod anomaly;
mod consistency;
mod cycles;
mod drawing;
mod findings;
mod graph;
mod lists;
mod micro;
mod order;
mod pattern;
mod precedence;
mod region;
mod registers;
mod versions;

pub use self::anomaly::{Anomaly, Order, Shape};
pub use self::consistency::{Consistency, RuledOut};
pub use self::drawing::{Drawing, drawings};
pub use self::findings::{Findings, Found};
pub use self::micro::NoTransactions;
pub(crate) use self::micro::Transactions;
pub use self::registers::Assumptions;

use self::cycles::Steps;
use self::findings::{Anomalies, Dependencies};
use self::graph::Graph;
use self::region::Region;
use self::versions::{Versions, WrittenTwice};
use crate::certificate::{ObjectProof, Proof};
use crate::explain;
use crate::history::{History, Outcome, ValueId};
use crate::linearizability::Limits;
use crate::models::Model;
use crate::verdict::{CheckReport, Verdict, Violation};

/// How many arcs all searches for cycles together may pass for each second of the time limit. Counted instead of timed, so that a
/// verdict does not depend on how busy the machine was.
const ARCS_PER_SECOND: u64 = 20_000_000;

/// What an arc takes while the graph is built: two copies and its share of the tables, in bytes.
const ARC_BYTES: u64 = 64;

/// Judges transactions of a model: [`Model::ListAppend`] or [`Model::RwRegister`].
pub fn check(
    history: &History,
    model: Model,
    consistency: Consistency,
    limits: &Limits,
) -> Result<Findings, NoTransactions> {
    check_assuming(history, model, consistency, Assumptions::default(), limits)
}

/// The same, taking something for granted about registers.
pub fn check_assuming(
    history: &History,
    model: Model,
    consistency: Consistency,
    assumptions: Assumptions,
    limits: &Limits,
) -> Result<Findings, NoTransactions> {
    let transactions = Transactions::of(history, model)?;
    let case = Case { transactions, model, consistency };
    if (0..case.transactions.len() as u32)
        .all(|place| case.transactions.outcome(place) != Outcome::Ok)
    {
        return Ok(case.undecided("no transaction succeeded: nothing was proved".into()));
    }
    Ok(match Versions::of(&case.transactions) {
        Ok(versions) => case.judge(&versions, assumptions, limits),
        Err(twice) => case.undecided(case.written_twice(&twice)),
    })
}

/// What is judged.
struct Case<'a> {
    transactions: Transactions<'a>,
    model: Model,
    consistency: Consistency,
}

/// What the search for an order and for cycles gave.
struct Search {
    anomalies: Vec<Found>,
    /// The transactions in an order that shows what was asked for.
    order: Option<Vec<u32>>,
    /// The anomalies that could not be searched for to the end.
    unsearched: Vec<Anomaly>,
    /// Whether any transaction depends on another.
    any_dependency: bool,
}

impl Case<'_> {
    fn judge(&self, versions: &Versions, assumptions: Assumptions, limits: &Limits) -> Findings {
        let dependencies = match self.model {
            Model::RwRegister => registers::dependencies(&self.transactions, versions, assumptions),
            _ => lists::dependencies(&self.transactions, versions, arcs_max(limits)),
        };
        let search = self.search(dependencies, limits);
        let weakest = search.anomalies.iter().flat_map(|found| found.anomaly.rules_out());
        let ruled_out = RuledOut::from_weakest(weakest.copied());
        let report = self.report(&search, &ruled_out);
        let proofs = self.proofs(&search, report.verdict);
        Findings { report, proofs, anomalies: search.anomalies, ruled_out }
    }

    fn search(&self, dependencies: Dependencies, limits: &Limits) -> Search {
        let Dependencies { arcs, live, exact, is_cut, mut anomalies } = dependencies;
        if is_cut {
            let cycle = |order| Shape::ALL.map(|shape| Anomaly::Cycle(shape, order));
            let unsearched = [Order::Plain, Order::Process, Order::RealTime].map(cycle).concat();
            let anomalies = anomalies.found;
            return Search { anomalies, order: None, unsearched, any_dependency: true };
        }
        let graph = Graph::of(self.transactions.len(), &arcs);
        drop(arcs);
        let any_dependency = !graph.arcs().is_empty();
        let in_time = order::in_real_time(&self.transactions, &graph, &live);
        let is_witness =
            |order: &Vec<u32>| exact || order::explains_registers(&self.transactions, order);
        if let (true, Some(order)) = (anomalies.found.is_empty(), &in_time) {
            let order = is_witness(order).then(|| order.clone());
            return Search { anomalies: vec![], order, unsearched: vec![], any_dependency };
        }
        match self.model {
            Model::RwRegister => registers::lost_updates(&self.transactions, &mut anomalies),
            _ => lists::lost_updates(&self.transactions, &mut anomalies),
        }
        let none_but_cycles = anomalies.found.is_empty();
        let unsearched = match in_time {
            Some(_) => vec![],
            None => self.find_cycles(&graph, &live, &mut anomalies, limits),
        };
        let order = (none_but_cycles && self.consistency == Consistency::Serializable)
            .then(|| order::in_any_time(&graph, &live))
            .flatten()
            .filter(is_witness);
        Search { anomalies: anomalies.found, order, unsearched, any_dependency }
    }

    /// A shortest cycle of every shape; of those in the order of processes or real time only what rules out more than was found before.
    fn find_cycles(
        &self,
        graph: &Graph,
        live: &[bool],
        anomalies: &mut Anomalies,
        limits: &Limits,
    ) -> Vec<Anomaly> {
        let seconds = limits.time.as_secs_f64();
        let mut steps = Steps { left: (seconds * ARCS_PER_SECOND as f64) as u64 };
        let mut unsearched = Vec::new();
        for order in [Order::Plain, Order::Process, Order::RealTime] {
            let component = graph::components_in(order, &self.transactions, graph, live);
            let region = Region::of(&self.transactions, graph, live, &component);
            for shape in Shape::ALL {
                let anomaly = Anomaly::Cycle(shape, order);
                if order != Order::Plain && is_known(anomaly, anomalies) {
                    continue;
                }
                match region.shortest(shape, order, &mut steps) {
                    Ok(Some(cycle)) => anomalies.note_cycle(anomaly, cycle),
                    Ok(None) => {}
                    Err(cycles::UsedUp) => unsearched.push(anomaly),
                }
            }
        }
        unsearched
    }

    fn report(&self, search: &Search, ruled_out: &RuledOut) -> CheckReport {
        let convicting: Vec<_> = self.convicting(search).collect();
        let name = self.consistency.name().to_string();
        if !convicting.is_empty() {
            let violation = |found: &&Found| explain::transactions(&self.transactions, found);
            let violations: Vec<Violation> = convicting.iter().map(violation).collect();
            let detail = format!("{}; {}", self.scope(), facts(search, ruled_out));
            return CheckReport::invalid(name, detail, violations);
        }
        let (verdict, detail) = self.not_convicted(search, ruled_out);
        CheckReport::new(name, verdict, detail)
    }

    /// The anomalies that what was asked for forbids, those that say most first.
    fn convicting<'b>(&self, search: &'b Search) -> impl Iterator<Item = &'b Found> {
        let consistency = self.consistency;
        search.anomalies.iter().filter(move |found| {
            let weakest = found.anomaly.rules_out().iter().copied();
            RuledOut::from_weakest(weakest).has(consistency)
        })
    }

    fn not_convicted(&self, search: &Search, ruled_out: &RuledOut) -> (Verdict, String) {
        let scope = self.scope();
        let forbidden = |anomaly: &&Anomaly| {
            RuledOut::from_weakest(anomaly.rules_out().iter().copied()).has(self.consistency)
        };
        if let Some(anomaly) = search.unsearched.iter().find(forbidden) {
            let detail =
                format!("{scope}; a limit was reached before {anomaly} could be ruled out");
            return (Verdict::Unknown, detail);
        }
        if !search.any_dependency {
            let detail = format!("{scope}; none depends on another: nothing was proved");
            return (Verdict::Unknown, detail);
        }
        let proved = match &search.order {
            Some(_) => "one order explains all".to_string(),
            None => format!("no anomaly found that {} forbids", self.consistency),
        };
        let beyond = match search.anomalies.is_empty() {
            true => String::new(),
            false => format!("; {}", facts(search, ruled_out)),
        };
        (Verdict::Valid, format!("{scope}; {proved}{beyond}"))
    }

    fn proofs(&self, search: &Search, verdict: Verdict) -> Vec<ObjectProof> {
        let proofs: Vec<Proof> = match verdict {
            Verdict::Invalid => self.convicting(search).map(proof).collect(),
            Verdict::Valid => search.order.clone().map(Proof::Order).into_iter().collect(),
            Verdict::Unknown => vec![],
        };
        proofs.into_iter().map(|proof| ObjectProof { key: ValueId::NIL, proof }).collect()
    }

    fn scope(&self) -> String {
        let keys = explain::counted(self.transactions.keys.len(), "key");
        format!("{} on {keys}", explain::counted(self.transactions.len(), "transaction"))
    }

    fn undecided(&self, detail: String) -> Findings {
        let name = self.consistency.name().to_string();
        let report = CheckReport::new(name, Verdict::Unknown, detail);
        let ruled_out = RuledOut::default();
        Findings { report, proofs: vec![], anomalies: vec![], ruled_out }
    }

    /// Whose value was read cannot be told any more: the workload is to blame.
    fn written_twice(&self, twice: &WrittenTwice) -> String {
        let history = self.transactions.history;
        let [a, b] = twice.writers.map(|place| history.view(place as usize).line());
        let value = history.values().words(twice.value);
        let key = history.values().words(self.transactions.keys[twice.key as usize]);
        format!(
            "{value} is written to key {key} twice, by the transactions of lines {a} and {b}: who wrote \
             what was read cannot be told; a workload must write every value once"
        )
    }
}

fn arcs_max(limits: &Limits) -> usize {
    usize::try_from(limits.memory_bytes / ARC_BYTES).unwrap_or(usize::MAX)
}

fn proof(found: &Found) -> Proof {
    match found.cycle.is_empty() {
        true => Proof::Anomaly {
            name: found.anomaly.name().into(),
            transactions: found.transactions.clone(),
        },
        false => Proof::Cycle(found.cycle.clone()),
    }
}

/// Whether cycles that were found rule out everything that an anomaly would.
fn is_known(anomaly: Anomaly, anomalies: &Anomalies) -> bool {
    let cycles = anomalies.found.iter().filter(|found| !found.cycle.is_empty());
    let weakest = cycles.flat_map(|found| found.anomaly.rules_out());
    let ruled_out = RuledOut::from_weakest(weakest.copied());
    anomaly.rules_out().iter().all(|model| ruled_out.has(*model))
}

/// `G1a, G-single-item: not read-committed; at most read-uncommitted`.
fn facts(search: &Search, ruled_out: &RuledOut) -> String {
    let list = |names: Vec<&str>| names.join(", ");
    let anomalies = list(search.anomalies.iter().map(|found| found.anomaly.name()).collect());
    let not = list(ruled_out.not().map(Consistency::name).collect());
    let left = match list(ruled_out.strongest_left().map(Consistency::name).collect()) {
        left if left.is_empty() => "no model is left".to_string(),
        left => format!("at most {left}"),
    };
    format!("found {anomalies}: not {not}; {left}")
}

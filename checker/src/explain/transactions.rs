//! Why transactions cannot have been isolated as promised, in sentences.

use super::{operation_report, seconds, who};
use crate::certificate::{Dependency, Edge};
use crate::history::{History, ValueId, View};
use crate::transactions::{Anomaly, Found, Order, Transactions};
use crate::verdict::Violation;

/// Explains an anomaly.
pub(crate) fn transactions(transactions: &Transactions<'_>, found: &Found) -> Violation {
    let story = Story { history: transactions.history, found };
    let mut shown: Vec<_> = found.transactions.clone();
    shown.sort_unstable();
    shown.dedup();
    let views = || shown.iter().map(|place| transactions.history.view(*place as usize));
    let time = views().filter_map(|view| view.completed_time()).max();
    let key = (found.key != ValueId::NIL).then(|| transactions.history.values().words(found.key));
    Violation {
        summary: story.summary(),
        time,
        key,
        explanation: story.steps(),
        operations: views().map(operation_report).collect(),
    }
}

struct Story<'a> {
    history: &'a History,
    found: &'a Found,
}

impl Story<'_> {
    fn summary(&self) -> String {
        let Found { anomaly, key, count, .. } = self.found;
        let place = match *key {
            ValueId::NIL => String::new(),
            key => format!(" of key {}", self.words(key)),
        };
        let more = match *count {
            1 => String::new(),
            count => format!(" ({count} times)"),
        };
        let order = match anomaly {
            Anomaly::Cycle(_, Order::Process) => ", given the order of each process",
            Anomaly::Cycle(_, Order::RealTime) => ", given what was over before what began",
            _ => "",
        };
        format!("{anomaly}{place}: {}{order}{more}", anomaly.meaning())
    }

    fn words(&self, id: ValueId) -> String {
        self.history.values().words(id)
    }

    fn view(&self, place: u32) -> View<'_> {
        self.history.view(place as usize)
    }

    fn steps(&self) -> Vec<String> {
        match self.found.cycle.is_empty() {
            true => self.anomaly(),
            false => self.cycle(),
        }
    }

    /// `Let T1 = [["append","x",3]] (line 17, process 3 on n2, from 1.200 s to 1.210 s).`
    fn introduce(&self, number: usize, place: u32) -> String {
        let view = self.view(place);
        let when = super::when(view);
        format!(
            "Let T{number} = {} (line {}, {}, {when}).",
            shortened(&view.value().to_string()),
            view.line(),
            who(view)
        )
    }

    fn cycle(&self) -> Vec<String> {
        let cycle = &self.found.cycle;
        let mut steps: Vec<_> =
            cycle.iter().enumerate().map(|(at, edge)| self.introduce(at + 1, edge.from)).collect();
        for (at, edge) in cycle.iter().enumerate() {
            let (from, to) = (at + 1, (at + 1) % cycle.len() + 1);
            let because = self.because(edge, from, to);
            let ending = if at + 1 < cycle.len() { "." } else { ": a contradiction." };
            let however = if at + 1 < cycle.len() { "" } else { "However, " };
            steps.push(format!(
                "{however}T{from} must come before T{to}, because {because}{ending}"
            ));
        }
        steps
    }

    fn because(&self, edge: &Edge, from: usize, to: usize) -> String {
        let (key, value) = (self.words(edge.key), self.words(edge.value));
        match edge.kind {
            Dependency::WriteWrite => {
                format!("T{to} overwrote version {value} of key {key}, which T{from} wrote")
            }
            Dependency::WriteRead => {
                format!("T{to} read {value} of key {key}, which T{from} wrote")
            }
            Dependency::ReadWrite => {
                format!("T{from} read key {key} without {value}, which T{to} wrote")
            }
            Dependency::Process => {
                format!("process {} did T{from} before T{to}", self.view(edge.from).process())
            }
            Dependency::RealTime => {
                let over = self.view(edge.from).completed_time().map(seconds).unwrap_or_default();
                let began = seconds(self.view(edge.to).invoked_time());
                format!("T{from} was over at {over}, and T{to} began only at {began}")
            }
        }
    }

    fn anomaly(&self) -> Vec<String> {
        let found = self.found;
        let places = found.transactions.iter().enumerate();
        let mut steps: Vec<_> = places.map(|(at, place)| self.introduce(at + 1, *place)).collect();
        let (key, value) = (self.words(found.key), self.words(found.value));
        steps.push(match found.anomaly {
            Anomaly::ThinAir => format!("T1 read {value} of key {key}, which no transaction wrote."),
            Anomaly::DuplicateElements => format!("T1 read {value} twice in key {key}, though it was appended once."),
            Anomaly::CyclicVersions => format!("By the reads and writes of these transactions a version of key {key} comes both before and after another."),
            Anomaly::G1a => format!("T1 read {value} of key {key}, which T2 wrote; but T2 failed, and what it wrote must never be seen."),
            Anomaly::G1b => format!("T1 read {value} of key {key} as the last version, but T2 wrote that key again later: T1 saw T2 half done."),
            Anomaly::FutureRead => format!("T1 read {value} of key {key} before it wrote it itself."),
            Anomaly::DirtyUpdate => format!("T2 failed, yet T1 wrote key {key} after T2's {value}, and T3 saw both."),
            Anomaly::IncompatibleOrder => format!("T1 and T2 read key {key}, and neither read is the beginning of the other."),
            Anomaly::ReorderedAppends => format!("T1 appended {value} to key {key} after other elements of its own, yet it stands before them."),
            Anomaly::Internal => format!("T1's read of key {key} that ends with {value} contradicts its own earlier reads and writes."),
            Anomaly::LostUpdate if found.value == ValueId::NIL => format!("All of them read key {key} as it is before anybody writes it, and then wrote it: only one can have seen what it overwrote."),
            Anomaly::LostUpdate => format!("All of them read version {value} of key {key} and then wrote it: only one can have seen what it overwrote."),
            Anomaly::Cycle(..) => String::new(),
        });
        steps
    }
}

/// The longest text of a transaction that is shown whole, in characters.
const TEXT_MAX: usize = 400;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

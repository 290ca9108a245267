//! How long nothing succeeded: over all, by operation and by node; and how long after each fault something succeeded again.
//!
//! Somebody *waits* from the moment at which an operation begins (or goes on, after another succeeded) until one succeeds or the recording
//! ends. The longest wait is the figure: time in which nobody asked for anything is not counted. When an operation of unknown outcome was
//! given up is not known; it keeps somebody waiting beyond the next success, not beyond the one after.
//!
//! Figures, not a promise: valid as soon as anything succeeded, unless a limit was given. The limit is on the system as a whole: a node that is cut
//! off cannot serve. Time in which the host was slow ([`super::host`]) does not count against it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::findings::{Findings, evidence};
use super::host::{Excuse, Host};
use super::quantiles::duration;
use super::{Options, counted, faults_effective};
use crate::explain::{seconds, when, who, words};
use crate::history::{History, NEVER, Operation, Outcome};
use crate::verdict::{CheckReport, FaultReport, Violation};

/// Name of the check.
pub const NAME: &str = "availability";

/// Measures a history, and convicts where a wait or a recovery was longer than the options allow.
pub fn check(history: &History, options: &Options) -> CheckReport {
    let Options { gap_max, recovery_max, slow_host, .. } = *options;
    let host = Host::of(history, slow_host);
    let mut excused = None;
    let (mut findings, mut doubts) = (Findings::default(), Vec::new());
    let waits = Waits::of(history);
    if waits.all.last_success.is_none() {
        doubts.push("no operation succeeded".into());
    }
    if let (Some(longest), Some(limit)) = (waits.all.longest, gap_max)
        && longest.length() > limit
    {
        match host.excuse(longest.from, longest.to, limit) {
            None => findings.add("too long without a success", || longest.told(history, limit)),
            Some(excuse) => {
                let length = duration(longest.length());
                doubts.push(excuse.doubt(&format!("nothing succeeded for {length}")));
                excused = Some(excuse);
            }
        }
    }
    let recoveries = recoveries(history);
    for recovery in &recoveries {
        let Some(limit) = recovery_max else { break };
        match recovery.verdict(history, limit) {
            Ok(true) => {}
            Ok(false) => match host.excuse(recovery.ended, recovery.served(history), limit) {
                None => findings.add("too slow to recover", || recovery.told(limit)),
                Some(excuse) => {
                    let what = format!("too slow to recover after {}", recovery.fault.id);
                    doubts.push(excuse.doubt(&what));
                    excused = Some(excuse);
                }
            },
            Err(doubt) => doubts.push(doubt),
        }
    }
    let mut scope = waits.words();
    if let Some(slowest) = recoveries.iter().filter_map(|recovery| recovery.after).max() {
        let faults = counted(recoveries.len(), "fault");
        scope += &format!("; after the slowest of {faults} served again in {}", duration(slowest));
    }
    if gap_max.is_none() && recovery_max.is_none() {
        scope += "; no limit was given";
    }
    let after = |recovery: &Recovery| (recovery.fault.id.clone(), json!(recovery.after));
    let recovery: Map<_, _> = recoveries.iter().map(after).collect();
    let mut figures = waits.figures();
    figures.insert("recovery_ns".to_string(), recovery.into());
    figures.extend(excused.map(Excuse::figure));
    findings.report(NAME, scope, &doubts, figures)
}

/// A time in which nothing succeeded though somebody waited. Places are those of operations.
#[derive(Clone, Copy)]
struct Gap {
    from: u64,
    to: u64,
    before: Option<u32>,
    attempt: u32,
    /// Nothing, if the recording ends first.
    after: Option<u32>,
}

impl Gap {
    fn length(&self) -> u64 {
        self.to - self.from
    }

    fn told(&self, history: &History, limit: u64) -> Violation {
        let [before, attempt, after] = [self.before, Some(self.attempt), self.after]
            .map(|place| place.map(|place| history.view(place as usize)));
        let mut steps = Vec::new();
        if let Some(last) = before {
            steps.push(format!(
                "The last success was {} by {}, {}.",
                words(last),
                who(last),
                when(last)
            ));
        }
        if let Some(attempt) = attempt {
            steps.push(format!(
                "{} waited for {}, {}.",
                who(attempt),
                words(attempt),
                when(attempt)
            ));
        }
        steps.push(match after {
            Some(next) => {
                format!("The next success was {} by {}, {}.", words(next), who(next), when(next))
            }
            None => "Nothing succeeded until the recording ended.".to_string(),
        });
        let (length, from, to) = (duration(self.length()), seconds(self.from), seconds(self.to));
        let limit = duration(limit);
        Violation {
            summary: format!(
                "nothing succeeded for {length}, from {from} to {to}; {limit} were allowed"
            ),
            time: Some(self.from.saturating_add(self.length())),
            key: None,
            explanation: steps,
            operations: evidence([before, attempt, after].into_iter().flatten().collect()),
        }
    }
}

/// Who waits among some operations.
#[derive(Clone, Copy, Default)]
struct Wait {
    /// When the wait began, and the operation that is waited for.
    since: Option<(u64, u32)>,
    /// Operations that have begun and will end.
    open: u32,
    /// The last of them to begin, and the last of unknown outcome since the last success.
    opened: Option<u32>,
    hanging: Option<u32>,
    last_success: Option<u32>,
    longest: Option<Gap>,
}

impl Wait {
    fn begin(&mut self, time: u64, place: u32, operation: &Operation) {
        if operation.completed == NEVER {
            self.hanging = Some(place);
        } else {
            self.open += 1;
            self.opened = Some(place);
        }
        self.since.get_or_insert((time, place));
    }

    fn end(&mut self, time: u64, place: u32, operation: &Operation) {
        self.open -= 1;
        if operation.outcome != Outcome::Ok {
            return;
        }
        self.close(time, Some(place));
        self.last_success = Some(place);
        let waiting = self.hanging.take().or_else(|| self.opened.filter(|_| self.open > 0));
        self.since = waiting.map(|waiting| (time, waiting));
    }

    fn close(&mut self, to: u64, after: Option<u32>) {
        let Some((from, attempt)) = self.since.take() else { return };
        let gap = Gap { from, to, before: self.last_success, attempt, after };
        if self.longest.is_none_or(|longest| gap.length() > longest.length()) {
            self.longest = Some(gap);
        }
    }

    fn length(&self) -> u64 {
        self.longest.map_or(0, |gap| gap.length())
    }
}

/// Waits over all, by operation and by node.
struct Waits<'a> {
    all: Wait,
    by_function: Vec<(&'a str, Wait)>,
    by_node: Vec<(&'a str, Wait)>,
}

impl<'a> Waits<'a> {
    fn of(history: &'a History) -> Self {
        let functions = history.functions().map(|f| (f, Wait::default())).collect();
        let mut waits = Self { all: Wait::default(), by_function: functions, by_node: Vec::new() };
        for (event, place) in steps(history) {
            let operation = &history.operations()[place as usize];
            let time = history.time(event as usize);
            let node = history.view(place as usize).node();
            for wait in waits.concerned(operation, node) {
                if event == operation.invoked {
                    wait.begin(time, place, operation);
                } else {
                    wait.end(time, place, operation);
                }
            }
        }
        let end = history.events().checked_sub(1).map_or(0, |last| history.time(last));
        let Self { all, by_function, by_node } = &mut waits;
        let grouped = by_function.iter_mut().chain(by_node).map(|(_, wait)| wait);
        grouped.chain([all]).for_each(|wait| wait.close(end, None));
        waits.by_node.sort_by_key(|(node, _)| *node);
        waits
    }

    fn concerned(
        &mut self,
        operation: &Operation,
        node: Option<&'a str>,
    ) -> impl Iterator<Item = &mut Wait> {
        let by_node = node.map(|node| {
            let known = self.by_node.iter().position(|(known, _)| *known == node);
            let place = known.unwrap_or_else(|| {
                self.by_node.push((node, Wait::default()));
                self.by_node.len() - 1
            });
            &mut self.by_node[place].1
        });
        let by_function = &mut self.by_function[operation.function as usize - 1].1;
        [&mut self.all, by_function].into_iter().chain(by_node)
    }

    fn words(&self) -> String {
        let longest = |(name, wait): &(&str, Wait)| format!("{name} {}", duration(wait.length()));
        let list =
            |waits: &[(&str, Wait)]| waits.iter().map(longest).collect::<Vec<_>>().join(", ");
        let mut words = match self.all.longest {
            Some(gap) => format!(
                "longest without a success {}, from {}",
                duration(gap.length()),
                seconds(gap.from)
            ),
            None => "nobody asked for anything".to_string(),
        };
        for waits in [&self.by_function, &self.by_node] {
            if !waits.is_empty() {
                words += &format!("; {}", list(waits));
            }
        }
        words
    }

    fn figures(&self) -> BTreeMap<String, Value> {
        let entry = |(name, wait): &(&str, Wait)| (name.to_string(), json!(wait.length()));
        let map = |waits: &[(&str, Wait)]| Value::Object(waits.iter().map(entry).collect());
        BTreeMap::from([
            ("longest_gap_ns".to_string(), json!(self.all.length())),
            ("longest_gap_from_ns".to_string(), json!(self.all.longest.map(|gap| gap.from))),
            ("longest_gap_by_operation_ns".to_string(), map(&self.by_function)),
            ("longest_gap_by_node_ns".to_string(), map(&self.by_node)),
        ])
    }
}

/// All beginnings and ends of operations, in order.
fn steps(history: &History) -> Vec<(u32, u32)> {
    let mut steps = Vec::with_capacity(2 * history.operations().len());
    for (place, operation) in history.operations().iter().enumerate() {
        steps.push((operation.invoked, place as u32));
        if operation.completed != NEVER {
            steps.push((operation.completed, place as u32));
        }
    }
    steps.sort_unstable();
    steps
}

/// What followed the end of a fault.
struct Recovery {
    fault: FaultReport,
    /// When it was over.
    ended: u64,
    /// How long after that an operation that began later succeeded; nothing if none did.
    after: Option<u64>,
    /// Whether anything was asked after it.
    asked: bool,
}

fn recoveries(history: &History) -> Vec<Recovery> {
    let faults = faults_effective::faults(history);
    let operations = history.operations();
    if faults.is_empty() {
        return Vec::new();
    }
    // By place: the first success among the operations from there on.
    let mut first = vec![NEVER; operations.len() + 1];
    for (place, operation) in operations.iter().enumerate().rev() {
        let end = if operation.outcome == Outcome::Ok { operation.completed } else { NEVER };
        first[place] = end.min(first[place + 1]);
    }
    let recovery = |fault: FaultReport| {
        let ended = fault.ended?;
        let place = operations.partition_point(|o| history.time(o.invoked as usize) < ended);
        let success = (first[place] != NEVER).then(|| history.time(first[place] as usize));
        let after = success.map(|time| time - ended);
        Some(Recovery { fault, ended, after, asked: place < operations.len() })
    };
    faults.into_iter().filter_map(recovery).collect()
}

impl Recovery {
    /// When something succeeded again, or the recording ended.
    fn served(&self, history: &History) -> u64 {
        let end = || history.events().checked_sub(1).map_or(0, |last| history.time(last));
        self.after.map_or_else(end, |after| self.ended + after)
    }

    /// Whether the system recovered in time, or why that cannot be told.
    fn verdict(&self, history: &History, limit: u64) -> Result<bool, String> {
        let id = &self.fault.id;
        let end = history.events().checked_sub(1).map_or(0, |last| history.time(last));
        match self.after {
            Some(after) => Ok(after <= limit),
            None if !self.asked => Err(format!("nothing was asked after {id}")),
            None if end - self.ended <= limit => {
                Err(format!("the recording ends {} after {id}", duration(end - self.ended)))
            }
            None => Ok(false),
        }
    }

    fn told(&self, limit: u64) -> Violation {
        let FaultReport { id, action, .. } = &self.fault;
        let seen = self.after.map_or_else(
            || "nothing succeeded".to_string(),
            |after| format!("the first success came {} later", duration(after)),
        );
        Violation {
            summary: format!("after {id} ({action}) {seen}; {} were allowed", duration(limit)),
            time: Some(self.ended.saturating_add(self.after.unwrap_or(limit))),
            key: None,
            explanation: vec![format!("{id} was over at {}.", seconds(self.ended))],
            operations: vec![],
        }
    }
}

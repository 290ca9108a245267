//! Session guarantees (Terry et al., PDIS 1994): what a process saw or wrote, it does not see undone.
//!
//! A session is a process, which ends with an operation of unknown outcome. Each key is judged by itself, in the order of its versions
//! (`versions.rs` says which order is assumed):
//!
//! * *read your writes*: a read returns nothing older than what the process wrote before;
//! * *monotonic reads*: a read returns nothing older than what the process read before;
//! * *monotonic writes*: a write makes no version older than an earlier write of the process did;
//! * *writes follow reads*: a write makes no version older than what the process read before.
//!
//! Where writes are ordered by real time the last two hold by assumption, so they are judged for lists and for integers that grow only.
//! Only guarantees within one key are judged: what a write to one key owes to a read of another is causal consistency.

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxHashMap;
use serde_json::json;

use super::counted;
use super::findings::{Findings, evidence};
use super::versions::{Access, Kind, Order, Version, Versions};
use crate::explain::{seconds, when, who, words};
use crate::history::{History, Outcome};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "session-guarantees";

/// What a process is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guarantee {
    ReadYourWrites,
    MonotonicReads,
    MonotonicWrites,
    WritesFollowReads,
}

impl Guarantee {
    const ALL: [Self; 4] = [
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::MonotonicWrites,
        Self::WritesFollowReads,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ReadYourWrites => "read your writes",
            Self::MonotonicReads => "monotonic reads",
            Self::MonotonicWrites => "monotonic writes",
            Self::WritesFollowReads => "writes follow reads",
        }
    }

    /// What is counted when it is broken.
    fn broken(self) -> &'static str {
        match self {
            Self::ReadYourWrites => "times own writes not read",
            Self::MonotonicReads => "times a read went back",
            Self::MonotonicWrites => "times a write came before an earlier one",
            Self::WritesFollowReads => "times a write came before what was read",
        }
    }
}

/// Judges all four guarantees.
pub fn check(history: &History) -> CheckReport {
    judge(NAME, history, &Guarantee::ALL)
}

/// Judges some of the guarantees.
pub(super) fn judge(name: &str, history: &History, guarantees: &[Guarantee]) -> CheckReport {
    let mut sessions = Sessions {
        versions: Versions::of(history),
        known: HashMap::default(),
        guarantees,
        findings: Findings::default(),
        judged: [0; 4],
        unknown: 0,
        first_unknown: None,
    };
    for number in 0..sessions.versions.accesses().len() {
        let access = sessions.versions.accesses()[number];
        if sessions.versions.operation(&access).outcome == Outcome::Ok {
            sessions.take(number as u32, &access);
        }
    }
    sessions.report(name)
}

/// The newest version that a process made or saw: when it began, and the number of the access.
#[derive(Clone, Copy)]
struct Newest {
    version: Version,
    access: u32,
}

/// What a process knows of one key.
#[derive(Clone, Copy, Default)]
struct Known {
    read: Option<Newest>,
    written: Option<Newest>,
}

struct Sessions<'a> {
    versions: Versions<'a>,
    /// By process and key.
    known: FxHashMap<u64, Known>,
    guarantees: &'a [Guarantee],
    findings: Findings,
    /// How many accesses were compared, by guarantee.
    judged: [usize; 4],
    /// Accesses whose version is not known.
    unknown: usize,
    first_unknown: Option<String>,
}

impl Sessions<'_> {
    fn take(&mut self, number: u32, access: &Access) {
        let version = match self.versions.version(number as usize) {
            Ok(version) => version,
            Err(reason) => return self.note_unknown(access, reason),
        };
        let newest = Newest { version, access: number };
        let process = self.versions.operation(access).process;
        let session = u64::from(process) << 32 | u64::from(access.key);
        let entry = self.known.entry(session).or_default();
        let known = *entry;
        let is_read = access.kind == Kind::Read;
        let slot = if is_read { &mut entry.read } else { &mut entry.written };
        if slot.is_none_or(|known| version.from >= known.version.from) {
            *slot = Some(newest);
        }
        // In real time a process's next write is newer by assumption.
        if is_read {
            self.compare(Guarantee::MonotonicReads, newest, known.read);
            self.compare(Guarantee::ReadYourWrites, newest, known.written);
        } else if self.versions.order(access.key) != Order::RealTime {
            self.compare(Guarantee::WritesFollowReads, newest, known.read);
            self.compare(Guarantee::MonotonicWrites, newest, known.written);
        }
    }

    fn compare(&mut self, guarantee: Guarantee, now: Newest, known: Option<Newest>) {
        let Some(known) = known.filter(|_| self.guarantees.contains(&guarantee)) else { return };
        self.judged[guarantee as usize] += 1;
        // What is written anew is newer than all before; what is read may be read again.
        let undone = match guarantee {
            Guarantee::MonotonicReads | Guarantee::ReadYourWrites => {
                now.version.is_older_than(known.version)
            }
            Guarantee::MonotonicWrites | Guarantee::WritesFollowReads => {
                now.version.is_not_newer_than(known.version)
            }
        };
        if undone {
            let (versions, now, known) =
                (&self.versions, now.access as usize, known.access as usize);
            self.findings.add(guarantee.broken(), || broken(versions, guarantee, now, known));
        }
    }

    fn note_unknown(&mut self, access: &Access, reason: &str) {
        self.unknown += 1;
        if self.first_unknown.is_none() {
            let operation = self.versions.view(access.place);
            let line = operation.line();
            self.first_unknown =
                Some(format!("{} in line {line}: its value {reason}", words(operation)));
        }
    }

    fn report(self, name: &str) -> CheckReport {
        let count = |guarantee: &Guarantee| self.judged[*guarantee as usize];
        let all: usize = self.guarantees.iter().map(count).sum();
        let each: Vec<_> = self
            .guarantees
            .iter()
            .map(|guarantee| match count(guarantee) {
                0 => format!("{} not judged", guarantee.name()),
                count => format!("{} {count} times", guarantee.name()),
            })
            .collect();
        let mut doubts = Vec::new();
        if let Some(first) = &self.first_unknown {
            let accesses = counted(self.unknown, "access");
            doubts.push(format!("{accesses} without a known version, first {first}"));
        }
        if all == 0 {
            doubts.push("no process came back to a key, so nothing was compared".into());
        }
        let figure = |guarantee: &Guarantee| {
            let (judged, broken) = (count(guarantee), self.findings.count(guarantee.broken()));
            let name = guarantee.name().replace(' ', "_");
            (name, json!({"compared": judged, "broken": broken}))
        };
        let mut figures: BTreeMap<_, _> = self.guarantees.iter().map(figure).collect();
        figures.insert("without_version".into(), json!(self.unknown));
        self.findings.report(name, format!("compared: {}", each.join(", ")), &doubts, figures)
    }
}

fn broken(versions: &Versions<'_>, guarantee: Guarantee, now: usize, known: usize) -> Violation {
    let (why, mut shown) = versions.why_older(now, known);
    let [access, earlier] = [now, known].map(|number| versions.accesses()[number]);
    let (now, before) = (versions.view(access.place), versions.view(earlier.place));
    let key = versions.key_words(access.key);
    let end = now.completed_time().unwrap_or_else(|| now.invoked_time());
    let did = match guarantee {
        Guarantee::ReadYourWrites => "did not read its own write",
        Guarantee::MonotonicReads => "read an older value than before",
        Guarantee::MonotonicWrites => "wrote behind its own earlier write",
        Guarantee::WritesFollowReads => "wrote behind what it had read",
    };
    shown.extend([before, now]);
    Violation {
        summary: format!(
            "{key}: {} broken at {}: {} {did}",
            guarantee.name(),
            seconds(end),
            who(now)
        ),
        time: Some(end),
        key: versions.key_name(access.key),
        explanation: vec![
            format!("First {} did {}, {}.", who(before), words(before), when(before)),
            format!("Then {} did {}, {}.", who(now), words(now), when(now)),
            why,
        ],
        operations: evidence(shown),
    }
}

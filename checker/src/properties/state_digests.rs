//! Nodes that have applied the same must have the same state.
//!
//! A node tells its trace a digest of its state (`state_digest`), or who asks it writes a nemesis line `state-digest` into the history
//! (`docs/formats.md`). Digests of the same applied index must be equal, on all nodes and at all times. Lines without an index are for systems that
//! do not tell it: the last of each node must be equal, so they are to be written when everything is quiet.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::counted;
use super::findings::Findings;
use crate::explain::seconds;
use crate::history::{Event, History};
use crate::trace::{self, Trace};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "state-digests";

/// What a node reported.
struct Digest<'a> {
    node: &'a str,
    applied: Option<u64>,
    digest: Cow<'a, str>,
    time: u64,
}

/// Judges what a history and the traces of a run tell.
pub fn check(history: &History, traces: &[Trace]) -> CheckReport {
    let (mut findings, mut doubts) = (Findings::default(), Vec::new());
    let mut digests: Vec<_> = traces.iter().flat_map(traced).collect();
    for event in history.nemesis().iter().filter(|event| event.f == "state-digest") {
        match read(event) {
            Some(digest) => digests.push(digest),
            None => doubts.push(format!(
                "a state-digest at {} has no node or no digest",
                seconds(event.time)
            )),
        }
    }
    let groups = comparable(&digests);
    for group in &groups {
        let first = group[0];
        for other in group.iter().filter(|other| other.digest != first.digest) {
            findings.add("unequal", || unequal(first, other));
        }
    }
    let nodes: BTreeSet<_> = digests.iter().map(|digest| digest.node).collect();
    doubts.extend(doubt(&nodes, &groups));
    let scope = format!(
        "{} of {}, {} comparable",
        counted(digests.len(), "digest"),
        counted(nodes.len(), "node"),
        counted(groups.iter().filter(|group| group.len() > 1).count(), "state")
    );
    let figures = BTreeMap::from([
        ("digests".to_string(), json!(digests.len())),
        ("nodes".to_string(), json!(nodes)),
        ("unequal".to_string(), json!(findings.count("unequal"))),
    ]);
    findings.report(NAME, scope, &doubts, figures)
}

fn read(event: &Event) -> Option<Digest<'_>> {
    let (node, digest) = (event.node.as_deref()?, event.value["digest"].as_str()?);
    let applied = event.value["applied"].as_u64();
    Some(Digest { node, applied, digest: digest.into(), time: event.time })
}

/// What a node told its trace.
fn traced(trace: &Trace) -> impl Iterator<Item = Digest<'_>> {
    trace.lines.iter().filter_map(|line| match line.event {
        trace::Event::StateDigest { index, state } => Some(Digest {
            node: &trace.node,
            applied: Some(index),
            digest: state.to_string().into(),
            time: line.time,
        }),
        _ => None,
    })
}

/// Digests that must be equal: those of one applied index, and the last of each node without one.
fn comparable<'a>(digests: &'a [Digest<'a>]) -> Vec<Vec<&'a Digest<'a>>> {
    let mut by_index: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    let mut last: BTreeMap<&str, _> = BTreeMap::new();
    for digest in digests {
        match digest.applied {
            Some(applied) => by_index.entry(applied).or_default().push(digest),
            None => {
                last.insert(digest.node, digest);
            }
        }
    }
    let without_index: Vec<_> = last.into_values().collect();
    by_index.into_values().chain([without_index]).filter(|group| !group.is_empty()).collect()
}

/// Every node must have been compared with another.
fn doubt(nodes: &BTreeSet<&str>, groups: &[Vec<&Digest<'_>>]) -> Option<String> {
    if nodes.len() < 2 {
        return Some(match nodes.first() {
            None => "no node reported a digest of its state".to_string(),
            Some(node) => format!("only {node} reported a digest of its state"),
        });
    }
    let has_company = |group: &Vec<&Digest<'_>>, node: &str| {
        let is = |digest: &&Digest<'_>| digest.node == node;
        group.iter().any(is) && !group.iter().all(is)
    };
    let alone: Vec<_> = nodes
        .iter()
        .filter(|node| !groups.iter().any(|group| has_company(group, node)))
        .copied()
        .collect();
    (!alone.is_empty())
        .then(|| format!("no other node reported the same applied index as {}", alone.join(", ")))
}

fn unequal(first: &Digest<'_>, other: &Digest<'_>) -> Violation {
    let state = match first.applied {
        Some(applied) => format!("after applying {applied}"),
        None => "when they were last asked".to_string(),
    };
    let pair = match first.node == other.node {
        true => format!("{} has two states", first.node),
        false => format!("{} and {} have different states", first.node, other.node),
    };
    let told = |digest: &Digest<'_>| {
        format!("{} reported {} at {}.", digest.node, digest.digest, seconds(digest.time))
    };
    Violation {
        summary: format!("{pair} {state}"),
        time: Some(first.time.max(other.time)),
        key: None,
        explanation: vec![told(first), told(other)],
        operations: vec![],
    }
}

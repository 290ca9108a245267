//! What the charts need of a run directory.

use std::path::Path;

use anyhow::Context;
use checker::history::{History, Outcome, Stage, View};
use checker::trace::{self, Event, Trace};

/// A recording, ready to be drawn.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) operations: Vec<Point>,
    /// Names of phases and when they began, in nanoseconds.
    pub(super) phases: Vec<(String, u64)>,
    /// What each node was over time, by node.
    pub(super) lanes: Vec<(String, Vec<Segment>)>,
    /// The last moment of the recording, in nanoseconds.
    pub(super) end: u64,
}

/// What the charts show of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) outcome: Outcome,
    pub(super) invoked: u64,
    pub(super) completed: Option<u64>,
}

/// A node's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Follower,
    Candidate,
    Leader,
}

/// A stretch of time in which a node had one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) role: Role,
    pub(super) term: u64,
}

impl Recording {
    pub(super) fn read(directory: &Path) -> anyhow::Result<Self> {
        let history = History::read(&directory.join("history.jsonl"))?;
        let folder = directory.join("trace");
        let traces = match folder.is_dir() {
            true => trace::read_dir(&folder).context("reading the traces")?,
            false => Vec::new(),
        };
        let nemesis = history.nemesis();
        let phases = nemesis
            .iter()
            .filter(|event| event.f == "phase")
            .filter_map(|event| Some((event.value["phase"].as_str()?.to_string(), event.time)))
            .collect();
        let point = |operation: View<'_>| Point {
            outcome: operation.outcome(),
            invoked: operation.invoked_time(),
            completed: operation.completed_time(),
        };
        let operations: Vec<_> = history.views().map(point).collect();
        let ends = operations.iter().map(|o| o.completed.unwrap_or(o.invoked));
        let end = ends.chain(nemesis.iter().map(|event| event.time)).max().unwrap_or(0);
        let lanes = lanes(&traces, &deaths(&history), end);
        Ok(Self { lanes, phases, end, operations })
    }
}

/// When which node was killed, or died.
fn deaths(history: &History) -> Vec<(String, u64)> {
    let mut deaths = Vec::new();
    for event in history.nemesis() {
        if event.f == "node-died" {
            deaths.extend(event.node.clone().map(|node| (node, event.time)));
        }
        if event.f == "kill" && event.stage == Some(Stage::Done) {
            let nodes = event.value["nodes"].as_array().into_iter().flatten();
            let names = nodes.filter_map(|node| node["node"].as_str());
            deaths.extend(names.map(|name| (name.to_string(), event.time)));
        }
    }
    deaths
}

fn lanes(traces: &[Trace], deaths: &[(String, u64)], end: u64) -> Vec<(String, Vec<Segment>)> {
    let mut lanes: Vec<(String, Vec<Segment>)> = Vec::new();
    for trace in traces {
        if lanes.last().is_none_or(|(node, _)| *node != trace.node) {
            lanes.push((trace.node.clone(), Vec::new()));
        }
        if let Some((_, lane)) = lanes.last_mut() {
            lane.extend(segments(trace, deaths, end));
        }
    }
    lanes
}

fn segments(trace: &Trace, deaths: &[(String, u64)], end: u64) -> Vec<Segment> {
    let Some(first) = trace.lines.first() else { return Vec::new() };
    let mine = deaths.iter().filter(|(node, time)| *node == trace.node && *time >= first.time);
    let until = mine.map(|(_, time)| *time).min().unwrap_or(end);
    let mut segments: Vec<Segment> = Vec::new();
    for line in &trace.lines {
        let role = match line.event {
            Event::Started { .. } | Event::Restarted { .. } | Event::BecameFollower { .. } => {
                Role::Follower
            }
            Event::BecameCandidate => Role::Candidate,
            Event::BecameLeader { .. } => Role::Leader,
            _ => continue,
        };
        match segments.last_mut() {
            Some(last) if last.role == role && role == Role::Follower => last.term = line.term,
            Some(last) => {
                last.to = line.time;
                segments.push(Segment { from: line.time, to: until, role, term: line.term });
            }
            None => segments.push(Segment { from: line.time, to: until, role, term: line.term }),
        }
    }
    segments
}

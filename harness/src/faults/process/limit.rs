//! Processes that may have few file descriptors. Evidence: the limit as the kernel shows it before, meanwhile and after, and who complained.

use std::io::{Read, Seek, SeekFrom};

use serde_json::{Value, json};

use super::{Applied, Effect, Report, Words};
use crate::cluster::{Cluster, Exit, Limited};
use crate::workload::Limit;

/// How a program complains that gets no file descriptor (EMFILE in the words of every C library, in Rust's and in Go's).
const COMPLAINT: &str = "too many open files";
/// How our node, and whoever keeps to the exit codes, ends when it cannot go on. Any other end is a crash.
const COULD_NOT_GO_ON: &str = "exit status: 4";

/// Nodes that were limited.
pub(in super::super) struct Limits {
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    limited: Limited,
    /// Its end, if it could not go on.
    gave_up: Option<Exit>,
}

pub(in super::super) fn limit(
    cluster: &mut Cluster,
    limit: &Limit,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    cluster.ensure_up(names)?;
    let mut nodes = Vec::new();
    for name in names {
        match cluster.limit_open_files(name, limit.open_files) {
            Ok(limited) => nodes.push(Node { name: name.clone(), limited, gave_up: None }),
            Err(error) => {
                // What is half done is undone: the fault is not applied.
                for Node { name, limited, .. } in &nodes {
                    let _ = cluster.lift_limit(name, limited);
                }
                return Err(error);
            }
        }
    }
    let action = format!("limit {} to {} open files", words.nodes(names), limit.open_files);
    let lines: Vec<_> = nodes.iter().map(Node::line).collect();
    Ok((action, json!({ "nodes": lines }), Applied::Limited(Limits { nodes })))
}

impl Node {
    fn line(&self) -> Value {
        let Limited { pid, before, after, .. } = &self.limited;
        json!({ "node": self.name, "pid": pid, "before": before, "limit": after })
    }

    /// How often the node complained in its log since then.
    fn complaints(&self) -> usize {
        let (path, length) = &self.limited.log;
        let mut text = Vec::new();
        let read = std::fs::File::open(path).and_then(|mut log| {
            log.seek(SeekFrom::Start(*length))?;
            log.read_to_end(&mut text)
        });
        match read {
            Ok(_) => {
                let text = String::from_utf8_lossy(&text).to_lowercase();
                text.lines().filter(|line| line.contains(COMPLAINT)).count()
            }
            Err(_) => 0,
        }
    }
}

impl Limits {
    /// Whether the end of a node is due to the fault: it said that it could not go on. A crash is not.
    pub(in super::super) fn explains(&mut self, exit: &Exit) -> bool {
        let limited = |node: &&mut Node| node.name == exit.node && node.limited.pid == exit.pid;
        match self.nodes.iter_mut().find(limited) {
            Some(node) if exit.status == COULD_NOT_GO_ON => {
                node.gave_up = Some(exit.clone());
                true
            }
            _ => false,
        }
    }

    /// Whether a node has complained and may still be ending of it.
    pub(in super::super) fn may_end_yet(&self) -> bool {
        self.nodes.iter().any(|node| node.gave_up.is_none() && node.complaints() > 0)
    }

    /// Lifts the limits, and starts again what could not go on.
    pub(in super::super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let mut report = Report::new();
        for node in self.nodes {
            let (complaints, Limited { pid, after, .. }) = (node.complaints(), &node.limited);
            report.effective &= complaints > 0;
            let mut line = node.line();
            line["complaints"] = json!(complaints);
            let done = format!("pid {pid} limited to {after} open files, {complaints} complaints");
            if let Some(exit) = &node.gave_up {
                line["status"] = json!(exit.status);
                line["log"] = json!(exit.last_lines);
                let done = format!("{done}, gave up ({})", exit.status);
                report.bring_back(cluster, &node.name, done, line).await;
                continue;
            }
            match cluster.lift_limit(&node.name, &node.limited) {
                Ok(Some(now)) => {
                    report.healed &= now == node.limited.before;
                    report.words.push(format!("{done}, then {now}"));
                    line["after"] = json!(now);
                }
                Ok(None) => report.words.push(format!("{done}, ended meanwhile")),
                Err(error) => {
                    report.healed = false;
                    report.words.push(format!("{done}, not lifted: {error:#}"));
                }
            }
            report.nodes.push(line);
        }
        report.effect()
    }
}

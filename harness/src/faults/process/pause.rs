//! Processes that stand still and go on as if nothing had happened.

use serde_json::{Value, json};

use super::{Applied, Effect, Report, Words};
use crate::cluster::Cluster;

/// Nodes that were paused, with their pids and the state that the kernel showed.
pub(in super::super) struct Paused {
    nodes: Vec<(String, u32, char)>,
}

pub(in super::super) async fn pause(
    cluster: &mut Cluster,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    cluster.ensure_running(names)?;
    let mut nodes = Vec::new();
    for name in names {
        match cluster.pause(name).await {
            Ok((pid, state)) => nodes.push((name.clone(), pid, state)),
            Err(mut error) => {
                // What is half done is undone: the fault is not applied.
                for (name, pid, _) in nodes {
                    if let Err(worse) = cluster.resume(&name, pid).await {
                        error = error.context(format!("{worse:#}"));
                    }
                }
                return Err(error);
            }
        }
    }
    let evidence: Vec<_> = nodes
        .iter()
        .map(|(node, pid, state)| json!({ "node": node, "pid": pid, "state": state }))
        .collect();
    let action = format!("pause {}", words.nodes(names));
    Ok((action, json!({ "nodes": evidence }), Applied::Paused(Paused { nodes })))
}

impl Paused {
    /// Lets the nodes go on.
    pub(in super::super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let mut report = Report::new();
        for (node, pid, state) in self.nodes {
            report.effective &= state == 'T';
            let mut line = json!({ "node": node, "pid": pid, "state": state });
            let done = format!("pid {pid} stopped (state {state})");
            match cluster.resume(&node, pid).await {
                Ok(resumed) => {
                    report.words.push(format!("{done}, then continued (state {resumed})"));
                    line["resumed"] = json!(resumed);
                }
                Err(error) => {
                    report.healed = false;
                    report.words.push(format!("{done}, not continued: {error:#}"));
                    line["error"] = json!(format!("{error:#}"));
                }
            }
            report.nodes.push(line);
        }
        report.effect()
    }
}

//! Kill and restart, pause and resume. Evidence: pids, wait status, and the state that the kernel shows.

use serde_json::{Value, json};

use super::{Applied, Effect, Words};
use crate::cluster::Cluster;

/// Nodes that were killed, with their pids and how they ended.
pub(super) struct Killed {
    nodes: Vec<(String, u32, String)>,
}

/// Nodes that were paused, with their pids and the state that the kernel showed.
pub(super) struct Paused {
    nodes: Vec<(String, u32, char)>,
}

pub(super) async fn kill(
    cluster: &mut Cluster,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    let mut nodes = Vec::new();
    for name in names {
        let (pid, status) = cluster.kill(name).await?;
        nodes.push((name.clone(), pid, status));
    }
    let evidence: Vec<_> = nodes
        .iter()
        .map(|(node, pid, status)| json!({ "node": node, "pid": pid, "status": status }))
        .collect();
    let action = format!("kill {}", words.nodes(names));
    Ok((action, json!({ "nodes": evidence }), Applied::Killed(Killed { nodes })))
}

pub(super) async fn pause(
    cluster: &mut Cluster,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    let mut nodes = Vec::new();
    for name in names {
        let (pid, state) = cluster.pause(name).await?;
        nodes.push((name.clone(), pid, state));
    }
    let evidence: Vec<_> = nodes
        .iter()
        .map(|(node, pid, state)| json!({ "node": node, "pid": pid, "state": state }))
        .collect();
    let action = format!("pause {}", words.nodes(names));
    Ok((action, json!({ "nodes": evidence }), Applied::Paused(Paused { nodes })))
}

impl Killed {
    /// Starts the nodes again, on the state that they left.
    pub(super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let effective = self.nodes.iter().all(|(_, _, status)| status == "signal 9");
        let mut healed = true;
        let (mut words, mut evidence) = (Vec::new(), Vec::new());
        for (node, pid, status) in self.nodes {
            let mut line = json!({ "node": node, "pid": pid, "status": status });
            match cluster.restart(&node).await {
                Ok((new_pid, incarnation)) => {
                    words.push(format!("pid {pid} killed ({status}), back as pid {new_pid}"));
                    line["new_pid"] = json!(new_pid);
                    line["incarnation"] = json!(incarnation);
                }
                Err(error) => {
                    healed = false;
                    words.push(format!("pid {pid} killed ({status}), not back: {error:#}"));
                    line["error"] = json!(format!("{error:#}"));
                }
            }
            evidence.push(line);
        }
        Effect {
            effective,
            healed,
            effect: words.join("; "),
            evidence: json!({ "nodes": evidence }),
        }
    }
}

impl Paused {
    /// Lets the nodes go on.
    pub(super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let effective = self.nodes.iter().all(|(_, _, state)| *state == 'T');
        let mut healed = true;
        let (mut words, mut evidence) = (Vec::new(), Vec::new());
        for (node, pid, state) in self.nodes {
            let mut line = json!({ "node": node, "pid": pid, "state": state.to_string() });
            match cluster.resume(&node).await {
                Ok(resumed) => {
                    words.push(format!(
                        "pid {pid} stopped (state {state}), then continued (state {resumed})"
                    ));
                    line["resumed"] = json!(resumed.to_string());
                }
                Err(error) => {
                    healed = false;
                    words.push(format!(
                        "pid {pid} stopped (state {state}), not continued: {error:#}"
                    ));
                    line["error"] = json!(format!("{error:#}"));
                }
            }
            evidence.push(line);
        }
        Effect {
            effective,
            healed,
            effect: words.join("; "),
            evidence: json!({ "nodes": evidence }),
        }
    }
}

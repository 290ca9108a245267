//! Processes that get little of the processor. Evidence: how often they were stopped, how often the kernel showed it, and how long they ran meanwhile.

use serde_json::{Value, json};

use super::{Applied, Effect, Report, Words};
use crate::cluster::{Cluster, Starved};
use crate::workload::{Starve, share_words};

/// Nodes that are being starved, with their pids.
pub(in super::super) struct Hungry {
    nodes: Vec<(String, u32)>,
}

pub(in super::super) fn starve(
    cluster: &mut Cluster,
    starve: &Starve,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    cluster.ensure_running(names)?;
    let mut nodes = Vec::new();
    for name in names {
        nodes.push((name.clone(), cluster.starve(name, starve.cpu, starve.cycle)?));
    }
    let lines: Vec<_> =
        nodes.iter().map(|(node, pid)| json!({ "node": node, "pid": pid })).collect();
    let action = format!("starve {} to {}", words.nodes(names), share_words(starve.cpu));
    Ok((action, json!({ "nodes": lines }), Applied::Starving(Hungry { nodes })))
}

impl Hungry {
    /// Lets the nodes go on.
    pub(in super::super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let mut report = Report::new();
        for (node, pid) in self.nodes {
            let mut line = json!({ "node": node, "pid": pid });
            match cluster.feed(&node, pid).await {
                Ok(Some(Starved { stops, stops_seen, wall, cpu })) => {
                    report.effective &= stops_seen > 0;
                    report.words.push(format!(
                        "pid {pid} stopped {stops} times (seen {stops_seen}), {} ms on a processor in {} ms",
                        cpu.as_millis(),
                        wall.as_millis()
                    ));
                    line["stops"] = json!(stops);
                    line["stops_seen"] = json!(stops_seen);
                    line["wall_ns"] = json!(wall.as_nanos() as u64);
                    line["cpu_ns"] = json!(cpu.as_nanos() as u64);
                }
                // Another fault ended it; nothing is left that is stopped, and nobody knows what was.
                Ok(None) => {
                    report.effective = false;
                    report.words.push(format!("pid {pid} ended while it was starved"));
                }
                Err(error) => {
                    report.healed = false;
                    report.words.push(format!("pid {pid} is not let go: {error:#}"));
                    line["error"] = json!(format!("{error:#}"));
                }
            }
            report.nodes.push(line);
        }
        report.effect()
    }
}

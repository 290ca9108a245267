//! Nodes that lose their disk. Evidence: how they ended, and where what they had is now.

use serde_json::{Value, json};

use super::{Applied, Effect, Report, Words, wanted_status};
use crate::cluster::{Cluster, Ended};
use crate::workload::EndedBy;

/// Nodes that were killed and whose data was set aside.
pub(in super::super) struct Wiped {
    nodes: Vec<(String, Ended, Result<String, String>)>,
}

pub(in super::super) async fn wipe(
    cluster: &mut Cluster,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    cluster.ensure_up(names)?;
    let mut nodes = Vec::new();
    for name in names {
        let ended = cluster.kill(name).await?;
        let aside = cluster.set_data_aside(name).map_err(|error| format!("{error:#}"));
        nodes.push((name.clone(), ended, aside));
    }
    let lines: Vec<_> = nodes.iter().map(line).collect();
    let action = format!("wipe {}", words.nodes(names));
    Ok((action, json!({ "nodes": lines }), Applied::Wiped(Wiped { nodes })))
}

fn line((node, ended, aside): &(String, Ended, Result<String, String>)) -> Value {
    let mut line = json!({ "node": node, "pid": ended.pid, "status": ended.status });
    match aside {
        Ok(aside) => line["aside"] = json!(aside),
        Err(why) => line["error"] = json!(why),
    }
    line
}

impl Wiped {
    /// Starts the nodes again, on an empty disk.
    pub(in super::super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let mut report = Report::new();
        for node in self.nodes {
            let (name, Ended { pid, status }, aside) = &node;
            report.effective &= status == wanted_status(EndedBy::Kill) && aside.is_ok();
            let aside = match aside {
                Ok(aside) => format!("its data set aside as {aside}"),
                Err(why) => why.clone(),
            };
            let done = format!("pid {pid} killed ({status}), {aside}");
            report.bring_back(cluster, name, done, line(&node)).await;
        }
        report.effect()
    }
}

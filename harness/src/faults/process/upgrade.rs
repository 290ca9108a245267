//! Nodes that end orderly and come back as another program. Evidence: how they ended, and what the kernel says that they run now.

use serde_json::{Value, json};

use super::{Applied, Effect, ORDERLY, Report, Words};
use crate::cluster::{Cluster, Ended};

/// Nodes that were upgraded.
pub(in super::super) struct Upgraded {
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    ended: Ended,
    /// The new pid and whether it runs the new program, or why there is none.
    started: Result<(u32, bool), String>,
}

pub(in super::super) async fn upgrade(
    cluster: &mut Cluster,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    cluster.ensure_running(names)?;
    let mut nodes = Vec::new();
    for name in names {
        let ended = cluster.terminate(name).await?;
        cluster.set_upgraded(name, true);
        let started = match cluster.restart(name).await {
            Ok((pid, _)) => Ok((pid, cluster.runs_its_program(name))),
            Err(error) => Err(format!("{error:#}")),
        };
        nodes.push(Node { name: name.clone(), ended, started });
    }
    let action = format!("upgrade {}", words.nodes(names));
    let lines: Vec<_> = nodes.iter().map(Node::line).collect();
    Ok((action, json!({ "nodes": lines }), Applied::Upgraded(Upgraded { nodes })))
}

impl Node {
    fn line(&self) -> Value {
        let Ended { pid, status } = &self.ended;
        let mut line = json!({ "node": self.name, "pid": pid, "status": status });
        match &self.started {
            Ok((pid, runs_next)) => {
                line["new_pid"] = json!(pid);
                line["runs_next"] = json!(runs_next);
            }
            Err(why) => line["error"] = json!(why),
        }
        line
    }
}

impl Upgraded {
    /// Says what was done. An upgrade is for good; a node that did not come up as the new program is brought back as the old one.
    pub(in super::super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let mut report = Report::new();
        for node in self.nodes {
            let Ended { pid, status } = &node.ended;
            let done = format!("pid {pid} terminated ({status})");
            match &node.started {
                Ok((new, runs_next)) => {
                    report.effective &= status == ORDERLY && *runs_next;
                    let what = if *runs_next { "the next version" } else { "something else" };
                    report.words.push(format!("{done}, pid {new} runs {what}, for good"));
                    report.nodes.push(node.line());
                }
                Err(why) => {
                    report.effective = false;
                    cluster.set_upgraded(&node.name, false);
                    let done = format!("{done}, the next version did not start ({why})");
                    report.bring_back(cluster, &node.name, done, node.line()).await;
                }
            }
        }
        report.effect()
    }
}

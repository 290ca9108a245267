//! Processes that end, by force or orderly, and come back when the fault ends.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Applied, Effect, Report, Words, past, wanted_status};
use crate::cluster::{Cluster, Ended};
use crate::observer::{Leader, Observer};
use crate::workload::EndedBy;

/// How long it is looked for the successor of a leader that ended orderly: nothing else is done to the system meanwhile.
const SUCCESSOR_LIMIT: Duration = Duration::from_secs(3);

/// Nodes that were made to end.
pub(in super::super) struct Away {
    how: EndedBy,
    nodes: Vec<(String, Ended)>,
    /// Who led, and who did so next, where a leader ended orderly.
    succession: Option<(Leader, Option<Leader>)>,
}

pub(in super::super) async fn kill(
    cluster: &mut Cluster,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    cluster.ensure_up(names)?;
    let mut nodes = Vec::new();
    for name in names {
        nodes.push((name.clone(), cluster.kill(name).await?));
    }
    let action = format!("kill {}", words.nodes(names));
    Ok(done(action, Away { how: EndedBy::Kill, nodes, succession: None }))
}

pub(in super::super) async fn terminate(
    cluster: &mut Cluster,
    observer: &Observer,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    cluster.ensure_running(names)?;
    let mut nodes = Vec::new();
    for name in names {
        nodes.push((name.clone(), cluster.terminate(name).await?));
    }
    let mut succession = None;
    if let Some(leader) = words.leader.clone().filter(|(leader, _)| names.contains(leader)) {
        let next = observer.find_leader(SUCCESSOR_LIMIT).await;
        let next = next.filter(|(_, term)| *term > leader.1);
        succession = Some((leader, next));
    }
    let action = format!("terminate {}", words.nodes(names));
    Ok(done(action, Away { how: EndedBy::Terminate, nodes, succession }))
}

fn done(action: String, away: Away) -> (String, Value, Applied) {
    let mut evidence = json!({ "nodes": away.nodes.iter().map(line).collect::<Vec<_>>() });
    if let Some((leader, next)) = &away.succession {
        evidence["led"] =
            json!({ "before": leader_value(leader), "after": next.as_ref().map(leader_value) });
    }
    (action, evidence, Applied::Away(away))
}

fn line((node, ended): &(String, Ended)) -> Value {
    json!({ "node": node, "pid": ended.pid, "status": ended.status })
}

fn leader_value((node, term): &Leader) -> Value {
    json!({ "node": node, "term": term })
}

impl Away {
    /// Starts the nodes again, on the state that they left.
    pub(in super::super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let Self { how, nodes, succession } = self;
        let mut report = Report::new();
        for node in nodes {
            let (name, Ended { pid, status }) = &node;
            report.effective &= status == wanted_status(how);
            let done = format!("pid {pid} {} ({status})", past(how));
            report.bring_back(cluster, name, done, line(&node)).await;
        }
        if let Some((_, next)) = succession {
            report.words.push(match next {
                Some((node, term)) => format!("{node} led next, in term {term}"),
                None => "nobody was seen to lead next".into(),
            });
        }
        report.effect()
    }
}

//! Processes that end and are started again at once, once or over and over.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Applied, Effect, Report, Words, past, wanted_status};
use crate::cluster::{Cluster, Ended};
use crate::workload::{EndedBy, Restart};

/// Nodes that are being restarted.
pub(in super::super) struct Restarting {
    how: EndedBy,
    every: Option<Duration>,
    /// When the next round is due.
    next: Instant,
    nodes: Vec<Restarted>,
}

/// What happened to one of them.
struct Restarted {
    node: String,
    rounds: Vec<Round>,
    /// Rounds in which it was away already, by another fault.
    skipped: u64,
}

/// One end and one start.
struct Round {
    ended: Ended,
    /// The new pid, or why there is none.
    started: Result<(u32, u64), String>,
}

pub(in super::super) async fn restart(
    cluster: &mut Cluster,
    restart: &Restart,
    names: &[String],
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    cluster.ensure_running(names)?;
    let new = |node: &String| Restarted { node: node.clone(), rounds: Vec::new(), skipped: 0 };
    let (how, every) = (restart.how, restart.every);
    let nodes = names.iter().map(new).collect();
    let mut restarting = Restarting { how, every, next: Instant::now(), nodes };
    restarting.round(cluster).await;
    let verb = match how {
        EndedBy::Kill => "kill",
        EndedBy::Terminate => "terminate",
    };
    let mut action = format!("{verb} and restart {}", words.nodes(names));
    if let Some(every) = every {
        action += &format!(" every {}", crate::workload::duration_words(every));
    }
    let evidence =
        json!({ "nodes": restarting.nodes.iter().map(Restarted::line).collect::<Vec<_>>() });
    Ok((action, evidence, Applied::Restarting(restarting)))
}

impl Restarting {
    /// When it is to be done again.
    pub(in super::super) fn next(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }

    /// Ends every node and starts it again.
    pub(in super::super) async fn round(&mut self, cluster: &mut Cluster) {
        for restarted in &mut self.nodes {
            let node = &restarted.node;
            if cluster.ensure_running(std::slice::from_ref(node)).is_err() {
                restarted.skipped += 1;
                continue;
            }
            let ended = match self.how {
                EndedBy::Kill => cluster.kill(node).await,
                EndedBy::Terminate => cluster.terminate(node).await,
            };
            let Ok(ended) = ended else { continue };
            let started = cluster.restart(node).await.map_err(|error| format!("{error:#}"));
            restarted.rounds.push(Round { ended, started });
        }
        // From now on: a start that takes long does not make the next ones follow each other without a pause.
        self.next = Instant::now() + self.every.unwrap_or_default();
    }

    /// Says what was done; starts again what did not come up.
    pub(in super::super) async fn heal(self, cluster: &mut Cluster) -> Effect {
        let mut report = Report::new();
        for restarted in self.nodes {
            let status = |round: &Round| round.ended.status == wanted_status(self.how);
            report.effective &= !restarted.rounds.is_empty() && restarted.rounds.iter().all(status);
            let Restarted { node, rounds, .. } = &restarted;
            let count = match rounds.len() {
                1 => "once".to_string(),
                times => format!("{times} times"),
            };
            let done = format!("{node} {} and restarted {count}", past(self.how));
            match rounds.last() {
                Some(Round { started: Ok((pid, _)), .. }) => {
                    report.words.push(format!("{done}, last as pid {pid}"));
                    report.nodes.push(restarted.line());
                }
                Some(Round { started: Err(why), .. }) => {
                    report.effective = false;
                    let done = format!("{done}, the last time without success ({why})");
                    report.bring_back(cluster, node, done, restarted.line()).await;
                }
                None => report.words.push(done),
            }
        }
        report.effect()
    }
}

impl Restarted {
    fn line(&self) -> Value {
        let rounds = self.rounds.iter().map(|Round { ended, started }| {
            let mut line = json!({ "pid": ended.pid, "status": ended.status });
            match started {
                Ok((pid, incarnation)) => {
                    line["new_pid"] = json!(pid);
                    line["incarnation"] = json!(incarnation);
                }
                Err(why) => line["error"] = json!(why),
            }
            line
        });
        let rounds: Vec<_> = rounds.collect();
        json!({ "node": self.node, "restarts": rounds.len(), "skipped": self.skipped, "rounds": rounds })
    }
}

//! What is done to processes: one file a fault. Evidence: pids, wait status, and what the kernel shows.

mod end;
mod limit;
mod pause;
mod restart;
mod starve;
mod upgrade;
mod wipe;

use serde_json::{Value, json};

pub(super) use self::end::{Away, kill, terminate};
pub(super) use self::limit::{Limits, limit};
pub(super) use self::pause::{Paused, pause};
pub(super) use self::restart::{Restarting, restart};
pub(super) use self::starve::{Hungry, starve};
pub(super) use self::upgrade::{Upgraded, upgrade};
pub(super) use self::wipe::{Wiped, wipe};
use super::{Applied, Effect, Words};
use crate::cluster::Cluster;
use crate::workload::EndedBy;

/// What an orderly end looks like.
const ORDERLY: &str = "exit status: 0";

/// What a fault came to, node by node.
struct Report {
    effective: bool,
    healed: bool,
    words: Vec<String>,
    nodes: Vec<Value>,
}

impl Report {
    fn new() -> Self {
        Self { effective: true, healed: true, words: Vec::new(), nodes: Vec::new() }
    }

    fn effect(self) -> Effect {
        let Self { effective, healed, words, nodes } = self;
        Effect { effective, healed, effect: words.join("; "), evidence: json!({ "nodes": nodes }) }
    }

    /// Starts a node again, unless the run is over, and says so behind what was done to it.
    async fn bring_back(
        &mut self,
        cluster: &mut Cluster,
        node: &str,
        done: String,
        mut line: Value,
    ) {
        if cluster.is_over() {
            self.words.push(format!("{done}, for good"));
            self.nodes.push(line);
            return;
        }
        match cluster.restart(node).await {
            Ok((pid, incarnation)) => {
                self.words.push(format!("{done}, back as pid {pid}"));
                line["new_pid"] = json!(pid);
                line["incarnation"] = json!(incarnation);
            }
            Err(error) => {
                self.healed = false;
                self.words.push(format!("{done}, not back: {error:#}"));
                line["error"] = json!(format!("{error:#}"));
            }
        }
        self.nodes.push(line);
    }
}

/// What a process that was ended so leaves behind, if it was.
fn wanted_status(how: EndedBy) -> &'static str {
    match how {
        EndedBy::Kill => "signal 9",
        EndedBy::Terminate => ORDERLY,
    }
}

fn past(how: EndedBy) -> &'static str {
    match how {
        EndedBy::Kill => "killed",
        EndedBy::Terminate => "terminated",
    }
}

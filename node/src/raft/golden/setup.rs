//! How the scripts begin clusters, and start nodes.

use std::collections::BTreeSet;

use goldenscript::{ArgumentConsumer, Command};

use super::super::disk::Disk;
use super::super::{Config, Limits, NodeId, Raft};
use super::words::{Result, nodes};
use super::{Cluster, Node};

/// The shortest election time-out.
const SHORTEST_TICKS: u32 = 100;
/// The longest, unless the script says otherwise. What is drawn below it never ends within a script; the seeds see to that.
const LONGEST_TICKS: u32 = 1_000_000;
const HEARTBEAT_TICKS: u32 = 50;

impl Cluster {
    pub(super) fn cluster(&mut self, command: &Command) -> Result<()> {
        let mut arguments = command.consume_args();
        let count: u32 = arguments.take_key("nodes").ok_or("how many nodes?")?.parse()?;
        let timeouts = arguments.take_key("timeouts").unwrap_or_default();
        let timeouts: Vec<u32> = timeouts
            .split(',')
            .filter(|t| !t.is_empty())
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        let longest = arguments.take_key("longest").map_or(Ok(LONGEST_TICKS), str::parse)?;
        let limits = limits(&mut arguments)?;
        let bug = arguments.take_key("bug").map(str::parse).transpose()?;
        let lease_ticks = arguments.take_key("lease").map(str::parse).transpose()?;
        let ids: BTreeSet<_> = (1..=count).map(NodeId).collect();
        let founders = match arguments.take_key("founders") {
            Some(founders) => nodes(founders)?,
            None => ids.clone(),
        };
        arguments.reject_next()?;
        for (place, id) in ids.iter().enumerate() {
            let config = Config {
                id: *id,
                founders: founders.clone(),
                heartbeat_ticks: HEARTBEAT_TICKS,
                election_timeout_ticks: SHORTEST_TICKS..longest,
                first_election_timeout_ticks: timeouts.get(place).copied(),
                limits: limits.clone(),
                lease_ticks,
                is_traced: true,
                is_readable: |_| true,
                seed: u64::from(id.0),
                bug,
            };
            self.nodes.insert(*id, Node { config, disk: Disk::default(), raft: None, value: None });
            self.start(*id)?;
        }
        Ok(())
    }

    fn start(&mut self, id: NodeId) -> Result<()> {
        let node = self.node(id)?;
        let (raft, effects) = Raft::new(node.config.clone(), node.disk.durable.clone());
        node.raft = Some(raft);
        node.value = None;
        self.carry_out(id, effects)
    }

    pub(super) fn restart(&mut self, id: NodeId) -> Result<()> {
        self.node(id)?.config.first_election_timeout_ticks = None;
        self.start(id)
    }
}

/// The limits that a command sets.
fn limits(arguments: &mut ArgumentConsumer<'_>) -> Result<Limits> {
    let mut limits = Limits::default();
    for (name, limit) in [
        ("message", &mut limits.message_bytes_max),
        ("uncommitted", &mut limits.uncommitted_bytes_max),
    ] {
        *limit = arguments.take_key(name).map_or(Ok(*limit), str::parse)?;
    }
    for (name, limit) in
        [("retain", &mut limits.retained_entries), ("lag", &mut limits.learner_lag_entries)]
    {
        *limit = arguments.take_key(name).unwrap_or("0").parse()?;
    }
    if let Some(bytes) = arguments.take_key("chunk") {
        limits.chunk_bytes_max = bytes.parse()?;
    }
    if let Some(messages) = arguments.take_key("inflight") {
        limits.inflight_messages_max = messages.parse()?;
    }
    Ok(limits)
}

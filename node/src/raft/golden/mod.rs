//! Golden scripts: a scenario a file in `testscripts/`, commands and what comes of them. Nodes are called a, b, c… as in the founding
//! document. Rewrite them with `UPDATE_GOLDENFILES=1 cargo test -p faultline-node golden`, and review every difference: the review is the
//! test.
//!
//! Commands:
//!
//! * `cluster nodes=3 timeouts="168,210,200" [longest=N] [bug=NAME]`: nodes with these first election time-outs, in ticks; a tick is a
//!   millisecond here. Later ones are drawn between 100 and `longest`, which is far away unless it is given.
//!   `message=BYTES inflight=MESSAGES uncommitted=BYTES` set limits; an entry counts its command and 16 bytes;
//!   `chunk=BYTES` cuts snapshots, `retain=ENTRIES` stay in the log though a snapshot covers them (none by default);
//!   a learner may lack `lag=ENTRIES` when it is to vote. `founders=NODES` begin the cluster, the others are outside; `lease=TICKS` allows
//!   lease reads
//! * `timeout NODE TICKS`: the current time-out of a node ends so many ticks after it began
//! * `run TICKS`: so often, all nodes tick, and then all messages are delivered
//! * `tick NODE [TICKS]`: one node ticks; its messages wait
//! * `time-out NODE`: its election time-out ends now; its messages wait
//! * `campaign NODE [uninvited]`: it begins an election at once, as if the leader had handed over: no pre-vote, and nobody stands by the
//!   leader; `uninvited`, as if it had won a pre-vote
//! * `propose NODE COMMAND [times=N]`, `read NODE [forward]`: a client's request; messages wait
//! * `change NODE [learners=NODES] VOTERS`, `transfer NODE [NODE]`: a request of an operator; messages wait
//! * `damage NODE INDEX`: the disk of a node that is down loses its log from there on, and knows it
//! * `snapshot NODE`: it writes its state machine down
//! * `deliver [from=NODE] [to=NODE]`: delivers what waits now, not what comes of it
//! * `stabilize`: delivers until nothing waits
//! * `drop [from=NODE] [to=NODE]`: loses what waits
//! * `repeat from=NODE to=NODE [back=N]`: the last message (or the Nth before it) that was delivered on that link comes again
//! * `partition "a,b" "c,d,e"`, `cut "a" "b,c"`, `heal`: what is sent between groups, or from these to those, is lost
//! * `crash NODE`, `restart NODE`
//! * `commit`: how long each log is, and how far it is committed
//! * `state [NODE]`: role, term, vote, commit index, log (`?` marks what is not committed) and the value applied last

mod setup;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use goldenscript::{Command, Context};

use self::words::{Result, answer_words, body_words, event_words, name, nodes, parse, state_words};
use super::disk::Disk;
use super::effects::{Apply, Commit, Effects, Input};
use super::log::Payload;
use super::message::Message;
use super::{Config, LogIndex, NodeId, Raft, RequestId, Snapshot};
use crate::trace::Record;

#[test]
#[expect(clippy::disallowed_methods, reason = "the scripts are files")]
fn golden_scripts() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/raft/testscripts");
    let mut ran = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{}: the first line says what it proves", path.display());
        goldenscript::run(&mut Cluster::default(), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        ran += 1;
    }
    assert!(ran >= 60, "only {ran} scripts were found");
}

#[derive(Default)]
struct Cluster {
    nodes: BTreeMap<NodeId, Node>,
    waiting: VecDeque<Sent>,
    delivered: Vec<Sent>,
    /// The group of each node, while there is a partition.
    groups: BTreeMap<NodeId, usize>,
    /// Directed links that lose everything.
    cut: BTreeSet<(NodeId, NodeId)>,
    requests: u64,
    output: String,
}

/// A node that may be down.
struct Node {
    config: Config,
    disk: Disk,
    raft: Option<Raft>,
    value: Option<String>,
}

#[derive(Clone)]
struct Sent {
    from: NodeId,
    to: NodeId,
    message: Message,
}

impl goldenscript::Runner for Cluster {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String> {
        let mut arguments = command.consume_args();
        let mut node = |what: &str| -> Result<NodeId> {
            parse(arguments.next_pos().ok_or_else(|| format!("{what}: which node?"))?)
        };
        match command.name.as_str() {
            "cluster" => self.cluster(command)?,
            "timeout" => {
                let (id, ticks) =
                    (node("timeout")?, arguments.next_pos().ok_or("how many ticks?")?);
                self.raft(id)?.election_timeout_ticks = ticks.parse()?;
            }
            "run" => self.run_ticks(arguments.next_pos().ok_or("how many ticks?")?.parse()?)?,
            "tick" => {
                let id = node("tick")?;
                for _ in 0..arguments.next_pos().unwrap_or("1").parse::<u32>()? {
                    self.step(id, Input::Tick)?;
                }
            }
            "time-out" => {
                let id = node("time-out")?;
                let raft = self.raft(id)?;
                raft.election_timeout_ticks = raft.elapsed_ticks + 1;
                self.step(id, Input::Tick)?;
            }
            "campaign" => {
                let id = node("campaign")?;
                let uninvited = arguments.next_pos() == Some("uninvited");
                let raft = self.raft(id)?;
                raft.campaign(!uninvited);
                let effects = std::mem::take(&mut raft.effects);
                self.carry_out(id, effects)?;
            }
            "propose" => {
                let id = node("propose")?;
                let times: u32 = arguments.take_key("times").unwrap_or("1").parse()?;
                let words: Vec<_> = std::iter::from_fn(|| arguments.next_pos()).collect();
                for _ in 0..times {
                    let command = words.join(" ").into_bytes();
                    let request = self.request(id, "propose");
                    self.step(id, Input::Propose { id: request, command })?;
                }
            }
            "read" => {
                let id = node("read")?;
                let forward = arguments.next_pos() == Some("forward");
                let request = self.request(id, "read");
                self.step(id, Input::Read { id: request, forward })?;
            }
            "change" => {
                let id = node("change")?;
                let learners = nodes(arguments.take_key("learners").unwrap_or_default())?;
                let voters = nodes(arguments.next_pos().unwrap_or_default())?;
                let request = self.request(id, "change");
                self.step(id, Input::ChangeMembers { id: request, voters, learners })?;
            }
            "transfer" => {
                let id = node("transfer")?;
                let to = arguments.next_pos().map(parse).transpose()?;
                self.step(id, Input::TransferLeadership { to })?;
            }
            "damage" => {
                let id = node("damage")?;
                let from =
                    arguments.next_pos().ok_or("from which index?")?.parse().map(LogIndex)?;
                let durable = &mut self.node(id)?.disk.durable;
                durable.damaged_up_to = durable.entries.last().map(|entry| entry.index);
                durable.entries.retain(|entry| entry.index < from);
            }
            "snapshot" => {
                let id = node("snapshot")?;
                let data = self.node(id)?.value.clone().unwrap_or_default().into_bytes().into();
                let index = self.raft(id)?.commit();
                self.step(id, Input::Snapshotted { index, data })?;
            }
            "deliver" => self.deliver(command)?,
            "stabilize" => self.stabilize()?,
            "drop" => self.drop_waiting(command)?,
            "repeat" => self.repeat(command)?,
            "partition" => self.partition(command)?,
            "cut" => self.cut(command)?,
            "heal" => {
                self.groups.clear();
                self.cut.clear();
            }
            "crash" => self.node(node("crash")?)?.raft = None,
            "restart" => self.restart(node("restart")?)?,
            "commit" => self.commit(),
            "state" => self.state(arguments.next_pos().map(parse).transpose()?)?,
            other => return Err(format!("unknown command {other}").into()),
        }
        Ok(std::mem::take(&mut self.output))
    }
}

impl Cluster {
    fn node(&mut self, id: NodeId) -> Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or_else(|| "no such node".into())
    }

    fn raft(&mut self, id: NodeId) -> Result<&mut Raft> {
        self.node(id)?.raft.as_mut().ok_or_else(|| format!("{} is down", name(id)).into())
    }

    fn request(&mut self, id: NodeId, what: &str) -> RequestId {
        self.requests += 1;
        let _ = writeln!(self.output, "{}: {what} is request {}", name(id), self.requests);
        RequestId(self.requests)
    }

    fn run_ticks(&mut self, ticks: u32) -> Result<()> {
        for _ in 0..ticks {
            let up: Vec<_> = self
                .nodes
                .iter()
                .filter(|(_, node)| node.raft.is_some())
                .map(|(id, _)| *id)
                .collect();
            for id in up {
                self.step(id, Input::Tick)?;
            }
            self.stabilize()?;
        }
        Ok(())
    }

    fn step(&mut self, id: NodeId, input: Input) -> Result<()> {
        let effects = self.raft(id)?.step(input);
        self.carry_out(id, effects)
    }

    /// In the order that [`Effects`] prescribes.
    fn carry_out(&mut self, id: NodeId, effects: Effects) -> Result<()> {
        self.node(id)?.disk.persist(&effects);
        if let Some(Snapshot { meta, .. }) = &effects.snapshot {
            let _ =
                writeln!(self.output, "{} saves a snapshot up to {}", name(id), meta.last_index);
        }
        if let Some(keep_from) = effects.compact {
            let _ = writeln!(self.output, "{} forgets its log before {keep_from}", name(id));
        }
        for Record { term, event } in &effects.trace {
            let _ = writeln!(self.output, "{} [{term}] {}", name(id), event_words(event));
        }
        for (to, message) in effects.messages {
            let _ = writeln!(
                self.output,
                "{} -> {}: [{}] {}",
                name(id),
                name(to),
                message.term,
                body_words(&message.body)
            );
            self.waiting.push_back(Sent { from: id, to, message });
        }
        for apply in effects.apply {
            match apply {
                Apply::Entry(commit) => self.apply(id, &commit)?,
                Apply::Restore(Snapshot { meta, data }) => {
                    let value = String::from_utf8_lossy(&data).into_owned();
                    let last = meta.last_index;
                    let _ =
                        writeln!(self.output, "{} restores its state at {last}: {value}", name(id));
                    self.node(id)?.value = Some(value);
                }
            }
        }
        for read in effects.reads {
            let value = self.node(id)?.value.clone().unwrap_or_else(|| "nothing".into());
            let how = if read.leased { " under its lease" } else { "" };
            let _ = writeln!(self.output, "{}: request {} reads {value}{how}", name(id), read.id.0);
        }
        for (request, answer) in effects.answers {
            let _ = writeln!(
                self.output,
                "{}: request {}: {}",
                name(id),
                request.0,
                answer_words(answer)
            );
        }
        Ok(())
    }

    fn apply(&mut self, id: NodeId, commit: &Commit) -> Result<()> {
        if let Some(request) = commit.request {
            let _ = writeln!(self.output, "{}: request {} is done", name(id), request.0);
        }
        if let Payload::Command(command) = &commit.entry.payload {
            self.node(id)?.value = Some(String::from_utf8_lossy(command).into_owned());
        }
        Ok(())
    }

    fn stabilize(&mut self) -> Result<()> {
        let mut deliveries = 0;
        while let Some(sent) = self.waiting.pop_front() {
            self.hand_over(sent)?;
            deliveries += 1;
            if deliveries > 10_000 {
                return Err("the messages never end".into());
            }
        }
        Ok(())
    }

    /// Delivers a message, unless its receiver is down or cut off.
    fn hand_over(&mut self, sent: Sent) -> Result<()> {
        let group = |id: &NodeId| self.groups.get(id).copied().unwrap_or_default();
        let cut = self.cut.contains(&(sent.from, sent.to)) || group(&sent.from) != group(&sent.to);
        if cut || self.node(sent.to)?.raft.is_none() {
            return Ok(());
        }
        self.delivered.push(sent.clone());
        self.step(sent.to, Input::Message { from: sent.from, message: sent.message })
    }

    /// Takes out what waits on the links that a command names.
    fn take_waiting(&mut self, command: &Command) -> Result<Vec<Sent>> {
        let mut arguments = command.consume_args();
        let from = arguments.take_key("from").map(parse).transpose()?;
        let to = arguments.take_key("to").map(parse).transpose()?;
        arguments.reject_next()?;
        let named = |sent: &Sent| {
            from.is_none_or(|id| id == sent.from) && to.is_none_or(|id| id == sent.to)
        };
        let (taken, rest): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(named);
        self.waiting = rest.into();
        Ok(taken)
    }

    fn deliver(&mut self, command: &Command) -> Result<()> {
        for sent in self.take_waiting(command)? {
            self.hand_over(sent)?;
        }
        Ok(())
    }

    fn drop_waiting(&mut self, command: &Command) -> Result<()> {
        let lost = self.take_waiting(command)?.len();
        let _ = writeln!(self.output, "{lost} lost");
        Ok(())
    }

    fn repeat(&mut self, command: &Command) -> Result<()> {
        let mut arguments = command.consume_args();
        let from = parse(arguments.take_key("from").ok_or("from whom?")?)?;
        let to = parse(arguments.take_key("to").ok_or("to whom?")?)?;
        let back: usize = arguments.take_key("back").unwrap_or("0").parse()?;
        let on_link = |sent: &&Sent| (sent.from, sent.to) == (from, to);
        let sent = self
            .delivered
            .iter()
            .rev()
            .filter(on_link)
            .nth(back)
            .cloned()
            .ok_or("nothing to repeat")?;
        let _ = writeln!(
            self.output,
            "again {} -> {}: {}",
            name(from),
            name(to),
            body_words(&sent.message.body)
        );
        self.hand_over(sent)
    }

    fn partition(&mut self, command: &Command) -> Result<()> {
        let mut arguments = command.consume_args();
        self.groups.clear();
        for (number, group) in std::iter::from_fn(|| arguments.next_pos()).enumerate() {
            for id in group.split(',') {
                self.groups.insert(parse(id)?, number);
            }
        }
        Ok(())
    }

    fn cut(&mut self, command: &Command) -> Result<()> {
        let mut arguments = command.consume_args();
        let mut group = || -> Result<Vec<NodeId>> {
            arguments.next_pos().ok_or("from whom, to whom?")?.split(',').map(parse).collect()
        };
        let (from, to) = (group()?, group()?);
        self.cut.extend(from.iter().flat_map(|from| to.iter().map(|to| (*from, *to))));
        Ok(())
    }

    fn commit(&mut self) {
        for (id, node) in &self.nodes {
            let Some(raft) = &node.raft else { continue };
            let (last, commit) = (raft.last_index(), raft.commit());
            let _ = writeln!(self.output, "{} has {last} entries, {commit} committed", name(*id));
        }
    }

    fn state(&mut self, only: Option<NodeId>) -> Result<()> {
        for (id, node) in &self.nodes {
            if only.is_none_or(|only| only == *id) {
                let _ = writeln!(self.output, "{}", state_words(*id, node));
            }
        }
        Ok(())
    }
}

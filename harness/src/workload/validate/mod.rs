//! What a workload may not say although it is written correctly. Finds everything at once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::diagnostics::{Diagnostic, suggest};
use super::fault::{Fault, Target};
use super::membership::{Members, Transfer};
use super::process::{Limit, Restart, Starve};
use super::rule::{Choice, FaultRule, Lasts, RuleStep, When};
use super::shape::Workload;
use super::spans::{Node, Segment};
use super::trigger::{Behind, CaughtUp, Trigger};
use super::units::duration_words;
use super::work::WorkKind;

const NODES_MAX: u32 = 9;
const CLIENTS_MAX: u32 = 1_000;
const KEYS_MAX: u32 = 100_000;
/// An operation that nobody answers may hold up the end of a run so long.
const RETRY_FOR_MAX: Duration = Duration::from_secs(30);
/// How often something can be waited for.
const TIMES_MAX: u32 = 1_000;

/// Everything that makes no sense, in the order of the file.
pub(super) fn validate(workload: &Workload, map: &Node) -> Vec<Diagnostic> {
    let mut check = Validation { workload, map, problems: Vec::new() };
    check.name();
    check.sizes();
    check.work();
    for number in 0..workload.faults.len() {
        check.rule(number);
    }
    check.checks();
    check.expectations();
    check.problems.sort_by_key(|problem| problem.place);
    check.problems
}

/// Why a workload cannot be called what it is called, if so.
pub(crate) fn objection_to_name(workload: &Workload) -> Option<String> {
    first_objection(workload, |check| check.name())
}

/// Why a fault that stands elsewhere, as in the schedule of a run, does not go with a workload, if so.
pub(crate) fn objection_to(workload: &Workload, fault: &Fault) -> Option<String> {
    first_objection(workload, |check| check.fault(&[], fault))
}

fn first_objection(workload: &Workload, check: impl FnOnce(&mut Validation<'_>)) -> Option<String> {
    let map = Node::nowhere();
    let mut validation = Validation { workload, map: &map, problems: Vec::new() };
    check(&mut validation);
    validation.problems.into_iter().next().map(|problem| problem.message)
}

struct Validation<'a> {
    workload: &'a Workload,
    map: &'a Node,
    problems: Vec<Diagnostic>,
}

/// `path!["faults", 3, "for"]`.
macro_rules! path {
    ($($segment:expr),*) => { [$(Segment::from($segment)),*] };
}

mod links;

/// A path further in.
fn extended<const N: usize>(path: &[Segment], more: [Segment; N]) -> Vec<Segment> {
    path.iter().cloned().chain(more).collect()
}

/// Where a step of a rule stands.
pub(super) fn step_path(number: usize, rule: &FaultRule, place: usize) -> Vec<Segment> {
    let path = path!["faults", number];
    match rule.in_sequence {
        true => extended(&path, ["sequence".into(), place.into()]),
        false => path.to_vec(),
    }
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_string())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Validation<'_> {
    fn require(&mut self, holds: bool, path: &[Segment], message: impl Into<String>) {
        if !holds {
            let place = Some(self.map.at(path).place);
            self.problems.push(Diagnostic { place, message: message.into() });
        }
    }

    fn name(&mut self) {
        let name = &self.workload.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let good = !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
        let message =
            "a name has letters, digits, `-`, `_` and `.`: a directory is called after it";
        self.require(good, &path!["name"], message);
    }

    fn sizes(&mut self) {
        let Workload { system, clients, duration, .. } = self.workload;
        let nodes = format!("a cluster has 1 to {NODES_MAX} nodes");
        self.require((1..=NODES_MAX).contains(&system.nodes), &path!["system", "nodes"], nodes);
        for (key, timeout) in [
            ("election_timeout", system.election_timeout),
            ("first_election_timeout", system.first_election_timeout),
        ] {
            let long_enough = timeout.is_none_or(|timeout| timeout >= Duration::from_millis(100));
            let message = "at least 100ms: heartbeats come every 50ms";
            self.require(long_enough, &path!["system", key], message);
        }
        let members = system.members.is_none_or(|members| (1..=system.nodes).contains(&members));
        let message = "the members are some of the nodes, or all";
        self.require(members, &path!["system", "members"], message);
        let is_some_entries = system.snapshot_entries != Some(0);
        let message = "a snapshot covers at least one entry";
        self.require(is_some_entries, &path!["system", "snapshot_entries"], message);
        let count = path!["clients", "count"];
        self.require(clients.count > 0, &count, "at least one client is needed");
        self.require(
            clients.count <= CLIENTS_MAX,
            &count,
            format!("at most {CLIENTS_MAX} clients"),
        );
        let rate = path!["clients", "rate"];
        self.require(clients.rate > 0.0, &rate, "a rate of 0 asks for nothing");
        self.require(clients.rate == 0.0 || clients.rate >= 0.01, &rate, "at least 0.01/s");
        self.require(clients.rate <= 1e6, &rate, "at most 1000000/s");
        let timeout = path!["clients", "timeout"];
        self.require(!clients.timeout.is_zero(), &timeout, "a time-out of 0 lets nothing succeed");
        let retry_for = clients
            .retry_for
            .is_none_or(|retry_for| retry_for > clients.timeout && retry_for <= RETRY_FOR_MAX);
        let message = "longer than the time-out of one attempt, and at most 30s";
        self.require(retry_for, &path!["clients", "retry_for"], message);
        let length = path!["duration"];
        self.require(!duration.is_zero(), &length, "a run of no length proves nothing");
        self.require(*duration <= Duration::from_secs(24 * 3_600), &length, "at most a day");
    }

    fn work(&mut self) {
        let work = &self.workload.workload;
        let keys = path!["workload", "keys"];
        self.require(work.keys > 0, &keys, "at least one key is needed");
        self.require(work.keys <= KEYS_MAX, &keys, format!("at most {KEYS_MAX} keys"));
        self.mix();
        let name = work.kind.name();
        for (key, value, range) in [
            ("elements", work.elements, 1..=10_000),
            ("txn_length", work.txn_length, 1..=64),
            ("accounts", work.accounts, 2..=1_000),
            ("balance", work.balance, 1..=1_000_000),
        ] {
            let Some(value) = value else { continue };
            let path = path!["workload", key];
            let belongs = work.kind.options().contains(&key);
            self.require(belongs, &path, format!("`{key}` does not go with `kind: {name}`"));
            let (least, most) = (range.start(), range.end());
            self.require(range.contains(&value), &path, format!("from {least} to {most}"));
        }
        let early = self.workload.system.first_election_timeout.is_some();
        let message = "a bank is filled before the first fault, and needs a leader for that";
        let path = path!["system", "first_election_timeout"];
        self.require(work.kind != WorkKind::Bank || !early, &path, message);
    }

    fn mix(&mut self) {
        let work = &self.workload.workload;
        let known = work.kind.mix();
        let unknown = |name: &&String| !known.contains(&name.as_str());
        for name in work.mix.iter().flat_map(BTreeMap::keys).filter(unknown) {
            let place = self.map.at(&path!["workload", "mix"]).key(name);
            let message = format!("unknown key `{name}` in `mix`{}", suggest(name, known));
            self.problems.push(Diagnostic { place, message });
        }
        let nothing = work.mix.is_some() && work.weights().iter().all(|(_, weight)| *weight == 0);
        let message = match known {
            [] => "a client of a lock acquires and releases in turn: there is no mix",
            _ => "at least one operation must have a weight above 0",
        };
        self.require(!nothing, &path!["workload", "mix"], message);
    }

    fn rule(&mut self, number: usize) {
        let rule = &self.workload.faults[number];
        let rule_path = path!["faults", number];
        let key = |key: &str| extended(&rule_path, [key.into()]);
        let (duration, length) = (self.workload.duration, rule.length());
        let long = if rule.in_sequence { key("sequence") } else { key("for") };
        match &rule.when {
            When::Every(period) => {
                let period_words = duration_words(*period);
                let short = format!("a fault must be shorter than its period of {period_words}");
                self.require(length < *period, &long, short);
                let never = "the period is longer than the run: the fault would never happen";
                self.require(*period <= duration, &key("every"), never);
            }
            When::At(at) => {
                let late = "the fault must end within the run";
                self.require(*at + length <= duration, &key("at"), late);
            }
            When::On(trigger, times) => {
                self.trigger(&key("on"), trigger);
                let some = (1..=TIMES_MAX).contains(times);
                self.require(some, &key("times"), format!("from 1 to {TIMES_MAX}"));
                let late = "the fault must be able to end within the run";
                self.require(length <= duration, &long, late);
            }
        }
        let nothing = rule.faults().next().is_none();
        self.require(!(rule.in_sequence && nothing), &key("sequence"), "a fault is needed");
        for (place, step) in rule.steps.iter().enumerate() {
            self.step(&step_path(number, rule, place), step, rule.in_sequence);
        }
    }

    fn step(&mut self, path: &[Segment], step: &RuleStep, in_sequence: bool) {
        let key = |key: &str| extended(path, [key.into()]);
        if let Some(trigger) = &step.on {
            self.trigger(&key("on"), trigger);
        }
        if let Some(trigger) = &step.until {
            self.trigger(&key("until"), trigger);
        }
        let waits = in_sequence && step.faults.is_empty();
        let length_key = if waits { key("wait") } else { key("for") };
        let zero = step.lasts == Lasts::For(Duration::ZERO);
        self.require(!zero, &length_key, "a fault of no length does nothing");
        let choice = step.choice.key();
        let chosen: u64 = step.faults.iter().map(|each| u64::from(each.weight)).sum();
        self.require(chosen > 0 || waits, &key(choice), "at least one fault is needed");
        for (index, weighted) in step.faults.iter().enumerate() {
            let kind = weighted.fault.kind();
            self.fault(
                &extended(path, [choice.into(), index.into(), kind.into()]),
                &weighted.fault,
            );
            let alone = step.choice == Choice::AllOf && weighted.weight != 1;
            let weight = extended(path, [choice.into(), index.into(), "weight".into()]);
            self.require(!alone, &weight, "weights go with `one_of`: of all, none is chosen");
        }
    }

    fn trigger(&mut self, path: &[Segment], trigger: &Trigger) {
        let path = extended(path, [trigger.key().into()]);
        for (key, target) in trigger.targets() {
            self.target(&extended(&path, [key.into()]), target);
        }
        let one = Target::is_one;
        match trigger {
            Trigger::Operations(count) => {
                self.require(*count > 0, &path, "after 0 operations is at once: write `at: 0s`");
            }
            Trigger::Message(event) => {
                let path = extended(&path, ["nth".into()]);
                self.require(event.nth != Some(0), &path, "messages are counted from 1");
            }
            Trigger::Behind(Behind { node, entries }) => {
                self.require(one(node), &path, "one node is meant");
                self.require(*entries > 0, &path, "at least one entry");
            }
            Trigger::CaughtUp(CaughtUp { node }) => {
                self.require(one(node), &path, "one node is meant");
            }
            Trigger::Leader(_) => {}
        }
    }

    fn fault(&mut self, path: &[Segment], fault: &Fault) {
        for (key, target) in fault.targets() {
            let at = extended(path, [key.into()]);
            match fault {
                Fault::Packets(_) if *target == Target::Clients => {}
                _ => self.target(&at, target),
            }
        }
        let one = matches!(fault, Fault::Members(_) | Fault::Transfer(_));
        for (key, target) in fault.targets().into_iter().filter(|_| one) {
            let at = extended(path, [key.into()]);
            self.require(target.is_one(), &at, "one node is meant");
        }
        let nodes = self.workload.system.nodes;
        match fault {
            Fault::Partition(partition) => self.partition(path, partition),
            Fault::Packets(packets) => self.packets(path, packets),
            Fault::Messages(messages) => self.messages(path, messages),
            Fault::Kill(_)
            | Fault::Terminate(_)
            | Fault::Pause(_)
            | Fault::Upgrade(_)
            | Fault::Wipe(_) => {}
            Fault::Restart(Restart { every, .. }) => {
                let slow = every.is_none_or(|every| every >= Restart::EVERY_MIN);
                let message = "a node needs some time to come up: at least 100ms";
                self.require(slow, &extended(path, ["every".into()]), message);
            }
            Fault::Starve(Starve { cpu, cycle, .. }) => {
                let message = "from 1% to 90%: below it is a `pause`, above nothing is felt";
                let at = extended(path, ["cpu".into()]);
                self.require(Starve::CPU.contains(cpu), &at, message);
                let message = "a process is stopped ten times a second at most: at least 100ms";
                let at = extended(path, ["cycle".into()]);
                self.require(*cycle >= Starve::CYCLE_MIN, &at, message);
            }
            Fault::Limit(Limit { open_files, .. }) => {
                let message = "a process without any descriptor cannot even be limited: at least 1";
                self.require(*open_files > 0, &extended(path, ["open_files".into()]), message);
            }
            Fault::Members(members) => self.members(path, members),
            Fault::Transfer(Transfer { to }) => {
                self.require(nodes >= 2, path, "there is nobody to hand over to");
                self.require(*to != Target::Leader, path, "the leader leads already");
            }
        }
    }

    /// Who is new is named: nobody else can be meant.
    fn members(&mut self, path: &[Segment], members: &Members) {
        match members {
            Members::Demote(_) | Members::Remove(_) => {
                let least = self.workload.system.nodes >= 2;
                self.require(least, path, "somebody must be left to vote");
            }
            Members::Promote(new) | Members::Replace { by: new, .. } => {
                let named = matches!(new, Target::Node(_));
                self.require(named, path, "the new voter must be named, as n4");
            }
        }
    }

    fn target(&mut self, path: &[Segment], target: &Target) {
        let alone = *target == Target::Follower && self.workload.system.nodes < 2;
        self.require(!alone, path, "a cluster of one has no follower");
        let few = *target == Target::Minority && self.workload.system.nodes < 3;
        self.require(!few, path, "a minority of fewer than 3 nodes is nobody");
        let names = self.workload.system.node_names();
        let last = names.last().cloned().unwrap_or_default();
        let named = target.named();
        for (place, name) in named.iter().enumerate() {
            let message = format!("there is no node {name}: the nodes are n1 to {last}");
            self.require(names.contains(name), path, message);
            self.require(!named[..place].contains(name), path, format!("{name} is named twice"));
        }
        let message = "clients are no nodes: only `packets` go `from` them or `to` them";
        self.require(*target != Target::Clients, path, message);
        let nobody = *target == Target::Nodes(Vec::new());
        self.require(!nobody, path, "an empty list names nobody");
    }

    fn checks(&mut self) {
        let checks = self.workload.checks();
        self.require(!checks.is_empty(), &path!["checks"], "at least one check is needed");
        let twice = (1..checks.len()).any(|place| checks[..place].contains(&checks[place]));
        self.require(!twice, &path!["checks"], "a check is named twice");
        let kind = self.workload.workload.kind;
        for (place, check) in checks.iter().enumerate() {
            let message = format!("`{}` does not judge `kind: {}`", check.name(), kind.name());
            self.require(check.fits(kind), &path!["checks", place], message);
        }
    }

    fn expectations(&mut self) {
        let functions = self.workload.workload.functions();
        for (operation, least) in &self.workload.expect.ok {
            let place = self.map.at(&path!["expect", "ok"]).key(operation);
            let message = match functions.iter().find(|(name, _)| name == operation) {
                Some((_, 0)) => format!("the mix has no {operation}, so none can succeed"),
                Some(_) if *least == 0 => "an expectation of 0 expects nothing".to_string(),
                Some(_) => continue,
                None => {
                    let known: Vec<_> = functions.iter().map(|(name, _)| *name).collect();
                    format!("unknown operation `{operation}`{}", suggest(operation, &known))
                }
            };
            self.problems.push(Diagnostic { place, message });
        }
        let split_votes = self.workload.expect.split_votes;
        let nothing = "an expectation of 0 expects nothing";
        self.require(split_votes != Some(0), &path!["expect", "split_votes"], nothing);
        let follower_reads = self.workload.expect.follower_reads;
        let path = path!["expect", "follower_reads"];
        self.require(follower_reads != Some(0), &path, nothing);
        let asked = self.workload.clients.follower_reads || follower_reads.is_none();
        self.require(asked, &path, "no follower answers without `follower_reads` in `clients`");
        let within = self.workload.expect.recovers_within;
        let never = "a recovery within no time never happens";
        self.require(
            within.is_none_or(|within| !within.is_zero()),
            &path!["expect", "recovers_within"],
            never,
        );
    }
}

//! Whole clusters in one thread, from one seed: links that lose, delay, repeat and reorder messages, partitions, crashes at any point between
//! two effects and in the middle of a write, disks that lose what was acknowledged, snapshots, changes of members, leaders that hand over, and
//! clients whose history the checker judges. After the faults comes a phase without: the cluster must elect a leader and serve every key.
//!
//! 1,000 seeds run in the test suite. More: `FAULTLINE_SIM_SEEDS=10000 cargo test -p faultline-node --release sim`. One, again:
//! `FAULTLINE_SIM_SEED=17 cargo test -p faultline-node sim`.

mod clients;
mod cluster;
mod faults;

use std::collections::BTreeMap;

use checker::history::History;
use checker::judge::Limits;
use checker::linearizability;
use checker::models::Model;
use checker::properties::raft;
use checker::verdict::{CheckReport, Verdict};

use self::cluster::Sim;
use crate::bug::Bug;

/// Ticks in which things go wrong.
const FAULT_TICKS: u64 = 800;
/// Ticks in which a healed cluster must have elected a leader and served every key.
const LIVENESS_TICKS: u64 = 3_000;
const CLIENTS: u32 = 4;
/// The client that stays with its node and only reads.
const PINNED_READER: usize = 0;
const KEYS: u32 = 2;
/// No effect is the last before a crash.
const NEVER: u32 = u32::MAX;
/// Nodes that do not belong to the cluster at first.
const SPARE_NODES: u32 = 2;
/// So few voters are left at least, so that one of them may be away.
const VOTERS_MIN: usize = 3;
/// In some clusters leaders answer reads under leases that are so much shorter than any time-out.
const LEASE_TICKS: u32 = 8;
/// A node writes its state machine down when it has applied so many entries since.
const SNAPSHOT_ENTRIES: u64 = 15;
/// A bug that no seed of so many convicts is not found.
const BUG_SEEDS_MAX: u64 = 400;
/// An operation without an answer after so many ticks is given up.
const PATIENCE_TICKS: u64 = 50;

/// What a seed did, so that a test can tell a run that proved something from one that did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    ok: u64,
    info: u64,
    leaders: u64,
    crashes: u64,
    lost: u64,
    repeated: u64,
    snapshots: u64,
    restored: u64,
    leased: u64,
    damaged: u64,
    transfers: u64,
    changes: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.ok += other.ok;
        self.info += other.info;
        self.leaders += other.leaders;
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.snapshots += other.snapshots;
        self.restored += other.restored;
        self.leased += other.leased;
        self.damaged += other.damaged;
        self.transfers += other.transfers;
        self.changes += other.changes;
    }
}

/// What came of a seed.
struct Run {
    tally: Tally,
    linearizable: CheckReport,
    /// Every Raft property, judged on the traces.
    raft: Vec<CheckReport>,
    /// The history as it would be on disk.
    history: String,
}

impl Run {
    /// What is not valid.
    fn not_valid(&self) -> Vec<&CheckReport> {
        let all = self.raft.iter().chain([&self.linearizable]);
        all.filter(|report| report.verdict != Verdict::Valid).collect()
    }
}
fn run(seed: u64, bug: Option<Bug>) -> Run {
    let mut sim = Sim::new(seed, bug);
    for _ in 0..FAULT_TICKS {
        sim.advance();
    }
    sim.must_recover();
    let lines: Vec<_> = sim
        .history
        .iter()
        .map(|event| serde_json::to_string(event).expect("it serialises"))
        .collect();
    let history = History::pair(sim.history).expect("the simulation records a well-formed history");
    Run {
        tally: sim.tally,
        linearizable: linearizability::check(&history, Model::CasRegister, &Limits::default()),
        raft: raft::PROPERTIES.iter().map(|(_, check)| check(&sim.traces)).collect(),
        history: lines.join("\n"),
    }
}

/// The seeds to run: 1,000, or as the environment says.
#[expect(clippy::disallowed_methods, reason = "the environment chooses seeds, not results")]
fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("FAULTLINE_SIM_SEED"), number("FAULTLINE_SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => 0..count,
        (None, None) => 0..1_000,
    }
}

#[test]
fn sim_sound_clusters_keep_their_promises_and_recover() {
    let mut sum = Tally::default();
    for seed in seeds() {
        let again = format!("FAULTLINE_SIM_SEED={seed} cargo test -p faultline-node sim");
        let Ok(run) = std::panic::catch_unwind(|| run(seed, None)) else {
            panic!("seed {seed} broke an assertion; again: {again}");
        };
        assert!(run.not_valid().is_empty(), "again: {again}\n{:#?}", run.not_valid());
        let Tally { ok, leaders, lost, .. } = run.tally;
        // A run in which almost nothing succeeded, or nothing went wrong, would prove nothing.
        assert!(ok > 15 && leaders > 1 && lost > 50, "seed {seed} proved nothing: {:?}", run.tally);
        sum += run.tally;
    }
    println!("{} seeds: {sum:?}", seeds().count());
    let count = seeds().count() as u64;
    let Tally { crashes, repeated, info, snapshots, restored, changes, transfers, .. } = sum;
    let rarest = [crashes, repeated, info, snapshots, restored, changes, transfers];
    assert!(rarest.iter().all(|happened| *happened > count), "{sum:?}");
    assert!(sum.damaged > count / 20 && sum.leased > count / 2, "{sum:?}");
}

#[test]
fn sim_the_same_seed_gives_the_same_bytes() {
    for seed in [3, 17] {
        let (first, second) = (run(seed, None), run(seed, None));
        assert_eq!(first.history, second.history);
        assert_eq!(first.tally, second.tally);
    }
    assert_ne!(run(3, None).history, run(4, None).history);
}

/// Some seed convicts the bug, for each of these checks.
fn convict(bug: Bug, by: &[&str]) {
    let mut convictions: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..BUG_SEEDS_MAX {
        let run = run(seed, Some(bug));
        let invalid =
            run.not_valid().into_iter().filter(|report| report.verdict == Verdict::Invalid);
        for report in invalid {
            *convictions.entry(report.name.clone()).or_default() += 1;
        }
        if by.iter().all(|check| convictions.contains_key(*check)) {
            println!("{bug}: convicted within {} seeds by {convictions:?}", seed + 1);
            return;
        }
    }
    panic!("{bug}: {BUG_SEEDS_MAX} seeds convict it by {convictions:?}, expected {by:?}");
}

#[test]
fn sim_planted_bugs_are_convicted() {
    convict(Bug::DoubleVote, &["vote-once", "election-safety"]);
    convict(Bug::VoteNotPersisted, &["vote-once"]);
    convict(Bug::MinorityQuorum, &["commit-quorum", "linearizable"]);
    convict(Bug::LocalLeaderRead, &["linearizable"]);
    convict(Bug::AckBeforeCommit, &["linearizable"]);
    convict(Bug::Figure8, &["commit-quorum"]);
    convict(Bug::StaleAppendTruncates, &["linearizable"]);
    convict(Bug::LeaseDrift, &["linearizable"]);
    convict(Bug::SingleServerChange2015, &["state-machine-safety"]);
    convict(Bug::DuplicateVoteCounted, &["election-safety"]);
    convict(Bug::StaleLogWins, &["linearizable"]);
    convict(Bug::DefiniteFailureLie, &["linearizable"]);
    convict(Bug::OldSnapshotInstalled, &["index-order"]);
    convict(Bug::SelfVoteNotPersisted, &["vote-once"]);
    convict(Bug::TermRegresses, &["term-monotone"]);
}

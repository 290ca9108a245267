//! Consistency models of transactions, and which implies which (Adya 1999; Bailis et al. 2013; Cerone, Bernardi and Gotsman 2015; the names are Elle's).

use std::fmt;
use std::str::FromStr;

/// What the isolation of transactions may promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consistency {
    /// Writes of transactions do not interleave (PL-1).
    ReadUncommitted,
    /// Only what was committed is read (PL-2).
    ReadCommitted,
    /// Once a transaction has seen another, it goes on seeing it (PL-2L).
    MonotonicView,
    /// Reads of one transaction come from snapshots that only move forward (PL-MSR).
    MonotonicSnapshotRead,
    /// No update is lost (PL-CS).
    CursorStability,
    /// A transaction sees one consistent state (PL-2+).
    ConsistentView,
    /// The same, up to its own end (PL-FCV).
    ForwardConsistentView,
    /// Once some effect of a transaction is seen, all are.
    MonotonicAtomicView,
    /// All effects of a transaction are seen, or none.
    ReadAtomic,
    /// The same, and no update is lost.
    UpdateAtomic,
    /// Causal consistency of transactions, as Cerone defines it.
    CausalCerone,
    /// Transactions see a prefix of all.
    Prefix,
    /// Snapshot isolation without one order of the snapshots.
    ParallelSnapshotIsolation,
    /// What was read does not change under a transaction (PL-2.99).
    RepeatableRead,
    /// Reads come from one snapshot, and the first committer wins (PL-SI).
    SnapshotIsolation,
    /// Transactions that update are serializable (PL-3U).
    UpdateSerializable,
    /// As if one after another (PL-3).
    Serializable,
    /// Read uncommitted in the order of each process.
    StrongSessionReadUncommitted,
    /// Read committed in the order of each process.
    StrongSessionReadCommitted,
    /// Snapshot isolation in the order of each process.
    StrongSessionSnapshotIsolation,
    /// Serializable in the order of each process.
    StrongSessionSerializable,
    /// Read uncommitted in real time.
    StrongReadUncommitted,
    /// Read committed in real time.
    StrongReadCommitted,
    /// Snapshot isolation in real time.
    StrongSnapshotIsolation,
    /// Serializable in real time (PL-SS).
    #[default]
    StrictSerializable,
}

use Consistency::*;

type Row = (Consistency, &'static str, &'static [&'static str], &'static [Consistency]);

/// Each model, its name, its other names, and what it directly implies. What is implied stands before what implies it, so that one pass
/// from either end closes a set of models.
const TABLE: [Row; 25] = [
    (ReadUncommitted, "read-uncommitted", &["PL-1"], &[]),
    (ReadCommitted, "read-committed", &["PL-2"], &[ReadUncommitted]),
    (MonotonicView, "monotonic-view", &["PL-2L"], &[ReadCommitted]),
    (MonotonicSnapshotRead, "monotonic-snapshot-read", &["PL-MSR"], &[ReadCommitted]),
    (CursorStability, "cursor-stability", &["PL-CS"], &[ReadCommitted]),
    (ConsistentView, "consistent-view", &["PL-2+"], &[CursorStability, MonotonicView]),
    (ForwardConsistentView, "forward-consistent-view", &["PL-FCV"], &[ConsistentView]),
    (MonotonicAtomicView, "monotonic-atomic-view", &[], &[ReadCommitted]),
    (ReadAtomic, "read-atomic", &[], &[MonotonicAtomicView]),
    (UpdateAtomic, "update-atomic", &[], &[ReadAtomic]),
    (CausalCerone, "causal-cerone", &[], &[ReadAtomic]),
    (Prefix, "prefix", &[], &[CausalCerone]),
    (
        ParallelSnapshotIsolation,
        "parallel-snapshot-isolation",
        &["PSI"],
        &[CausalCerone, UpdateAtomic],
    ),
    (RepeatableRead, "repeatable-read", &["PL-2.99"], &[CursorStability, MonotonicAtomicView]),
    (
        SnapshotIsolation,
        "snapshot-isolation",
        &["PL-SI", "SI"],
        &[
            ForwardConsistentView,
            MonotonicAtomicView,
            MonotonicSnapshotRead,
            ParallelSnapshotIsolation,
            Prefix,
        ],
    ),
    (UpdateSerializable, "update-serializable", &["PL-3U"], &[ForwardConsistentView]),
    (
        Serializable,
        "serializable",
        &["PL-3"],
        &[RepeatableRead, SnapshotIsolation, UpdateSerializable],
    ),
    (
        StrongSessionReadUncommitted,
        "strong-session-read-uncommitted",
        &["strong-session-PL-1"],
        &[ReadUncommitted],
    ),
    (
        StrongSessionReadCommitted,
        "strong-session-read-committed",
        &["strong-session-PL-2"],
        &[StrongSessionReadUncommitted, ReadCommitted],
    ),
    (
        StrongSessionSnapshotIsolation,
        "strong-session-snapshot-isolation",
        &["strong-session-SI"],
        &[StrongSessionReadCommitted, SnapshotIsolation],
    ),
    (
        StrongSessionSerializable,
        "strong-session-serializable",
        &["strong-session-PL-3"],
        &[StrongSessionSnapshotIsolation, Serializable],
    ),
    (
        StrongReadUncommitted,
        "strong-read-uncommitted",
        &["strong-PL-1"],
        &[StrongSessionReadUncommitted],
    ),
    (
        StrongReadCommitted,
        "strong-read-committed",
        &["strong-PL-2"],
        &[StrongReadUncommitted, StrongSessionReadCommitted],
    ),
    (
        StrongSnapshotIsolation,
        "strong-snapshot-isolation",
        &["strong-SI"],
        &[StrongReadCommitted, StrongSessionSnapshotIsolation],
    ),
    (
        StrictSerializable,
        "strict-serializable",
        &["strong-serializable", "PL-SS"],
        &[StrongSnapshotIsolation, StrongSessionSerializable],
    ),
];

impl Consistency {
    /// Every model.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The models that it directly implies.
    pub fn implies(self) -> &'static [Self] {
        self.row().3
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Consistency {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let is_called = |row: &&Row| {
            row.1 == name || row.2.iter().any(|other| other.eq_ignore_ascii_case(name))
        };
        TABLE.iter().find(is_called).map(|row| row.0).ok_or_else(|| {
            let known: Vec<_> = Self::all().map(Self::name).collect();
            format!("unknown consistency model `{name}`; known are {}", known.join(", "))
        })
    }
}

/// Models that a history cannot have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuledOut {
    models: Vec<Consistency>,
}

impl RuledOut {
    /// These models and all that imply one of them.
    pub fn from_weakest(weakest: impl IntoIterator<Item = Consistency>) -> Self {
        let mut out = [false; TABLE.len()];
        weakest.into_iter().for_each(|model| out[model as usize] = true);
        for model in Consistency::all() {
            out[model as usize] |= model.implies().iter().any(|implied| out[*implied as usize]);
        }
        Self { models: Consistency::all().filter(|model| out[*model as usize]).collect() }
    }

    /// Whether the history cannot have this model.
    pub fn has(&self, model: Consistency) -> bool {
        self.models.contains(&model)
    }

    /// The weakest models that are ruled out.
    pub fn not(&self) -> impl Iterator<Item = Consistency> {
        let weakest =
            |model: &&Consistency| !model.implies().iter().any(|weaker| self.has(*weaker));
        self.models.iter().filter(weakest).copied()
    }

    /// All others that are ruled out because they imply one of the weakest.
    pub fn also_not(&self) -> impl Iterator<Item = Consistency> {
        let stronger =
            |model: &&Consistency| model.implies().iter().any(|weaker| self.has(*weaker));
        self.models.iter().filter(stronger).copied()
    }

    /// The strongest models that are left.
    pub fn strongest_left(&self) -> impl Iterator<Item = Consistency> {
        let left = |model: Consistency| !self.has(model);
        let is_strongest = move |model: &Consistency| {
            let mut stronger = Consistency::all().filter(|other| other.implies().contains(model));
            left(*model) && !stronger.any(left)
        };
        Consistency::all().filter(is_strongest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_name_is_found() {
        for (place, model) in Consistency::all().enumerate() {
            assert_eq!(model as usize, place);
            assert!(model.implies().iter().all(|weaker| (*weaker as usize) < place), "{model}");
            assert_eq!(model.name().parse(), Ok(model));
        }
        assert_eq!("strong-serializable".parse(), Ok(StrictSerializable));
        assert!("serialisable".parse::<Consistency>().unwrap_err().contains("known are"));
    }

    #[test]
    fn a_model_implies_what_the_document_says() {
        let document = include_str!("../../../docs/consistency.md");
        let (_, models) = document.split_once("An arrow means *implies*.\n\n```\n").unwrap();
        let (models, _) = models.split_once("```").unwrap();
        let named = |names: &str| -> Vec<Consistency> {
            names.split(',').map(|name| name.trim().parse().unwrap()).collect()
        };
        let mut said = Vec::new();
        for chain in models.lines().flat_map(|line| line.split(';')) {
            let chain: Vec<_> = chain.split("─>").map(named).collect();
            for pair in chain.windows(2) {
                said.extend(pair[0].iter().flat_map(|a| pair[1].iter().map(move |b| (*a, *b))));
            }
        }
        said.sort_unstable();
        said.dedup();
        let implied =
            |model: Consistency| model.implies().iter().map(move |weaker| (model, *weaker));
        let mut known: Vec<_> = Consistency::all().flat_map(implied).collect();
        known.sort_unstable();
        assert_eq!(said, known);
        for (model, weaker) in said {
            assert!(RuledOut::from_weakest([weaker]).has(model), "{model} implies {weaker}");
        }
    }

    #[test]
    fn what_implies_a_model_that_is_ruled_out_is_ruled_out_too() {
        let out = RuledOut::from_weakest([RepeatableRead, Serializable]);
        assert_eq!(out.not().collect::<Vec<_>>(), [RepeatableRead]);
        assert_eq!(
            out.also_not().collect::<Vec<_>>(),
            [Serializable, StrongSessionSerializable, StrictSerializable]
        );
        assert_eq!(
            out.strongest_left().collect::<Vec<_>>(),
            [UpdateSerializable, StrongSnapshotIsolation]
        );
        let nothing = RuledOut::default();
        assert_eq!(nothing.strongest_left().collect::<Vec<_>>(), [StrictSerializable]);
        assert!(RuledOut::from_weakest([ReadUncommitted]).strongest_left().next().is_none());
    }
}

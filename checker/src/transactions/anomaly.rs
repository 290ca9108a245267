//! What can be wrong with transactions, and which models each anomaly rules out. Names and boundaries are Elle's (`docs/consistency.md`).

use std::fmt;

use super::Consistency::{self, *};

/// The shape of a cycle of dependencies (Adya 1999).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// Writes only.
    G0,
    /// Writes, and at least one read of what another wrote.
    G1c,
    /// Exactly one anti-dependency.
    GSingle,
    /// Several anti-dependencies, no two of them in a row.
    GNonadjacent,
    /// Two anti-dependencies in a row.
    G2,
}

impl Shape {
    /// From the one that rules out most to the one that rules out least.
    pub(super) const ALL: [Self; 5] =
        [Self::G0, Self::G1c, Self::GSingle, Self::GNonadjacent, Self::G2];
}

/// What a cycle rests on besides dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Nothing.
    Plain,
    /// The order in which a process did its transactions.
    Process,
    /// One transaction was over before another began.
    RealTime,
}

/// Something that transactions of some isolation cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// A value was read that nobody wrote. Elle stops at it for lists and does not see it for registers.
    ThinAir,
    /// One element stands twice in a list.
    DuplicateElements,
    /// The order of the versions of a register is cyclic.
    CyclicVersions,
    /// What a transaction wrote that certainly did not take effect was read.
    G1a,
    /// A version was read that its writer overwrote itself.
    G1b,
    /// A transaction read an element that it appended only later.
    FutureRead,
    /// What was aborted was built upon.
    DirtyUpdate,
    /// Two reads of a list, neither of which begins with the other.
    IncompatibleOrder,
    /// The elements that one transaction appended to a list stand in another order than it appended them in. Elle has no name for it.
    ReorderedAppends,
    /// A transaction contradicts its own reads and writes.
    Internal,
    /// Several transactions read the same version and all overwrote it.
    LostUpdate,
    /// Each transaction must come before the next, and the last before the first.
    Cycle(Shape, Order),
}

impl Anomaly {
    /// Its name, Elle's where Elle has one.
    pub fn name(self) -> &'static str {
        match self {
            Self::ThinAir => "thin-air",
            Self::DuplicateElements => "duplicate-elements",
            Self::CyclicVersions => "cyclic-versions",
            Self::G1a => "G1a",
            Self::G1b => "G1b",
            Self::FutureRead => "future-read",
            Self::DirtyUpdate => "dirty-update",
            Self::IncompatibleOrder => "incompatible-order",
            Self::ReorderedAppends => "reordered-appends",
            Self::Internal => "internal",
            Self::LostUpdate => "lost-update",
            Self::Cycle(shape, order) => cycle_name(shape, order),
        }
    }

    /// The weakest models that it rules out.
    pub fn rules_out(self) -> &'static [Consistency] {
        match self {
            Self::ThinAir | Self::DuplicateElements | Self::CyclicVersions => &[ReadUncommitted],
            Self::G1a
            | Self::G1b
            | Self::FutureRead
            | Self::DirtyUpdate
            | Self::IncompatibleOrder
            | Self::ReorderedAppends => &[ReadCommitted],
            Self::Internal => &[ReadAtomic],
            Self::LostUpdate => &[CursorStability, UpdateAtomic],
            Self::Cycle(shape, order) => cycle_rules_out(shape, order),
        }
    }

    /// What it means, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ThinAir => "a value was read that nobody wrote",
            Self::DuplicateElements => "one element stands twice in a list",
            Self::CyclicVersions => "no order of the versions of a key fits what was seen",
            Self::G1a => "a transaction read what another wrote that had failed",
            Self::G1b => "a transaction read a version that its writer overwrote itself",
            Self::FutureRead => "a transaction read an element that it appended only later",
            Self::DirtyUpdate => "a transaction built upon what another wrote that had failed",
            Self::IncompatibleOrder => "two reads of a list do not fit one order of its elements",
            Self::ReorderedAppends => "appends of one transaction stand in another order",
            Self::Internal => "a transaction contradicts its own reads and writes",
            Self::LostUpdate => "several transactions overwrote the same version",
            Self::Cycle(Shape::G0, _) => "writes of transactions are interleaved",
            Self::Cycle(Shape::G1c, _) => "information flows in a circle",
            Self::Cycle(Shape::GSingle, _) => "a transaction missed something that it must see",
            Self::Cycle(Shape::GNonadjacent, _) => "no snapshots explain what transactions saw",
            Self::Cycle(Shape::G2, _) => "transactions missed each other's writes",
        }
    }
}

fn cycle_name(shape: Shape, order: Order) -> &'static str {
    let names = match shape {
        Shape::G0 => ["G0", "G0-process", "G0-realtime"],
        Shape::G1c => ["G1c", "G1c-process", "G1c-realtime"],
        Shape::GSingle => ["G-single-item", "G-single-item-process", "G-single-item-realtime"],
        Shape::GNonadjacent => {
            ["G-nonadjacent-item", "G-nonadjacent-item-process", "G-nonadjacent-item-realtime"]
        }
        Shape::G2 => ["G2-item", "G2-item-process", "G2-item-realtime"],
    };
    names[order as usize]
}

fn cycle_rules_out(shape: Shape, order: Order) -> &'static [Consistency] {
    let models: [&[Consistency]; 3] = match shape {
        Shape::G0 => {
            [&[ReadUncommitted], &[StrongSessionReadUncommitted], &[StrongReadUncommitted]]
        }
        Shape::G1c => [&[ReadCommitted], &[StrongSessionReadCommitted], &[StrongReadCommitted]],
        Shape::GSingle => [
            &[ConsistentView, RepeatableRead],
            &[StrongSessionSnapshotIsolation],
            &[StrongSnapshotIsolation],
        ],
        Shape::GNonadjacent => [
            &[RepeatableRead, SnapshotIsolation],
            &[StrongSessionSnapshotIsolation],
            &[StrongSnapshotIsolation],
        ],
        Shape::G2 => [&[RepeatableRead], &[StrongSessionSerializable], &[StrictSerializable]],
    };
    models[order as usize]
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docs/consistency.md`.
    #[test]
    fn every_anomaly_has_elles_name_and_rules_out_what_elle_says() {
        let others = [
            (Anomaly::ThinAir, "thin-air: read-uncommitted"),
            (Anomaly::DuplicateElements, "duplicate-elements: read-uncommitted"),
            (Anomaly::CyclicVersions, "cyclic-versions: read-uncommitted"),
            (Anomaly::G1a, "G1a: read-committed"),
            (Anomaly::G1b, "G1b: read-committed"),
            (Anomaly::FutureRead, "future-read: read-committed"),
            (Anomaly::DirtyUpdate, "dirty-update: read-committed"),
            (Anomaly::IncompatibleOrder, "incompatible-order: read-committed"),
            (Anomaly::ReorderedAppends, "reordered-appends: read-committed"),
            (Anomaly::Internal, "internal: read-atomic"),
            (Anomaly::LostUpdate, "lost-update: cursor-stability, update-atomic"),
        ];
        let cycles = [
            "G0: read-uncommitted",
            "G0-process: strong-session-read-uncommitted",
            "G0-realtime: strong-read-uncommitted",
            "G1c: read-committed",
            "G1c-process: strong-session-read-committed",
            "G1c-realtime: strong-read-committed",
            "G-single-item: consistent-view, repeatable-read",
            "G-single-item-process: strong-session-snapshot-isolation",
            "G-single-item-realtime: strong-snapshot-isolation",
            "G-nonadjacent-item: repeatable-read, snapshot-isolation",
            "G-nonadjacent-item-process: strong-session-snapshot-isolation",
            "G-nonadjacent-item-realtime: strong-snapshot-isolation",
            "G2-item: repeatable-read",
            "G2-item-process: strong-session-serializable",
            "G2-item-realtime: strict-serializable",
        ];
        let orders = [Order::Plain, Order::Process, Order::RealTime];
        let shapes = Shape::ALL.iter();
        let all = shapes.flat_map(|shape| orders.map(|order| Anomaly::Cycle(*shape, order)));
        for (anomaly, expected) in others.into_iter().chain(all.zip(cycles)) {
            let models: Vec<_> = anomaly.rules_out().iter().map(|model| model.name()).collect();
            assert_eq!(format!("{anomaly}: {}", models.join(", ")), expected);
        }
    }
}

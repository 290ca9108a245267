//! Clusters of plain reads and writes straight from the operations: one pass, no table but one indexed by value.

use super::super::super::objects::Object;
use super::super::demands::Function;
use crate::history::{NEVER, Outcome, ValueId};

/// A cluster. Positions are one more than those of events, so that the initial value is before everything.
#[derive(Clone, Copy)]
struct Cluster {
    /// First completion.
    first: u32,
    /// Last invocation.
    last: u32,
    /// Invocation of the write.
    written: u32,
    is_observed: bool,
    is_certain: bool,
}

/// Values may be spread over so many numbers for each operation.
const SPREAD: usize = 4;

/// Whether a register is linearizable; nothing if it may not be, or has values or operations that are not for this algorithm. The ways
/// that take longer then find out which.
pub(in super::super) fn zones(
    functions: &[Function],
    object: &Object<'_>,
    events: usize,
) -> Option<()> {
    let bound = SPREAD * object.len() + 64;
    let numbers = object.iter().map(|(_, operation)| operation.value.number() as usize);
    let values = numbers.max().filter(|most| *most < bound)? + 1;
    let none =
        Cluster { first: NEVER, last: 0, written: NEVER, is_observed: false, is_certain: false };
    let mut clusters = vec![none; values];
    let initial = &mut clusters[ValueId::NIL.number() as usize];
    (initial.first, initial.written) = (0, 0);
    for (_, operation) in object.iter() {
        let cluster = &mut clusters[operation.value.number() as usize];
        let is_ok = operation.outcome == Outcome::Ok;
        match functions[operation.function as usize] {
            Function::Read if is_ok => cluster.is_observed = true,
            Function::Read => continue,
            Function::Write if operation.outcome == Outcome::Fail => continue,
            Function::Write if cluster.written != NEVER => return None, // Written twice.
            Function::Write => {
                cluster.written = operation.invoked + 1;
                cluster.is_certain = is_ok;
            }
            Function::Cas | Function::Unknown => return None,
        }
        cluster.first = cluster.first.min(operation.completed.saturating_add(1));
        cluster.last = cluster.last.max(operation.invoked + 1);
    }
    in_order(&clusters, events)
}

/// Whether the clusters can follow one another: by the left end of what each spans, no later one may have to be before an earlier one.
fn in_order(clusters: &[Cluster], events: usize) -> Option<()> {
    let mut by_left_end = vec![NEVER; events + 2];
    for (value, cluster) in clusters.iter().enumerate() {
        if !cluster.is_observed && !cluster.is_certain {
            continue;
        }
        if cluster.written == NEVER || cluster.first < cluster.written {
            return None; // Read before it was written, or never written.
        }
        by_left_end[cluster.first.min(cluster.last) as usize] = value as u32;
    }
    // The forward cluster that reaches furthest so far.
    let (mut first, mut last) = (0, 0);
    for value in by_left_end.into_iter().filter(|value| *value != NEVER) {
        let cluster = &clusters[value as usize];
        if first < cluster.last && cluster.first < last {
            return None;
        }
        if cluster.first < cluster.last && cluster.last > last {
            (first, last) = (cluster.first, cluster.last);
        }
    }
    Some(())
}

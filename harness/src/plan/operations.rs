//! The operations of a client: an endless stream, drawn from the seed.

use std::time::Duration;

use super::random::{Random, stream};
use crate::workload::Workload;

/// One planned operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedOperation {
    pub(crate) kind: OperationKind,
    pub(crate) key: String,
}

/// What to do. Values are positive, and unique over the whole run: a value that is read names its writer, which makes checking quick
/// and every stale read visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationKind {
    Read,
    Write(i64),
    /// The new value. What the cas expects is the last value that the client saw, known only when it is carried out.
    Cas(i64),
}

/// The operations of one client.
#[derive(Clone, Debug)]
pub(crate) struct OperationStream {
    random: Random,
    keys: Vec<String>,
    /// Weights of read, write and cas.
    weights: [u64; 3],
    next_value: i64,
    clients: i64,
    interval: Duration,
    phase: Duration,
}

impl OperationStream {
    /// The stream of client `client`, counted from 0.
    pub(crate) fn new(workload: &Workload, seed: u64, client: usize) -> Self {
        let mut random = stream(seed, &format!("client {client}"));
        let clients = workload.clients.count;
        let interval = Duration::from_secs_f64(f64::from(clients) / workload.clients.rate);
        // Clients do not all act in the same instant.
        let phase = Duration::from_nanos(random.below(interval.as_nanos().max(1) as u64));
        let mix = workload.workload.mix;
        Self {
            random,
            keys: workload.workload.key_names(),
            weights: [mix.read, mix.write, mix.cas].map(u64::from),
            next_value: client as i64 + 1,
            clients: i64::from(clients),
            interval,
            phase,
        }
    }

    /// The time between two operations of this client.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// The time before its first.
    pub(crate) fn phase(&self) -> Duration {
        self.phase
    }

    fn value(&mut self) -> i64 {
        let value = self.next_value;
        self.next_value += self.clients;
        value
    }
}

impl Iterator for OperationStream {
    type Item = PlannedOperation;

    fn next(&mut self) -> Option<PlannedOperation> {
        let key = self.random.pick(&self.keys)?.clone();
        let [read, write, cas] = self.weights;
        let drawn = self.random.below(read + write + cas);
        let kind = if drawn < read {
            OperationKind::Read
        } else if drawn < read + write {
            OperationKind::Write(self.value())
        } else {
            OperationKind::Cas(self.value())
        };
        Some(PlannedOperation { kind, key })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workload::tests::workload;

    #[test]
    fn values_are_unique_over_all_clients_and_the_mix_is_kept() {
        let workload = workload("mix: { read: 5, write: 4, cas: 1 }");
        let mut values = BTreeSet::new();
        let mut counts = [0; 3];
        for client in 0..10 {
            for operation in OperationStream::new(&workload, 7, client).take(1_000) {
                match operation.kind {
                    OperationKind::Read => counts[0] += 1,
                    OperationKind::Write(value) => {
                        counts[1] += 1;
                        assert!(values.insert(value), "{value} twice");
                    }
                    OperationKind::Cas(value) => {
                        counts[2] += 1;
                        assert!(values.insert(value), "{value} twice");
                    }
                }
            }
        }
        assert!((4_700..5_300).contains(&counts[0]), "{counts:?}");
        assert!((3_700..4_300).contains(&counts[1]), "{counts:?}");
        assert!((800..1_200).contains(&counts[2]), "{counts:?}");
        assert!(values.iter().all(|value| *value > 0));
    }

    #[test]
    fn the_same_seed_gives_the_same_operations() {
        let workload = workload("mix: { read: 1, write: 1 }");
        let plan = |seed| OperationStream::new(&workload, seed, 3).take(50).collect::<Vec<_>>();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn clients_share_the_rate() {
        let workload = workload("mix: { read: 1 }");
        let stream = OperationStream::new(&workload, 7, 0);
        assert_eq!(stream.interval(), Duration::from_millis(20)); // 10 clients, 500/s
        assert!(stream.phase() < stream.interval());
    }
}

//! The operations of a client: an endless stream, drawn from the seed.

use std::time::Duration;

use serde_json::{Value, json};

use super::operation::{Action, Micro, Operation};
use super::random::{Random, stream};
use crate::workload::{Work, WorkKind, Workload};

/// Transactions work on so many keys at a time and move on, so that no list grows for ever and each key meets contention.
const ACTIVE_KEYS: u64 = 4;
/// The most that a transfer moves.
const AMOUNT_MAX: u64 = 5;

/// The operations of one client.
#[derive(Clone, Debug)]
pub(crate) struct OperationStream {
    random: Random,
    work: Work,
    keys: Vec<String>,
    weights: Vec<(&'static str, u32)>,
    client: usize,
    clients: i64,
    /// Values are positive, and unique over the whole run: a value that is read names its writer, which makes checking quick and every stale
    /// read visible.
    next_value: i64,
    interval: Duration,
    phase: Duration,
    /// How many were drawn, and how many are in a run that nothing delays.
    drawn: u64,
    expected: u64,
    /// By key: whether the client acquired that lock last, or tried to.
    acquires: Vec<bool>,
}

impl OperationStream {
    /// The stream of client `client`, counted from 0.
    pub(crate) fn new(workload: &Workload, seed: u64, client: usize) -> Self {
        let mut random = stream(seed, &format!("client {client}"));
        let clients = workload.clients.count;
        let interval = Duration::from_secs_f64(f64::from(clients) / workload.clients.rate);
        // Clients do not all act in the same instant.
        let phase = Duration::from_nanos(random.below(interval.as_nanos().max(1) as u64));
        let keys = workload.workload.key_names();
        let expected = workload.duration.as_nanos() / interval.as_nanos().max(1);
        Self {
            random,
            acquires: vec![false; keys.len()],
            keys,
            weights: workload.workload.weights(),
            work: workload.workload.clone(),
            client,
            clients: i64::from(clients),
            next_value: client as i64 + 1,
            interval,
            phase,
            drawn: 0,
            expected: expected.max(1) as u64,
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

    /// One of the names of the mix, each as often as its weight says.
    fn draw(&mut self) -> &'static str {
        let sum = self.weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut drawn = self.random.below(sum);
        for (name, weight) in &self.weights {
            match drawn.checked_sub(u64::from(*weight)) {
                None => return name,
                Some(rest) => drawn = rest,
            }
        }
        unreachable!("what was drawn is below the sum of all weights")
    }

    fn action(&mut self, key: usize) -> Action {
        match self.work.kind {
            WorkKind::Lock => return self.lock(key),
            WorkKind::Set => return self.contended(),
            _ => {}
        }
        match self.draw() {
            "read" if self.work.kind == WorkKind::Bank => {
                Action::ReadAccounts(self.work.accounts())
            }
            "read" => read(self.work.kind),
            "write" => Action::Write(self.value()),
            "cas" => Action::Cas { old: None, new: self.value() },
            // Equal steps: whether reads can be explained is then quick to say.
            "add" if self.work.kind == WorkKind::Counter => Action::Add(1),
            "add" => Action::Insert { element: self.value(), tells: false },
            "enqueue" => Action::Enqueue(self.value()),
            "dequeue" => Action::Dequeue,
            "transfer" => self.transfer(),
            "generate" => Action::Generate,
            other => unreachable!("{other} is weighed by no mix"),
        }
    }

    /// A client gives a lock back after it tried to take it. Whether it has it is not known here: giving back what one does not have is refused.
    fn lock(&mut self, key: usize) -> Action {
        let name = owner(self.client);
        self.acquires[key] = !self.acquires[key];
        if self.acquires[key] { Action::Acquire(name) } else { Action::Release(name) }
    }

    /// Clients contend for few elements: additions and removals must meet.
    fn contended(&mut self) -> Action {
        let f = self.draw();
        let element = self.random.below(u64::from(self.work.elements())) as i64;
        match f {
            "add" => Action::Insert { element, tells: true },
            "remove" => Action::Remove(element),
            "contains" => Action::Contains(element),
            _ => read(self.work.kind),
        }
    }

    /// Between two different accounts.
    fn transfer(&mut self) -> Action {
        let accounts = u64::from(self.work.accounts());
        let from = self.random.below(accounts);
        let to = (from + 1 + self.random.below(accounts - 1)) % accounts;
        let amount = 1 + self.random.below(AMOUNT_MAX) as u32;
        Action::Transfer { from: from as u32, to: to as u32, amount }
    }

    fn transaction(&mut self) -> Action {
        let length = 1 + self.random.below(u64::from(self.work.txn_length()));
        let step = |stream: &mut Self| {
            let key = stream.active_key();
            match stream.draw() {
                "r" => Micro::Read { key },
                "w" => Micro::Write { key, value: stream.value() },
                _ => Micro::Append { key, element: stream.value() },
            }
        };
        Action::Transaction((0..length).map(|_| step(self)).collect())
    }

    /// One of the keys whose turn it is. All clients move over the keys in the same time.
    fn active_key(&mut self) -> String {
        let keys = self.keys.len() as u64;
        let active = keys.min(ACTIVE_KEYS);
        let first = (keys - active) * self.drawn.min(self.expected) / self.expected;
        self.keys[(first + self.random.below(active)) as usize].clone()
    }
}

impl Iterator for OperationStream {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        self.drawn += 1;
        if matches!(self.work.kind, WorkKind::ListAppend | WorkKind::RwRegister) {
            return Some(Operation { key: None, action: self.transaction() });
        }
        let key = self.random.below(self.keys.len() as u64) as usize;
        let action = self.action(key);
        Some(Operation::on(self.keys[key].clone(), action))
    }
}

/// The name under which a client takes locks. It is the same after an operation of unknown outcome: whatever that took, the client can give back.
pub(super) fn owner(client: usize) -> String {
    format!("c{client}")
}

/// Reads a whole object of this kind.
pub(super) fn read(kind: WorkKind) -> Action {
    let missing = match kind {
        WorkKind::Counter => json!(0),
        WorkKind::Set | WorkKind::SetFull => json!([]),
        _ => Value::Null,
    };
    Action::Read { missing }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::workload::tests::{of_kind, workload};

    /// What 10 clients do, 1000 operations each.
    fn drawn(workload: &Workload) -> Vec<Operation> {
        let of = |client| OperationStream::new(workload, 7, client).take(1_000);
        (0..10).flat_map(of).collect()
    }

    fn counts(operations: &[Operation]) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for operation in operations {
            *counts.entry(operation.f()).or_insert(0) += 1;
        }
        counts
    }

    #[test]
    fn values_are_unique_over_all_clients_and_the_mix_is_kept() {
        let operations = drawn(&workload("mix: { read: 5, write: 4, cas: 1 }"));
        let mut values = BTreeSet::new();
        for operation in &operations {
            let (Action::Write(value) | Action::Cas { new: value, .. }) = operation.action else {
                continue;
            };
            assert!(value > 0 && values.insert(value), "{value} twice");
        }
        let counts = counts(&operations);
        assert!((4_700..5_300).contains(&counts["read"]), "{counts:?}");
        assert!((3_700..4_300).contains(&counts["write"]), "{counts:?}");
        assert!((800..1_200).contains(&counts["cas"]), "{counts:?}");
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

    #[test]
    fn without_a_mix_everything_that_a_kind_has_is_done_as_often() {
        for (kind, functions) in [
            ("counter", vec!["add", "read"]),
            ("set", vec!["add", "contains", "read", "remove"]),
            ("set-full", vec!["add", "read"]),
            ("queue", vec!["dequeue", "enqueue"]),
            ("lock", vec!["acquire", "release"]),
            ("list-append", vec!["txn"]),
            ("rw-register", vec!["txn"]),
            ("bank", vec!["read", "transfer"]),
            ("unique-ids", vec!["generate"]),
        ] {
            let operations = drawn(&of_kind(kind, "keys: 2"));
            let counts = counts(&operations);
            assert_eq!(counts.keys().copied().collect::<Vec<_>>(), functions, "{kind}");
            let fair = operations.len() / functions.len();
            let even = |count: &usize| (fair * 9 / 10..fair * 11 / 10).contains(count);
            assert!(counts.values().all(even), "{kind}: {counts:?}");
        }
    }

    #[test]
    fn elements_that_are_told_apart_are_unique_and_those_that_are_fought_for_are_few() {
        for kind in ["set-full", "queue"] {
            let mut seen = BTreeSet::new();
            for operation in drawn(&of_kind(kind, "keys: 2")) {
                let (Action::Insert { element, .. } | Action::Enqueue(element)) = operation.action
                else {
                    continue;
                };
                assert!(seen.insert(element), "{kind}: {element} twice");
            }
        }
        let operations = drawn(&of_kind("set", "keys: 2, elements: 3"));
        let elements: BTreeSet<_> =
            operations.iter().filter_map(|operation| operation.value().as_i64()).collect();
        assert_eq!(elements, BTreeSet::from([0, 1, 2]));
    }

    #[test]
    fn a_client_acquires_and_releases_each_lock_in_turn_under_its_own_name() {
        let workload = of_kind("lock", "keys: 2");
        let mut last: BTreeMap<String, Action> = BTreeMap::new();
        for operation in OperationStream::new(&workload, 7, 3).take(100) {
            let expected = match last.get(operation.key.as_ref().unwrap()) {
                Some(Action::Acquire(_)) => Action::Release("c3".into()),
                _ => Action::Acquire("c3".into()),
            };
            assert_eq!(operation.action, expected);
            last.insert(operation.key.unwrap(), operation.action);
        }
    }

    #[test]
    fn transactions_move_over_all_keys_and_never_repeat_a_value() {
        for (kind, write) in [("list-append", "append"), ("rw-register", "w")] {
            // 500/s for 30 s: 1500 of each client.
            let workload = of_kind(kind, "keys: 20, txn_length: 3");
            let (mut values, mut lengths) = (BTreeSet::new(), BTreeSet::new());
            let mut keys: Vec<BTreeSet<String>> = vec![BTreeSet::new(); 3];
            for client in 0..10 {
                for (place, operation) in
                    OperationStream::new(&workload, 7, client).take(1_500).enumerate()
                {
                    let Action::Transaction(steps) = operation.action else { panic!() };
                    lengths.insert(steps.len());
                    for step in steps {
                        let step = step.value();
                        keys[place / 500].insert(step[1].as_str().unwrap().to_string());
                        assert!(step[0] == "r" && step[2].is_null() || step[0] == write);
                        assert!(step[0] == "r" || values.insert(step[2].as_i64()), "{step}");
                    }
                }
            }
            assert_eq!(lengths, BTreeSet::from([1, 2, 3]));
            let all: BTreeSet<_> = keys.iter().flatten().collect();
            assert_eq!(all.len(), 20, "{kind}: every key has its turn");
            assert!(keys[0].is_disjoint(&keys[2]), "{kind}: and it ends");
        }
    }

    #[test]
    fn a_transfer_is_between_two_accounts() {
        for operation in drawn(&of_kind("bank", "keys: 1, accounts: 2, mix: { transfer: 1 }")) {
            let Action::Transfer { from, to, amount } = operation.action else { panic!() };
            assert!(from < 2 && to < 2 && from != to && amount > 0, "{from} {to} {amount}");
        }
    }
}

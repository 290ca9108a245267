//! What is done before the first operation of a run and after its last.

use super::operation::{Action, Micro, Operation};
use super::operations::{owner, read};
use crate::workload::{WorkKind, Workload};

/// What must be there before clients begin. It is not part of the history.
pub(crate) fn preparations(workload: &Workload) -> Vec<Operation> {
    let work = &workload.workload;
    let (accounts, balance) = (work.accounts(), work.balance());
    let fill = |key| Operation::on(key, Action::FillAccounts { accounts, balance });
    match work.kind {
        WorkKind::Bank => work.key_names().into_iter().map(fill).collect(),
        _ => vec![],
    }
}

/// An operation after the heal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FinalStep {
    /// What is done until it is answered.
    pub(crate) operation: Operation,
    /// Whether it is then done again until it finds nothing more.
    pub(crate) drains: bool,
}

/// What is done after the heal, so that an acknowledged change that is gone for good shows there at the latest: every key is looked at.
pub(crate) fn final_steps(workload: &Workload) -> Vec<FinalStep> {
    workload.workload.key_names().iter().flat_map(|key| of_key(workload, key)).collect()
}

fn of_key(workload: &Workload, key: &str) -> Vec<FinalStep> {
    let work = &workload.workload;
    let on = |action| FinalStep { operation: Operation::on(key, action), drains: false };
    match work.kind {
        WorkKind::Register | WorkKind::Counter | WorkKind::SetFull => vec![on(read(work.kind))],
        // To read the whole set would tie its elements together, and make it hard to judge.
        WorkKind::Set => {
            (0..work.elements()).map(|element| on(Action::Contains(element.into()))).collect()
        }
        WorkKind::Queue => vec![FinalStep { drains: true, ..on(Action::Dequeue) }],
        WorkKind::Lock => lock(workload.clients.count as usize).map(on).collect(),
        WorkKind::ListAppend | WorkKind::RwRegister => {
            let steps = vec![Micro::Read { key: key.to_string() }];
            let operation = Operation { key: None, action: Action::Transaction(steps) };
            vec![FinalStep { operation, drains: false }]
        }
        WorkKind::Bank => vec![on(Action::ReadAccounts(work.accounts()))],
        WorkKind::UniqueIds => vec![on(Action::Generate)],
    }
}

/// Everybody gives back what he may have; then the lock can be taken once more, with a greater token.
fn lock(clients: usize) -> impl Iterator<Item = Action> {
    let everybody = (0..clients).map(|client| Action::Release(owner(client)));
    everybody.chain([Action::Acquire(owner(0)), Action::Release(owner(0))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::of_kind;

    #[test]
    fn every_key_of_every_kind_is_looked_at_in_the_end() {
        let kinds = [
            "register",
            "counter",
            "set",
            "set-full",
            "queue",
            "lock",
            "list-append",
            "rw-register",
            "bank",
            "unique-ids",
        ];
        for kind in kinds {
            let workload = of_kind(kind, "keys: 3");
            let steps = final_steps(&workload);
            for key in ["k0", "k1", "k2"] {
                let looks = |step: &FinalStep| match &step.operation.key {
                    Some(own) => own == key,
                    None => step.operation.value()[0][1] == *key,
                };
                assert!(steps.iter().any(looks), "{kind} {key}");
            }
            assert_eq!(steps.iter().any(|step| step.drains), kind == "queue");
            let prepared = preparations(&workload).len();
            assert_eq!(prepared, if kind == "bank" { 3 } else { 0 });
        }
    }

    #[test]
    fn a_lock_is_given_back_by_everybody_before_it_is_taken() {
        let steps = final_steps(&of_kind("lock", "keys: 1"));
        let f: Vec<_> = steps.iter().map(|step| step.operation.f()).collect();
        assert_eq!(f, [["release"; 10].as_slice(), &["acquire", "release"]].concat());
    }
}

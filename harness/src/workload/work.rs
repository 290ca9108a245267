//! What clients ask for: the kinds of objects and what can be said about each.

use std::collections::BTreeMap;

use checker::models::Model;
use serde::Deserialize;

use super::check::Check;

/// What clients ask for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    /// What kind of object.
    pub(crate) kind: WorkKind,
    /// How many objects, independent of each other; they are called k0, k1, …
    pub(crate) keys: u32,
    /// How often which operation (of transactions: which step), as weights; each as often as the others where nothing is said.
    pub(super) mix: Option<BTreeMap<String, u32>>,
    /// `set`: how many elements clients contend for; default 16.
    pub(super) elements: Option<u32>,
    /// `list-append`, `rw-register`: the most steps of a transaction; default 4.
    pub(super) txn_length: Option<u32>,
    /// `bank`: how many accounts; default 8.
    pub(super) accounts: Option<u32>,
    /// `bank`: what each account has at first; default 100.
    pub(super) balance: Option<u32>,
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WorkKind {
    /// A register with read, write and cas.
    Register,
    /// A counter that is added to and read.
    Counter,
    /// A set of few elements that are added, removed and asked for.
    Set,
    /// A set whose elements are added once each and read as a whole.
    SetFull,
    /// A queue that is drained at the end.
    Queue,
    /// A lock with fencing tokens.
    Lock,
    /// Transactions that append to lists and read them.
    ListAppend,
    /// Transactions that write registers and read them.
    RwRegister,
    /// Transfers between accounts whose total stays.
    Bank,
    /// Identifiers that are given out once each.
    UniqueIds,
}

impl WorkKind {
    /// Its name in a workload.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Counter => "counter",
            Self::Set => "set",
            Self::SetFull => "set-full",
            Self::Queue => "queue",
            Self::Lock => "lock",
            Self::ListAppend => "list-append",
            Self::RwRegister => "rw-register",
            Self::Bank => "bank",
            Self::UniqueIds => "unique-ids",
        }
    }

    /// What a mix can weigh, in the order in which it is drawn. A lock has no mix: a client acquires and releases in turn.
    pub(super) fn mix(self) -> &'static [&'static str] {
        match self {
            Self::Register => &["read", "write", "cas"],
            Self::Counter | Self::SetFull => &["read", "add"],
            Self::Set => &["read", "add", "remove", "contains"],
            Self::Queue => &["enqueue", "dequeue"],
            Self::Lock => &[],
            Self::ListAppend => &["r", "append"],
            Self::RwRegister => &["r", "w"],
            Self::Bank => &["read", "transfer"],
            Self::UniqueIds => &["generate"],
        }
    }

    /// The keys of `workload` that only some kinds have.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Set => &["elements"],
            Self::ListAppend | Self::RwRegister => &["txn_length"],
            Self::Bank => &["accounts", "balance"],
            _ => &[],
        }
    }

    /// What it must keep where a workload does not say which checks are wanted.
    pub(super) fn promises(self) -> &'static [Check] {
        match self {
            Self::Register | Self::Set | Self::Lock => &[Check::Linearizable],
            Self::Counter => &[Check::Linearizable, Check::CounterBounds],
            Self::Queue => &[Check::Linearizable, Check::TotalQueue],
            Self::SetFull => &[Check::SetFull],
            Self::ListAppend | Self::RwRegister => &[Check::StrictSerializable],
            Self::Bank => &[Check::Bank],
            Self::UniqueIds => &[Check::UniqueIds],
        }
    }
}

impl Work {
    /// The names of the keys.
    pub(crate) fn key_names(&self) -> Vec<String> {
        (0..self.keys).map(|number| format!("k{number}")).collect()
    }

    /// Everything that a mix of this kind can weigh, with its weight.
    pub(crate) fn weights(&self) -> Vec<(&'static str, u32)> {
        let weight = |name| match &self.mix {
            None => 1,
            Some(mix) => mix.get(name).copied().unwrap_or(0),
        };
        self.kind.mix().iter().map(|name| (*name, weight(*name))).collect()
    }

    /// The operations that clients do, by their names in the history, with the weights of those that are weighed.
    pub(crate) fn functions(&self) -> Vec<(&'static str, u32)> {
        match self.kind {
            WorkKind::Lock => vec![("acquire", 1), ("release", 1)],
            WorkKind::ListAppend | WorkKind::RwRegister => vec![("txn", 1)],
            _ => self.weights(),
        }
    }

    /// What the history is one of.
    pub(crate) fn model(&self) -> Model {
        match self.kind {
            WorkKind::Register if self.functions().contains(&("cas", 0)) => Model::Register,
            WorkKind::Register => Model::CasRegister,
            WorkKind::Counter => Model::Counter,
            WorkKind::Set => Model::Set,
            WorkKind::SetFull => Model::SetFull,
            WorkKind::Queue => Model::Queue,
            WorkKind::Lock => Model::Lock,
            WorkKind::ListAppend => Model::ListAppend,
            WorkKind::RwRegister => Model::RwRegister,
            WorkKind::Bank => Model::Bank,
            WorkKind::UniqueIds => Model::UniqueIds,
        }
    }

    /// How many elements the clients of a `set` contend for.
    pub(crate) fn elements(&self) -> u32 {
        self.elements.unwrap_or(16)
    }

    /// The most steps of a transaction.
    pub(crate) fn txn_length(&self) -> u32 {
        self.txn_length.unwrap_or(4)
    }

    /// How many accounts a `bank` has.
    pub(crate) fn accounts(&self) -> u32 {
        self.accounts.unwrap_or(8)
    }

    /// What each account has at first.
    pub(crate) fn balance(&self) -> u32 {
        self.balance.unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_it_is_called_and_its_checks_fit_it() {
        for kind in [
            WorkKind::Register,
            WorkKind::Counter,
            WorkKind::Set,
            WorkKind::SetFull,
            WorkKind::Queue,
            WorkKind::Lock,
            WorkKind::ListAppend,
            WorkKind::RwRegister,
            WorkKind::Bank,
            WorkKind::UniqueIds,
        ] {
            assert_eq!(serde_yaml::from_str::<WorkKind>(kind.name()).unwrap(), kind);
            assert!(kind.promises().iter().all(|check| check.fits(kind)), "{kind:?}");
            let work = format!("{{ kind: {}, keys: 1 }}", kind.name());
            let work: Work = serde_yaml::from_str(&work).unwrap();
            assert!(work.functions().iter().all(|(f, _)| work.model().has(f)), "{kind:?}");
        }
    }
}

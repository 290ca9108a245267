//! Transfers between accounts: every read of all accounts shows the same total, and no balance is negative unless that is allowed.
//!
//! After Jepsen's `bank` (`jepsen.tests.bank`), which the snapshot of a transaction must satisfy: a wrong total is a read that saw half of a
//! transfer. The total is the one that was given, else that of the first read; so are the accounts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::counted;
use super::elements::Elements;
use super::findings::{Findings, violation};
use crate::explain::{when, who};
use crate::history::{History, Outcome, Shape, ValueId, View};
use crate::linearizability::{Object, Objects};
use crate::verdict::{CheckReport, Violation};

/// Name of the check.
pub const NAME: &str = "bank";

const WRONG_TOTAL: &str = "wrong total";
const NEGATIVE: &str = "negative balance";
const NO_BALANCE: &str = "account without a balance";
const UNEXPECTED: &str = "unexpected account";

/// Judges every bank of a history; `total` is that of all balances, and they may be negative only if that is said.
pub fn check(history: &History, total: Option<i64>, negative_balances: bool) -> CheckReport {
    let objects = Objects::of(history);
    let mut banks = Banks::new(history, negative_balances);
    for number in 0..objects.len() {
        banks.judge(&objects.get(number), total.map(i128::from));
    }
    if banks.reads == 0 {
        banks.doubts.push("no read of the accounts succeeded".into());
    }
    banks.report()
}

struct Banks<'a> {
    history: &'a History,
    negative_balances: bool,
    findings: Findings,
    doubts: Vec<String>,
    reads: usize,
    accounts: usize,
    totals: Vec<String>,
    /// By kind of error: how many there are, the lowest value and the highest.
    extremes: BTreeMap<&'static str, (usize, i128, i128)>,
}

/// What every read is compared with.
struct Reference<'a> {
    total: i128,
    /// The read that it was taken from; none where the total was given.
    read: Option<View<'a>>,
}

impl<'a> Banks<'a> {
    fn new(history: &'a History, negative_balances: bool) -> Self {
        Self {
            history,
            negative_balances,
            findings: Findings::default(),
            doubts: Vec::new(),
            reads: 0,
            accounts: 0,
            totals: Vec::new(),
            extremes: BTreeMap::new(),
        }
    }

    fn judge(&mut self, object: &Object<'_>, total: Option<i128>) {
        let history = self.history;
        let read = history.function("read");
        let reads = object.iter().filter(|(_, operation)| {
            Some(operation.function) == read && operation.outcome == Outcome::Ok
        });
        let mut accounts = Elements::new(history.values(), 64);
        let mut reference: Option<Reference<'a>> = None;
        let mut known = 0;
        for (place, operation) in reads {
            let view = history.view(place as usize);
            let Some(balances) = balances(history, operation.value) else {
                let line = view.line();
                self.doubts.push(format!("the read in line {line} is no map of balances"));
                continue;
            };
            self.reads += 1;
            let sum = self.read(view, balances, &mut accounts, known);
            let Some(sum) = sum else { continue };
            let reference = reference.get_or_insert_with(|| {
                known = accounts.len();
                let read = total.is_none().then_some(view);
                Reference { total: total.unwrap_or(sum), read }
            });
            if sum != reference.total {
                self.note(WRONG_TOTAL, sum);
                self.findings.add(WRONG_TOTAL, || wrong_total(view, sum, reference));
            }
        }
        self.accounts += known;
        self.totals.extend(reference.map(|reference| reference.total.to_string()));
    }

    /// Goes through the balances of a read; their sum, unless one is missing. Accounts are new from number `known` on, once any are known.
    fn read(
        &mut self,
        view: View<'a>,
        balances: Balances<'a>,
        accounts: &mut Elements<'a>,
        known: usize,
    ) -> Option<i128> {
        let (mut sum, mut whole) = (0, true);
        for (name, balance) in balances {
            let is_new = name.is_some_and(|name| accounts.number(name) >= known) && known > 0;
            if is_new {
                let name = self.account(name);
                self.note(UNEXPECTED, 0);
                let what = || wrong(view, &format!("{name}, which the first read does not have"));
                self.findings.add(UNEXPECTED, what);
            }
            match self.history.values().as_integer(balance).map(i128::from) {
                Some(amount) => {
                    sum += amount;
                    self.judge_balance(view, name, amount);
                }
                None => {
                    whole = false;
                    let (name, shown) = (self.account(name), self.history.values().words(balance));
                    self.note(NO_BALANCE, 0);
                    let what = || wrong(view, &format!("{name} with the balance {shown}"));
                    self.findings.add(NO_BALANCE, what);
                }
            }
        }
        whole.then_some(sum)
    }

    fn judge_balance(&mut self, view: View<'a>, name: Option<ValueId>, amount: i128) {
        if amount >= 0 || self.negative_balances {
            return;
        }
        let name = self.account(name);
        self.note(NEGATIVE, amount);
        self.findings.add(NEGATIVE, || wrong(view, &format!("a balance of {amount} in {name}")));
    }

    fn account(&self, name: Option<ValueId>) -> String {
        let words = |name| format!("account {}", self.history.values().words(name));
        name.map_or_else(|| "an account".to_string(), words)
    }

    fn note(&mut self, kind: &'static str, value: i128) {
        let (count, lowest, highest) = self.extremes.entry(kind).or_insert((0, value, value));
        *count += 1;
        *lowest = (*lowest).min(value);
        *highest = (*highest).max(value);
    }

    fn report(self) -> CheckReport {
        let totals = match self.totals.as_slice() {
            [total] if self.reads == 1 => format!("the total {total} is that of the only read"),
            [total] => format!("total {total}"),
            totals => counted(totals.len(), "bank"),
        };
        let scope = format!(
            "{} of {}, {totals}",
            counted(self.reads, "read"),
            counted(self.accounts, "account")
        );
        let error = |(kind, (count, lowest, highest)): (&&str, &(usize, i128, i128))| {
            let error = json!({"count": count, "lowest": lowest.to_string(), "highest": highest.to_string()});
            (kind.to_string(), error)
        };
        let errors: Value =
            self.extremes.iter().map(error).collect::<serde_json::Map<_, _>>().into();
        let figures = BTreeMap::from([
            ("reads".to_string(), json!(self.reads)),
            ("accounts".to_string(), json!(self.accounts)),
            ("totals".to_string(), json!(self.totals)),
            ("errors".to_string(), errors),
        ]);
        self.findings.report(NAME, scope, &self.doubts, figures)
    }
}

/// Accounts with their balances; a list of balances has no names.
type Balances<'a> = Box<dyn Iterator<Item = (Option<ValueId>, ValueId)> + 'a>;

fn balances(history: &History, value: ValueId) -> Option<Balances<'_>> {
    match history.values().shape(value) {
        Shape::Map(entries) => {
            Some(Box::new(entries.chunks_exact(2).map(|entry| (Some(entry[0]), entry[1]))))
        }
        Shape::List(balances) => Some(Box::new(balances.iter().map(|balance| (None, *balance)))),
        _ => None,
    }
}

fn wrong(read: View<'_>, what: &str) -> Violation {
    let summary = format!("{} read {what}", who(read));
    violation(
        read,
        &summary,
        vec![format!("{} read all accounts, {}.", who(read), when(read))],
        vec![],
    )
}

fn wrong_total(read: View<'_>, sum: i128, reference: &Reference<'_>) -> Violation {
    let Reference { total, read: first } = reference;
    let summary = format!("{} read a total of {sum}, not {total}", who(read));
    let expected = match first {
        Some(first) => format!(
            "The total was {total} in the first read, by {}, {}.",
            who(*first),
            when(*first)
        ),
        None => format!("The total is {total}."),
    };
    let steps = vec![
        expected,
        format!("{} read balances that make {sum}, {}.", who(read), when(read)),
        "A transfer takes from one account what it gives to another, so that no snapshot has another total.".into(),
    ];
    violation(read, &summary, steps, first.iter().copied().collect())
}

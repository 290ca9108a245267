//! From the words of the history to those of our own node and back: requests, and the classification of answers.
//!
//! *fail* is recorded only where it is certain that the operation has no effect: the node said so, or the request never left.
//! Whatever else went wrong after it left is *info*: nobody knows.

use std::collections::BTreeMap;

use checker::history::EventType;
use node::client::{Request, Response};
use node::kv::{Answer, Command, Object, Proposal, Query, Refusal, Step};
use serde_json::{Value, json};

use crate::plan::{Action, Micro, Operation};

/// How an operation ended, or one attempt at it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) event_type: EventType,
    pub(crate) value: Value,
    pub(crate) error: Option<String>,
    /// The leader that the node named.
    pub(crate) leader: Option<String>,
    pub(crate) ending: Ending,
}

/// Whether it is of use to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The store answered. Within a session it would say the same again.
    Answered,
    /// The store was not reached, or its answer was not.
    Unanswered,
    /// The session is gone: whether an earlier attempt took effect is forgotten.
    NoSession,
}

impl Outcome {
    fn ok(value: Value) -> Self {
        let (event_type, ending) = (EventType::Ok, Ending::Answered);
        Self { event_type, value, error: None, leader: None, ending }
    }

    /// An attempt that got no answer of the store.
    pub(super) fn unanswered(
        event_type: EventType,
        operation: &Operation,
        error: impl Into<String>,
    ) -> Self {
        let (value, error) = (operation.value(), Some(error.into()));
        Self { event_type, value, error, leader: None, ending: Ending::Unanswered }
    }

    /// The value that the register certainly had at the end of the operation, where that is known.
    pub(crate) fn seen(&self, operation: &Operation) -> Option<Option<i64>> {
        match (self.event_type, &operation.action) {
            (EventType::Ok, Action::Read { .. }) => Some(self.value.as_i64()),
            (EventType::Ok, Action::Write(value)) => Some(Some(*value)),
            (EventType::Ok, Action::Cas { new, .. }) => Some(Some(*new)),
            _ => None,
        }
    }
}

/// What the store is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wish {
    Query(Query),
    Command(Command),
}

impl Wish {
    /// The request; a command with its place in a session, if there is one.
    pub(super) fn request(self, place: Option<Place>) -> Request {
        match (self, place) {
            (Self::Query(query), _) => Request::Query(query),
            (Self::Command(command), None) => Request::Propose(Proposal::Plain(command)),
            (Self::Command(command), Some(Place { session, sequence })) => {
                // A client does one thing at a time: it waits for no earlier answer.
                let answered = sequence;
                Request::Propose(Proposal::Once { session, sequence, answered, command })
            }
        }
    }
}

/// Whether an operation goes through the log.
pub(super) fn is_change(operation: &Operation) -> bool {
    matches!(wish(operation), Wish::Command(_))
}

/// The place of a command in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) session: u64,
    pub(super) sequence: u64,
}

/// What to ask the store for an operation.
pub(super) fn wish(operation: &Operation) -> Wish {
    let key = operation.key.clone().unwrap_or_default();
    Wish::Command(match operation.action.clone() {
        Action::Read { .. } => return Wish::Query(Query::Read { key }),
        Action::Contains(element) => return Wish::Query(Query::Contains { key, element }),
        Action::ReadAccounts(accounts) => {
            let keys = (0..accounts).map(|account| account_key(&key, account)).collect();
            return Wish::Query(Query::Snapshot { keys });
        }
        Action::Transaction(steps) => return transaction(&steps),
        Action::Write(value) => Command::Write { key, value },
        Action::Cas { old, new } => Command::Cas { key, old, new },
        Action::Add(amount) => Command::Add { key, amount },
        Action::Insert { element, .. } => Command::Insert { key, element },
        Action::Remove(element) => Command::Remove { key, element },
        Action::Enqueue(element) => Command::Enqueue { key, element },
        Action::Dequeue => Command::Dequeue { key },
        Action::Acquire(owner) => Command::Acquire { key, owner },
        Action::Release(owner) => Command::Release { key, owner },
        Action::Transfer { from, to, amount } => {
            let [from, to] = [from, to].map(|account| account_key(&key, account));
            Command::Transfer { from, to, amount }
        }
        Action::FillAccounts { accounts, balance } => {
            let fill =
                |account| Step::Write { key: account_key(&key, account), value: balance.into() };
            Command::Transaction { steps: (0..accounts).map(fill).collect() }
        }
        Action::Generate => Command::Add { key, amount: 1 },
    })
}

/// A transaction that only reads does not go through the log.
fn transaction(steps: &[Micro]) -> Wish {
    let read = |step: &Micro| match step {
        Micro::Read { key } => Some(key.clone()),
        _ => None,
    };
    if let Some(keys) = steps.iter().map(read).collect() {
        return Wish::Query(Query::Snapshot { keys });
    }
    let step = |step: &Micro| match step.clone() {
        Micro::Read { key } => Step::Read { key },
        Micro::Write { key, value } => Step::Write { key, value },
        Micro::Append { key, element } => Step::Append { key, element },
    };
    Wish::Command(Command::Transaction { steps: steps.iter().map(step).collect() })
}

/// Accounts are registers of their own.
fn account_key(bank: &str, account: u32) -> String {
    format!("{bank}/{account}")
}

/// What a node's answer means for the history.
pub(super) fn classify(operation: &Operation, response: Response) -> Outcome {
    let unanswered = |event_type, error| Outcome::unanswered(event_type, operation, error);
    match response {
        Response::Outcome(Ok(answer)) => match result(operation, &answer) {
            Some(value) => Outcome::ok(value),
            // An answer to another question: nobody knows what the node did.
            None => unanswered(EventType::Info, format!("unexpected answer {answer:?}")),
        },
        Response::Outcome(Err(refusal)) => refused(operation, refusal),
        Response::NotLeader { leader } => {
            let leader = leader.map(|(id, _)| id.to_string());
            let error = match &leader {
                Some(leader) => format!("not the leader, {leader} is"),
                None => "not the leader, and knows none".into(),
            };
            Outcome { leader, ..unanswered(EventType::Fail, error) }
        }
        Response::Refused { reason } | Response::Declined { reason } => {
            unanswered(EventType::Fail, reason)
        }
        Response::Unknown { reason } => unanswered(EventType::Info, reason),
        other @ (Response::Status(_) | Response::Changed(_) | Response::HandedOver { .. }) => {
            unanswered(EventType::Info, format!("unexpected answer {other:?}"))
        }
    }
}

/// A refusal changes nothing; but only some operations can be refused, and for some reasons.
fn refused(operation: &Operation, refusal: Refusal) -> Outcome {
    let outcome = Outcome::unanswered(EventType::Fail, operation, refusal.to_string());
    if refusal.is_of_session() {
        return Outcome { ending: Ending::NoSession, ..outcome };
    }
    let is_possible = match refusal {
        Refusal::Mismatch => matches!(operation.action, Action::Cas { .. }),
        Refusal::Held => matches!(operation.action, Action::Acquire(_)),
        Refusal::NotHeld => matches!(operation.action, Action::Release(_)),
        Refusal::Insufficient => matches!(operation.action, Action::Transfer { .. }),
        _ => true,
    };
    match is_possible {
        true => Outcome { ending: Ending::Answered, ..outcome },
        false => Outcome { event_type: EventType::Info, ..outcome },
    }
}

/// The value of a completion that is ok; nothing if the answer is none to this operation.
fn result(operation: &Operation, answer: &Answer) -> Option<Value> {
    Some(match (&operation.action, answer) {
        (Action::Read { missing }, Answer::Object(object)) => {
            object.as_ref().map_or_else(|| missing.clone(), json_of)
        }
        (Action::Write(_) | Action::Cas { .. } | Action::Enqueue(_), Answer::Done)
        | (Action::Transfer { .. } | Action::Release(_), Answer::Done)
        | (Action::Insert { tells: false, .. }, Answer::Flag(_))
        | (Action::Add(_), Answer::Integer(_)) => operation.value(),
        (Action::Insert { element, .. } | Action::Remove(element), Answer::Flag(changed)) => {
            json!([element, changed])
        }
        (Action::Contains(element), Answer::Flag(is_there)) => json!([element, is_there]),
        (Action::Dequeue, Answer::Element(element)) => json!(element),
        (Action::Acquire(_), Answer::Token(token)) => json!(token),
        (Action::Generate, Answer::Integer(sum)) => json!(sum),
        (Action::FillAccounts { .. }, Answer::Objects(_)) => Value::Null,
        (Action::ReadAccounts(accounts), Answer::Objects(balances)) => {
            balances_of(*accounts, balances)?
        }
        (Action::Transaction(steps), Answer::Objects(seen)) => steps_with(steps, seen)?,
        _ => return None,
    })
}

/// An object as histories have it.
pub(crate) fn json_of(object: &Object) -> Value {
    match object {
        Object::Register(value) | Object::Counter(value) => json!(value),
        Object::List(elements) => json!(elements),
        Object::Set(elements) => json!(elements),
        Object::Queue(elements) => json!(elements),
        Object::Lock(lock) => json!({ "holder": lock.holder, "token": lock.token }),
    }
}

fn balances_of(accounts: u32, balances: &[Option<Object>]) -> Option<Value> {
    if balances.len() != accounts as usize {
        return None;
    }
    let named = |(account, object): (usize, &Option<Object>)| {
        (account.to_string(), object.as_ref().map_or(Value::Null, json_of))
    };
    let balances: BTreeMap<_, _> = balances.iter().enumerate().map(named).collect();
    Some(json!(balances))
}

/// The steps of a transaction, each read with what it saw.
fn steps_with(steps: &[Micro], seen: &[Option<Object>]) -> Option<Value> {
    let step = |(step, object): (&Micro, &Option<Object>)| {
        let mut value = step.value();
        if let (Micro::Read { .. }, Some(object)) = (step, object) {
            value[2] = json_of(object);
        }
        value
    };
    (steps.len() == seen.len()).then(|| steps.iter().zip(seen).map(step).collect())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use node::raft::NodeId;

    use super::*;

    fn on(action: Action) -> Operation {
        Operation::on("k1", action)
    }

    fn check(action: Action, response: Response, event_type: EventType, value: Value) -> Outcome {
        let operation = Operation { key: Some("k1".into()), action };
        let outcome = classify(&operation, response.clone());
        assert_eq!(
            (outcome.event_type, outcome.value.clone()),
            (event_type, value),
            "{response:?}"
        );
        outcome
    }

    fn ok(action: Action, answer: Answer, value: Value) {
        let outcome = check(action, Response::Outcome(Ok(answer)), EventType::Ok, value);
        assert_eq!(outcome.ending, Ending::Answered);
    }

    fn read() -> Action {
        Action::Read { missing: Value::Null }
    }

    #[test]
    fn every_answer_of_the_store_has_its_value() {
        let insert = |tells| Action::Insert { element: 4, tells };
        ok(read(), Answer::Object(Some(Object::Register(3))), json!(3));
        ok(read(), Answer::Object(None), Value::Null);
        ok(Action::Read { missing: json!(0) }, Answer::Object(None), json!(0));
        ok(read(), Answer::Object(Some(Object::Set([2, 1].into()))), json!([1, 2]));
        ok(Action::Write(7), Answer::Done, json!(7));
        ok(Action::Cas { old: None, new: 8 }, Answer::Done, json!([null, 8]));
        ok(Action::Add(1), Answer::Integer(9), json!(1));
        ok(Action::Generate, Answer::Integer(9), json!(9));
        ok(insert(true), Answer::Flag(false), json!([4, false]));
        ok(insert(false), Answer::Flag(false), json!(4));
        ok(Action::Remove(4), Answer::Flag(true), json!([4, true]));
        ok(Action::Contains(4), Answer::Flag(true), json!([4, true]));
        ok(Action::Enqueue(4), Answer::Done, json!(4));
        ok(Action::Dequeue, Answer::Element(Some(4)), json!(4));
        ok(Action::Dequeue, Answer::Element(None), Value::Null);
        ok(Action::Acquire("c1".into()), Answer::Token(12), json!(12));
        ok(Action::Release("c1".into()), Answer::Done, Value::Null);
        let transfer = Action::Transfer { from: 0, to: 1, amount: 5 };
        ok(transfer, Answer::Done, json!({ "from": 0, "to": 1, "amount": 5 }));
        let balances = Answer::Objects(vec![Some(Object::Register(3)), None]);
        ok(Action::ReadAccounts(2), balances, json!({ "0": 3, "1": null }));
    }

    #[test]
    fn a_transaction_is_completed_with_what_its_reads_saw() {
        let read = |key: &str| Micro::Read { key: key.into() };
        let append = Micro::Append { key: "y".into(), element: 6 };
        let seen = vec![Some(Object::List(vec![1, 2])), None, None];
        let steps = vec![read("x"), append, read("z")];
        let value = json!([["r", "x", [1, 2]], ["append", "y", 6], ["r", "z", null]]);
        ok(Action::Transaction(steps.clone()), Answer::Objects(seen), value);
        let invoked = json!([["r", "x", null], ["append", "y", 6], ["r", "z", null]]);
        let short = Response::Outcome(Ok(Answer::Objects(vec![])));
        check(Action::Transaction(steps), short, EventType::Info, invoked);
    }

    #[test]
    fn a_transaction_that_only_reads_is_a_query() {
        let read = |key: &str| Micro::Read { key: key.into() };
        let query = Query::Snapshot { keys: vec!["x".into(), "y".into()] };
        let steps = Action::Transaction(vec![read("x"), read("y")]);
        assert_eq!(wish(&on(steps)), Wish::Query(query));
        let write = Micro::Write { key: "x".into(), value: 1 };
        let steps = Action::Transaction(vec![read("x"), write]);
        assert!(matches!(wish(&on(steps)), Wish::Command(Command::Transaction { .. })));
    }

    #[test]
    fn only_what_certainly_did_not_happen_has_failed() {
        let reason = || "why".to_string();
        let refused = |refusal| Response::Outcome(Err(refusal));
        let write = || Action::Write(7);
        let cas = || Action::Cas { old: None, new: 8 };
        let unled = Response::NotLeader { leader: None };
        check(write(), unled, EventType::Fail, json!(7));
        check(read(), Response::Refused { reason: reason() }, EventType::Fail, Value::Null);
        check(write(), Response::Unknown { reason: reason() }, EventType::Info, json!(7));
        let mismatch = check(cas(), refused(Refusal::Mismatch), EventType::Fail, json!([null, 8]));
        assert_eq!(mismatch.error.as_deref(), Some("mismatch"));
        assert_eq!(mismatch.ending, Ending::Answered);
        let kind = check(write(), refused(Refusal::WrongKind), EventType::Fail, json!(7));
        assert_eq!(kind.ending, Ending::Answered);
        let gone = check(write(), refused(Refusal::NoSession), EventType::Fail, json!(7));
        assert_eq!(gone.ending, Ending::NoSession);
        // Nonsense is never taken for success or failure.
        check(write(), refused(Refusal::Mismatch), EventType::Info, json!(7));
        check(read(), refused(Refusal::Held), EventType::Info, Value::Null);
        let done = || Response::Outcome(Ok(Answer::Done));
        check(read(), done(), EventType::Info, Value::Null);
        check(Action::Dequeue, done(), EventType::Info, Value::Null);
        let token = Response::Outcome(Ok(Answer::Token(7)));
        check(write(), token, EventType::Info, json!(7));
    }

    #[test]
    fn the_hint_of_a_follower_is_kept() {
        let leader = Some((NodeId(2), SocketAddr::from(([127, 0, 0, 1], 1))));
        let outcome = classify(&on(Action::Write(1)), Response::NotLeader { leader });
        assert_eq!(outcome.leader.as_deref(), Some("n2"));
        assert_eq!(outcome.ending, Ending::Unanswered);
    }

    #[test]
    fn a_command_within_a_session_carries_its_number() {
        let command = || wish(&on(Action::Write(1)));
        let place = Some(Place { session: 9, sequence: 4 });
        let Request::Propose(Proposal::Once { session: 9, sequence: 4, answered: 4, .. }) =
            command().request(place)
        else {
            panic!("no number");
        };
        let plain = command().request(None);
        assert!(matches!(plain, Request::Propose(Proposal::Plain(_))));
    }
}

//! The store: what each command comes to, sessions, and states as bytes.

use proptest::prelude::*;

use super::*;

fn key() -> String {
    "k".to_string()
}

/// Applies commands from index 1 on and expects these outcomes.
fn check(commands: &[(Command, Outcome)]) -> Store {
    let mut store = Store::default();
    for (place, (command, expected)) in commands.iter().enumerate() {
        let outcome = store.apply(place as u64 + 1, &Proposal::Plain(command.clone()));
        assert_eq!(outcome, *expected, "{place}: {command:?}");
    }
    store
}

fn read(store: &Store, key: &str) -> Option<Object> {
    match store.query(&Query::Read { key: key.into() }) {
        Ok(Answer::Object(object)) => object,
        other => panic!("{other:?}"),
    }
}

#[test]
fn cas_changes_only_what_it_expected() {
    let cas = |old, new| Command::Cas { key: key(), old, new };
    let store = check(&[
        (cas(Some(1), 2), Err(Refusal::Mismatch)),
        (cas(None, 1), Ok(Answer::Done)),
        (cas(None, 3), Err(Refusal::Mismatch)),
        (Command::Write { key: key(), value: 5 }, Ok(Answer::Done)),
        (cas(Some(1), 2), Err(Refusal::Mismatch)),
        (cas(Some(5), 2), Ok(Answer::Done)),
    ]);
    assert_eq!(read(&store, "k"), Some(Object::Register(2)));
    assert_eq!(read(&store, "other"), None);
}

#[test]
fn a_deleted_object_is_gone_and_its_key_free_for_another_kind() {
    let delete = || Command::Delete { key: key() };
    check(&[
        (delete(), Ok(Answer::Flag(false))),
        (Command::Write { key: key(), value: 5 }, Ok(Answer::Done)),
        (Command::Add { key: key(), amount: 1 }, Err(Refusal::WrongKind)),
        (delete(), Ok(Answer::Flag(true))),
        (Command::Add { key: key(), amount: 1 }, Ok(Answer::Integer(1))),
    ]);
}

#[test]
fn a_counter_answers_its_sum_and_never_wraps() {
    let add = |amount| Command::Add { key: key(), amount };
    let store = check(&[
        (add(3), Ok(Answer::Integer(3))),
        (add(-5), Ok(Answer::Integer(-2))),
        (add(i64::MAX), Ok(Answer::Integer(i64::MAX - 2))),
        (add(3), Err(Refusal::Overflow)),
    ]);
    assert_eq!(read(&store, "k"), Some(Object::Counter(i64::MAX - 2)));
}

#[test]
fn a_list_keeps_order_and_a_set_does_not_repeat() {
    let append = |element| Command::Append { key: key(), element };
    let store = check(&[
        (append(2), Ok(Answer::Done)),
        (append(1), Ok(Answer::Done)),
        (append(2), Ok(Answer::Done)),
    ]);
    assert_eq!(read(&store, "k"), Some(Object::List(vec![2, 1, 2])));

    let insert = |element| Command::Insert { key: key(), element };
    let remove = |element| Command::Remove { key: key(), element };
    let store = check(&[
        (insert(2), Ok(Answer::Flag(true))),
        (insert(2), Ok(Answer::Flag(false))),
        (remove(1), Ok(Answer::Flag(false))),
        (insert(1), Ok(Answer::Flag(true))),
        (remove(2), Ok(Answer::Flag(true))),
    ]);
    for (element, there) in [(1, true), (2, false)] {
        let contains = Query::Contains { key: key(), element };
        assert_eq!(store.query(&contains), Ok(Answer::Flag(there)));
    }
    let elsewhere = Query::Contains { key: "none".into(), element: 1 };
    assert_eq!(store.query(&elsewhere), Ok(Answer::Flag(false)));
    let store = check(&[(append(1), Ok(Answer::Done)), (insert(1), Err(Refusal::WrongKind))]);
    let of_a_list = Query::Contains { key: key(), element: 1 };
    assert_eq!(store.query(&of_a_list), Err(Refusal::WrongKind));
}

#[test]
fn a_queue_gives_first_what_came_first_and_nothing_when_it_is_empty() {
    let enqueue = |element| Command::Enqueue { key: key(), element };
    let dequeue = || Command::Dequeue { key: key() };
    check(&[
        (dequeue(), Ok(Answer::Element(None))),
        (enqueue(1), Ok(Answer::Done)),
        (enqueue(2), Ok(Answer::Done)),
        (dequeue(), Ok(Answer::Element(Some(1)))),
        (dequeue(), Ok(Answer::Element(Some(2)))),
        (dequeue(), Ok(Answer::Element(None))),
    ]);
}

#[test]
fn a_lock_has_one_holder_whose_name_releases_it_and_growing_tokens() {
    let acquire = |owner: &str| Command::Acquire { key: key(), owner: owner.into() };
    let release = |owner: &str| Command::Release { key: key(), owner: owner.into() };
    let store = check(&[
        (release("a"), Err(Refusal::NotHeld)),
        (acquire("a"), Ok(Answer::Token(2))),
        (acquire("a"), Err(Refusal::Held)),
        (acquire("b"), Err(Refusal::Held)),
        (release("b"), Err(Refusal::NotHeld)),
        (release("a"), Ok(Answer::Done)),
        (release("a"), Err(Refusal::NotHeld)),
        (acquire("b"), Ok(Answer::Token(8))),
        (Command::Delete { key: key() }, Ok(Answer::Flag(true))),
        (acquire("a"), Ok(Answer::Token(10))),
    ]);
    let lock = Lock { holder: Some("a".into()), token: 10 };
    assert_eq!(read(&store, "k"), Some(Object::Lock(lock)));
}

#[test]
fn a_transfer_keeps_the_total_and_takes_only_what_is_there() {
    let transfer = |from: &str, to: &str, amount| Command::Transfer {
        from: from.into(),
        to: to.into(),
        amount,
    };
    let write = |key: &str, value| Command::Write { key: key.into(), value };
    let store = check(&[
        (write("a", 10), Ok(Answer::Done)),
        (transfer("a", "b", 4), Ok(Answer::Done)),
        (transfer("a", "b", 7), Err(Refusal::Insufficient)),
        (transfer("c", "b", 1), Err(Refusal::Insufficient)),
        (transfer("a", "a", 6), Ok(Answer::Done)),
        (write("rich", i64::MAX), Ok(Answer::Done)),
        (transfer("a", "rich", 1), Err(Refusal::Overflow)),
        (Command::Append { key: "l".into(), element: 1 }, Ok(Answer::Done)),
        (transfer("a", "l", 1), Err(Refusal::WrongKind)),
    ]);
    let keys = ["a", "b", "c"].map(String::from).to_vec();
    let registers = vec![Some(Object::Register(6)), Some(Object::Register(4)), None];
    assert_eq!(store.query(&Query::Snapshot { keys }), Ok(Answer::Objects(registers)));
}

#[test]
fn a_transaction_sees_its_own_steps_and_is_done_whole_or_not_at_all() {
    let read_step = |key: &str| Step::Read { key: key.into() };
    let write = |key: &str, value| Step::Write { key: key.into(), value };
    let append = |key: &str, element| Step::Append { key: key.into(), element };
    let transaction = |steps: &[Step]| Command::Transaction { steps: steps.to_vec() };
    let list = |elements: &[i64]| Some(Object::List(elements.to_vec()));
    let store = check(&[
        (
            transaction(&[read_step("l"), append("l", 1), read_step("l"), write("r", 5)]),
            Ok(Answer::Objects(vec![None, None, list(&[1]), None])),
        ),
        // The last step does not fit the object, or a step before it: none is done.
        (transaction(&[append("l", 2), write("l", 2)]), Err(Refusal::WrongKind)),
        (transaction(&[write("n", 2), append("n", 2)]), Err(Refusal::WrongKind)),
        (
            transaction(&[read_step("l"), read_step("r"), read_step("n")]),
            Ok(Answer::Objects(vec![list(&[1]), Some(Object::Register(5)), None])),
        ),
        (transaction(&[]), Ok(Answer::Objects(vec![]))),
    ]);
    assert_eq!(read(&store, "n"), None);
}

/// The command `add 1` with a number.
fn once(session: u64, sequence: u64, answered: u64) -> Proposal {
    let command = Command::Add { key: key(), amount: 1 };
    Proposal::Once { session, sequence, answered, command }
}

#[test]
fn a_repeated_command_is_answered_again_and_not_carried_out_again() {
    let mut store = Store::default();
    assert_eq!(store.apply(3, &Proposal::Register), Ok(Answer::Session(3)));
    assert_eq!(store.apply(4, &once(3, 0, 0)), Ok(Answer::Integer(1)));
    assert_eq!(store.apply(5, &once(3, 1, 0)), Ok(Answer::Integer(2)));
    for index in [6, 7] {
        assert_eq!(store.apply(index, &once(3, 0, 0)), Ok(Answer::Integer(1)));
    }
    // What is acknowledged is forgotten, and refused rather than done twice.
    assert_eq!(store.apply(8, &once(3, 2, 2)), Ok(Answer::Integer(3)));
    assert_eq!(store.apply(9, &once(3, 1, 1)), Err(Refusal::Answered));
    assert_eq!(store.apply(10, &once(4, 0, 0)), Err(Refusal::NoSession));
    assert_eq!(read(&store, "k"), Some(Object::Counter(3)));
}

#[test]
fn a_refusal_is_remembered_too() {
    let mut store = Store::default();
    store.apply(1, &Proposal::Register).unwrap();
    let cas = |sequence, old, new| Proposal::Once {
        session: 1,
        sequence,
        answered: 0,
        command: Command::Cas { key: key(), old, new },
    };
    assert_eq!(store.apply(2, &cas(0, Some(1), 2)), Err(Refusal::Mismatch));
    assert_eq!(store.apply(3, &cas(1, None, 1)), Ok(Answer::Done));
    assert_eq!(store.apply(4, &cas(0, Some(1), 2)), Err(Refusal::Mismatch), "it would fit now");
}

#[test]
fn who_does_not_acknowledge_is_refused() {
    let mut store = Store::default();
    store.apply(1, &Proposal::Register).unwrap();
    let most = RESULTS_MAX as u64;
    for sequence in 0..most {
        store.apply(2 + sequence, &once(1, sequence, 0)).unwrap();
    }
    let unacknowledged = store.apply(2 + most, &once(1, most, 0));
    assert_eq!(unacknowledged, Err(Refusal::Unacknowledged));
    let acknowledged = store.apply(3 + most, &once(1, most, 1));
    assert_eq!(acknowledged, Ok(Answer::Integer(most as i64 + 1)));
}

#[test]
fn a_new_session_takes_the_place_of_the_one_that_was_used_last_the_longest_ago() {
    let mut store = Store::default();
    let most = SESSIONS_MAX as u64;
    for index in 1..=most {
        store.apply(index, &Proposal::Register).unwrap();
    }
    store.apply(most + 1, &once(1, 0, 0)).unwrap();
    store.apply(most + 2, &Proposal::Register).unwrap();
    assert_eq!(store.apply(most + 3, &once(2, 0, 0)), Err(Refusal::NoSession));
    assert_eq!(store.apply(most + 4, &once(1, 0, 0)), Ok(Answer::Integer(1)), "used since");
    assert_eq!(store.apply(most + 5, &once(3, 0, 0)), Ok(Answer::Integer(2)));
}

#[test]
fn the_bytes_of_a_snapshot_never_change_within_a_version() {
    let mut store = Store::default();
    store.apply(1, &Proposal::Register).unwrap();
    store.apply(2, &once(1, 0, 0)).unwrap();
    // Version; one object: "k", a counter, 1 (zigzag); one session: 1, used 2, answered 0, one result: 0, ok, integer, 1.
    let bytes = [1, 1, 1, b'k', 1, 2, 1, 1, 2, 0, 1, 0, 0, 2, 2];
    assert_eq!(store.snapshot(), bytes);
    assert_eq!(store.digest().to_string(), "ca4a657084c2dc95");
}

#[test]
fn cut_extended_and_foreign_snapshots_are_refused() {
    let mut store = Store::default();
    store.apply(1, &Proposal::Register).unwrap();
    store.apply(2, &once(1, 0, 0)).unwrap();
    let bytes = store.snapshot();
    for cut in 0..bytes.len() {
        assert!(Store::restore(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Store::restore(&longer), Err(RestoreError::NotCanonical));
    assert_eq!(Store::restore(&[2, 0, 0]), Err(RestoreError::Version(Some(2))));
    // A map whose keys stand in the wrong order.
    let unordered = [1, 2, 1, b'k', 1, 2, 1, b'a', 1, 2, 0];
    assert_eq!(Store::restore(&unordered), Err(RestoreError::NotCanonical));
}

/// Any command on few keys, so that kinds and values collide.
fn any_command() -> impl Strategy<Value = Command> {
    let keys = || prop::sample::select(vec!["a".to_string(), "b".to_string()]);
    let value = || prop_oneof![Just(i64::MAX), Just(i64::MIN), -3..3i64];
    let step = || {
        prop_oneof![
            keys().prop_map(|key| Step::Read { key }),
            (keys(), value()).prop_map(|(key, value)| Step::Write { key, value }),
            (keys(), value()).prop_map(|(key, element)| Step::Append { key, element }),
        ]
    };
    prop_oneof![
        (keys(), value()).prop_map(|(key, value)| Command::Write { key, value }),
        (keys(), prop::option::of(value()), value()).prop_map(|(key, old, new)| Command::Cas {
            key,
            old,
            new
        }),
        keys().prop_map(|key| Command::Delete { key }),
        (keys(), value()).prop_map(|(key, amount)| Command::Add { key, amount }),
        (keys(), value()).prop_map(|(key, element)| Command::Append { key, element }),
        (keys(), value()).prop_map(|(key, element)| Command::Insert { key, element }),
        (keys(), value()).prop_map(|(key, element)| Command::Remove { key, element }),
        (keys(), value()).prop_map(|(key, element)| Command::Enqueue { key, element }),
        keys().prop_map(|key| Command::Dequeue { key }),
        (keys(), keys()).prop_map(|(key, owner)| Command::Acquire { key, owner }),
        (keys(), keys()).prop_map(|(key, owner)| Command::Release { key, owner }),
        (keys(), keys(), any::<u32>()).prop_map(|(from, to, amount)| Command::Transfer {
            from,
            to,
            amount
        }),
        prop::collection::vec(step(), 0..4).prop_map(|steps| Command::Transaction { steps }),
    ]
}

fn any_proposal() -> impl Strategy<Value = Proposal> {
    let session = (1..6u64, 0..4u64, 0..4u64, any_command());
    prop_oneof![
        3 => any_command().prop_map(Proposal::Plain),
        1 => Just(Proposal::Register),
        4 => session.prop_map(|(session, sequence, answered, command)| {
            Proposal::Once { session, sequence, answered, command }
        }),
    ]
}

proptest! {
    #[test]
    fn every_replica_comes_to_the_same_state_from_the_log_and_from_a_snapshot(
        proposals in prop::collection::vec(any_proposal(), 0..40),
        cut in 0..40usize,
    ) {
        let (mut straight, mut restored) = (Store::default(), Store::default());
        for (place, proposal) in proposals.iter().enumerate() {
            if place == cut {
                restored = Store::restore(&restored.snapshot()).unwrap();
            }
            let before = straight.clone();
            let outcome = straight.apply(place as u64 + 1, proposal);
            prop_assert_eq!(&outcome, &restored.apply(place as u64 + 1, proposal));
            if outcome.is_err() {
                prop_assert_eq!(&straight.objects, &before.objects, "refused, and changed something");
            }
        }
        prop_assert_eq!(straight.digest(), restored.digest());
    }

    #[test]
    fn states_that_differ_have_other_digests(
        proposals in prop::collection::vec(any_proposal(), 1..20),
    ) {
        let mut store = Store::default();
        for (place, proposal) in proposals.iter().enumerate() {
            let before = store.clone();
            let _ = store.apply(place as u64 + 1, proposal);
            prop_assert_eq!(before == store, before.digest() == store.digest());
        }
    }
}

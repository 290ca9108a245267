//! What was written is what is read, without any accident.

use super::*;

#[test]
fn what_was_persisted_is_recovered() {
    let (dir, _) = small_log_directory();
    assert!(segment_paths(dir.path()).len() >= 4, "the log spans several segments");
    let (storage, recovered) = open(dir.path());
    let snapshot = StoredSnapshot {
        index: LogIndex(4),
        term: Term(1),
        metadata: b"voters".to_vec(),
        data: b"the state after 4".to_vec(),
    };
    let expected = Recovered {
        hard_state: hard_state(2),
        snapshot: Some(snapshot),
        first_index: LogIndex(1),
        entries: small_log(),
        torn_tail: None,
        repairing: None,
    };
    assert_eq!(recovered, expected);
    drop(storage);
    assert_eq!(open(dir.path()).1, expected, "opening changes nothing");
}

#[test]
fn a_new_directory_is_empty_and_can_be_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let expected = Recovered { first_index: LogIndex(1), ..Recovered::default() };
    assert_eq!(open(&path).1, expected);
    assert_eq!(open(&path).1, expected);
}

#[test]
fn compaction_deletes_covered_segments_and_keeps_what_was_asked_for() {
    let (dir, files) = small_log_directory();
    for keep_from in 1..=5 {
        restore(dir.path(), &files);
        let (mut storage, _) = open(dir.path());
        storage.compact(LogIndex(keep_from)).unwrap();
        storage.persist(None, &[append(10, 2)]).unwrap();
        drop(storage);
        let (_, recovered) = open(dir.path());
        assert!(recovered.first_index <= LogIndex(keep_from), "from {keep_from}");
        assert_eq!(recovered.hard_state, hard_state(2));
        let mut expected = small_log().split_off(recovered.first_index.0 as usize - 1);
        expected.push(entry(10, 2));
        assert_eq!(recovered.entries, expected, "from {keep_from}");
    }
    assert!(open(dir.path()).1.first_index > LogIndex(1), "something was deleted");
}

#[test]
fn a_log_survives_many_snapshots_and_compactions() {
    let dir = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(dir.path());
    for index in 1..=60 {
        storage.persist(Some(hard_state(index)), &[append(index, index)]).unwrap();
        if index % 7 == 0 {
            storage.save_snapshot(LogIndex(index), Term(index), b"", &[index as u8]).unwrap();
            storage.compact(LogIndex(index - 2)).unwrap();
        }
        if index % 5 == 0 {
            drop(storage);
            let (reopened, recovered) = open(dir.path());
            assert_eq!(recovered.entries.last(), Some(&entry(index, index)));
            assert_eq!(recovered.hard_state, hard_state(index));
            storage = reopened;
        }
    }
    drop(storage);
    let (_, recovered) = open(dir.path());
    assert_eq!(recovered.snapshot.unwrap().index, LogIndex(56));
    assert!((50..=54).contains(&recovered.first_index.0), "{}", recovered.first_index);
    let snapshots = contents(dir.path());
    let is_snapshot = |path: &Path| files::number(path, snapshot::EXTENSION).is_some();
    assert_eq!(snapshots.iter().filter(|(path, _)| is_snapshot(path)).count(), 1);
}

/// Figure 13, steps 6 and 7: a snapshot of another history, or of what the log has not reached, replaces the log.
#[test]
fn a_snapshot_that_the_log_does_not_contain_replaces_it() {
    for (index, term, contained) in [(5, 1, true), (5, 3, false), (20, 3, false), (9, 2, true)] {
        let (dir, _) = small_log_directory();
        let (mut storage, _) = open(dir.path());
        storage.save_snapshot(LogIndex(index), Term(term), b"m", b"d").unwrap();
        let next = if contained { 10 } else { index + 1 };
        storage.compact(LogIndex(index + 1)).unwrap();
        storage.persist(None, &[append(next, 3)]).unwrap();
        drop(storage);
        let (_, recovered) = open(dir.path());
        let behind = recovered.entries.iter().filter(|entry| entry.index.0 > index);
        let indices: Vec<_> = behind.map(|entry| entry.index.0).collect();
        let expected: Vec<_> = (index + 1..=next).collect();
        assert_eq!(indices, expected, "snapshot of {index} in term {term}");
        assert_eq!(recovered.entries.last(), Some(&entry(next, 3)));
        assert_eq!(recovered.snapshot.unwrap().mark().term, Term(term));
    }
}

/// A truncation in a late segment takes what an early one holds. Once the early one is deleted, what it cut is not there to be cut.
#[test]
fn a_truncation_reaches_over_segments_and_outlives_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(dir.path());
    storage.persist(None, &[append(1, 1), append(2, 1)]).unwrap();
    storage.persist(None, &appends(3..=12)).unwrap();
    let replaced = vec![LogWrite::Truncate { from: LogIndex(2) }, append(2, 2), append(3, 2)];
    storage.persist(None, &replaced).unwrap();
    assert!(segment_paths(dir.path()).len() >= 3);
    storage.save_snapshot(LogIndex(2), Term(2), b"", b"").unwrap();
    storage.compact(LogIndex(3)).unwrap();
    drop(storage);
    let (_, recovered) = open(dir.path());
    assert!(!segment_paths(dir.path())[0].ends_with("00000000000000000001.wal"));
    assert_eq!(recovered.entries.last(), Some(&entry(3, 2)));
    assert!(recovered.entries.iter().all(|entry| entry.term == Term(2)), "{recovered:?}");
}

#[test]
fn a_snapshot_of_several_chunks_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let metadata = vec![7; 1_100_000];
    let (mut storage, _) = open(dir.path());
    storage.save_snapshot(LogIndex(3), Term(1), &metadata, &data).unwrap();
    drop(storage);
    let snapshot = open(dir.path()).1.snapshot.unwrap();
    assert!(snapshot.data == data && snapshot.metadata == metadata);
}

#[test]
fn a_directory_has_one_owner_and_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let (storage, _) = open(dir.path());
    let error = Storage::open(dir.path(), N1).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    let error = inspect(dir.path()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    drop(storage);
    let error = Storage::open(dir.path(), NodeId(2)).unwrap_err();
    assert!(error.to_string().contains("belongs to node n1, not to n2"), "{error}");
}

#[test]
fn syncs_are_timed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(dir.path());
    assert_eq!(storage.sync_times().figures().count, 0);
    storage.persist(None, &[append(1, 1)]).unwrap();
    storage.persist(None, &[]).unwrap();
    let figures = storage.sync_times().figures();
    assert_eq!(figures.count, 1, "one sync a batch, none for nothing");
    assert!(figures.p99_us <= figures.max_us && figures.last_us == figures.max_us);
}

#[test]
fn an_inspection_tells_what_is_there_and_changes_nothing() {
    let (dir, files) = small_log_directory();
    let inspection = inspect(dir.path()).unwrap().unwrap();
    assert!(inspection.sound && inspection.damage.is_none() && inspection.torn_tail.is_none());
    assert_eq!(
        (inspection.node, inspection.term, inspection.vote),
        (Some(N1), Term(2), Some(NodeId(2)))
    );
    let log = inspection.log.unwrap();
    assert_eq!((log.first_index, log.last_index), (LogIndex(1), LogIndex(9)));
    assert_eq!((log.first_term, log.last_term), (Term(1), Term(2)));
    assert_eq!(inspection.snapshot.unwrap().index, LogIndex(4));
    assert_eq!(inspection.watermark.unwrap().position, end(dir.path()));
    assert_eq!(inspection.segments.len(), segment_paths(dir.path()).len());
    assert_eq!(contents(dir.path()), files);
    let empty = tempfile::tempdir().unwrap();
    assert!(inspect(empty.path()).unwrap().is_none());
    assert!(inspect(&empty.path().join("nowhere")).is_err());
}

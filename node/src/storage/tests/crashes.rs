//! The states between two steps of a change: whatever was acknowledged is there, and the directory can be written to again.

use super::*;

/// Opens, checks the log, writes one more entry and reads it back.
fn check_goes_on(dir: &Path, entries: &[Entry], what: &str) -> Recovered {
    let (mut storage, recovered) = open(dir);
    assert_eq!(recovered.entries, entries, "{what}");
    let next = entries.last().map_or(1, |last| last.index.0 + 1);
    storage.persist(None, &[append(next, 9)]).unwrap();
    drop(storage);
    assert_eq!(open(dir).1.entries.last(), Some(&entry(next, 9)), "{what}");
    let leftovers = files::list(dir).unwrap().into_iter().filter(|path| files::is_temporary(path));
    assert_eq!(leftovers.count(), 0, "{what}");
    recovered
}

/// The directory before and after one more batch: the last segment and the watermark differ.
fn one_more_batch(batch: Vec<LogWrite>) -> (TempDir, Vec<(PathBuf, Vec<u8>)>, PathBuf, usize) {
    let dir = tempfile::tempdir().unwrap();
    let (mut storage, _) = Storage::open(dir.path(), N1).unwrap();
    let log: Vec<_> = small_log().into_iter().map(LogWrite::Append).collect();
    storage.persist(None, &log).unwrap();
    let watermark = std::fs::read(dir.path().join(watermark::FILE_NAME)).unwrap();
    let began = end(dir.path()).offset as usize;
    storage.persist(None, &batch).unwrap();
    drop(storage);
    std::fs::write(dir.path().join(watermark::FILE_NAME), watermark).unwrap();
    let files = contents(dir.path());
    let path = segment_paths(dir.path()).pop().unwrap();
    (dir, files, path, began)
}

/// A process that dies in the middle of a write: any part of it may be there, and no more than it is lost.
#[test]
fn a_write_torn_at_any_byte_is_cut_off() {
    let (dir, files, path, began) = one_more_batch(vec![append(10, 2), append(11, 2)]);
    let content = std::fs::read(&path).unwrap();
    let frames: Vec<_> = frames(&content).into_iter().filter(|(at, ..)| *at >= began).collect();
    let [(_, first, true), (second, second_bytes, false)] = frames[..] else {
        panic!("{frames:?}")
    };
    for cut in began..second + second_bytes {
        restore(dir.path(), &files);
        let mut torn = content.clone();
        torn[cut..].fill(0);
        std::fs::write(&path, torn).unwrap();
        let mut expected = small_log();
        if cut >= began + first {
            expected.push(entry(10, 2));
        }
        let recovered = check_goes_on(dir.path(), &expected, &format!("torn at {cut}"));
        let whole = cut == began || cut == began + first;
        // The frame's last bytes may be zeros: then nothing of it is missing.
        assert!(whole || recovered.torn_tail.is_some(), "torn at {cut}");
    }
}

/// The pages of one write reach the disk in any order. What is behind the hole was never acknowledged.
#[test]
fn a_hole_in_the_last_write_is_torn_and_in_the_one_before_it_is_damage() {
    let (dir, files, path, began) = one_more_batch(vec![append(10, 2), append(11, 2)]);
    let content = std::fs::read(&path).unwrap();
    let mut hole = content.clone();
    hole[began..began + 30].fill(0);
    std::fs::write(&path, &hole).unwrap();
    let recovered = check_goes_on(dir.path(), &small_log(), "a hole");
    assert!(recovered.torn_tail.is_some());

    restore(dir.path(), &files);
    let lagging = std::fs::read(dir.path().join(watermark::FILE_NAME)).unwrap();
    let (mut storage, _) = Storage::open(dir.path(), N1).unwrap();
    // Its vote for n1 ends in zeros, as what is allocated ahead does.
    let hard_state = HardState { term: Term(3), vote: Some(N1) };
    storage.persist(Some(hard_state), &[]).unwrap();
    drop(storage);
    let mut hole = std::fs::read(&path).unwrap();
    hole[began..began + 30].fill(0);
    std::fs::write(&path, &hole).unwrap();
    std::fs::write(dir.path().join(watermark::FILE_NAME), lagging).unwrap();
    let damage = open_damaged(dir.path()).damage;
    assert_eq!(damage.reason, "a frame is unreadable, and a later write follows it");
}

#[test]
fn a_crash_while_the_directory_is_made_leaves_an_empty_one() {
    let made = tempfile::tempdir().unwrap();
    drop(open(made.path()));
    let files = contents(made.path());
    let find = |name: &str| files.iter().find(|(path, _)| path.ends_with(name)).unwrap().1.clone();
    let (lock, segment) = (find(LOCK), find("00000000000000000001.wal"));
    let fresh = tempfile::tempdir().unwrap();
    WatermarkFile::create(fresh.path()).unwrap();
    let watermark = std::fs::read(fresh.path().join(watermark::FILE_NAME)).unwrap();

    let named = |name: &str, content: &[u8]| (PathBuf::from(name), content.to_vec());
    let lock = named(LOCK, &lock);
    let states = [
        vec![],
        vec![lock.clone()],
        vec![lock.clone(), named("watermark.tmp", &watermark[..100])],
        vec![lock.clone(), named("watermark", &watermark)],
        vec![
            lock.clone(),
            named("watermark", &watermark),
            named("00000000000000000001.wal.tmp", &segment[..50]),
        ],
        vec![lock, named("watermark", &watermark), named("00000000000000000001.wal", &segment)],
    ];
    for (place, state) in states.iter().enumerate() {
        restore(made.path(), state);
        check_goes_on(made.path(), &[], &format!("state {place}"));
    }
}

#[test]
fn a_crash_while_a_segment_is_begun_loses_nothing() {
    // The batch that needs the new segment is not acknowledged in any of these states.
    let (dir, before) = small_log_directory();
    let old = segment_paths(dir.path());
    let (mut storage, _) = open(dir.path());
    storage.begin_segment().unwrap();
    drop(storage);
    let new = segment_paths(dir.path()).pop().unwrap();
    assert!(!old.contains(&new));
    let content = std::fs::read(&new).unwrap();
    for cut in [0, 1, segment::HEADER_BYTES, content.len()] {
        restore(dir.path(), &before);
        std::fs::write(new.with_added_extension("tmp"), &content[..cut]).unwrap();
        check_goes_on(dir.path(), &small_log(), &format!("temporary of {cut} bytes"));
    }
    restore(dir.path(), &before);
    std::fs::write(&new, &content).unwrap();
    let recovered = check_goes_on(dir.path(), &small_log(), "named, the watermark behind");
    assert_eq!(recovered.hard_state, hard_state(2));
}

#[test]
fn a_crash_while_a_snapshot_is_saved_leaves_the_old_or_the_new_one() {
    let (dir, before) = small_log_directory();
    // Within the log, at its end, and beyond it, where it replaces the log.
    for (index, term) in [(6, 2), (9, 2), (30, 5)] {
        restore(dir.path(), &before);
        let (mut storage, _) = open(dir.path());
        storage.save_snapshot(LogIndex(index), Term(term), b"m", b"new").unwrap();
        drop(storage);
        let path = files::numbered(dir.path(), index, snapshot::EXTENSION);
        let content = std::fs::read(&path).unwrap();
        let after = contents(dir.path());

        for cut in [0, 20, content.len()] {
            restore(dir.path(), &before);
            std::fs::write(path.with_added_extension("tmp"), &content[..cut]).unwrap();
            let recovered = check_goes_on(dir.path(), &small_log(), "before the rename");
            assert_eq!(recovered.snapshot.unwrap().index, LogIndex(4));
        }
        let behind = if index == 30 { vec![] } else { small_log() };
        let next = if index == 30 { 31 } else { 10 };
        let old =
            before.iter().find(|(path, _)| files::number(path, snapshot::EXTENSION) == Some(4));
        for (base, what) in [(&before, "named, not marked"), (&after, "the old one not removed")] {
            restore(dir.path(), base);
            std::fs::write(&path, &content).unwrap();
            let (old_path, old_content) = old.unwrap();
            std::fs::write(old_path, old_content).unwrap();
            let (mut storage, recovered) = open(dir.path());
            assert_eq!(recovered.snapshot.as_ref().unwrap().data, b"new", "{what}");
            assert_eq!(recovered.entries, behind, "{what}");
            assert!(!old_path.exists(), "{what}");
            storage.persist(None, &[append(next, 9)]).unwrap();
            drop(storage);
            let again = open(dir.path()).1;
            assert_eq!(again.snapshot, recovered.snapshot, "{what}");
            assert_eq!(again.entries.last(), Some(&entry(next, 9)), "{what}");
        }
    }
}

#[test]
fn a_crash_in_the_middle_of_a_compaction_loses_nothing_that_is_needed() {
    let (dir, before) = small_log_directory();
    let (mut storage, _) = open(dir.path());
    storage.save_snapshot(LogIndex(9), Term(2), b"", b"").unwrap();
    drop(storage);
    let saved = contents(dir.path());
    let segments = segment_paths(dir.path());
    assert!(saved.len() >= before.len() && segments.len() >= 4);
    for removed in 0..segments.len() {
        restore(dir.path(), &saved);
        for path in &segments[..removed] {
            std::fs::remove_file(path).unwrap();
        }
        let (mut storage, recovered) = open(dir.path());
        assert_eq!(recovered.snapshot.unwrap().index, LogIndex(9));
        assert_eq!(recovered.hard_state, hard_state(2), "{removed} removed");
        storage.persist(None, &[append(10, 9)]).unwrap();
        drop(storage);
        assert_eq!(open(dir.path()).1.entries.last(), Some(&entry(10, 9)), "{removed} removed");
    }
}

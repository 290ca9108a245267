//! Damaged directories that are set aside, and what takes their place.

use super::*;

/// The last entry that the small log has promised.
const PROMISED: Option<LogIndex> = Some(LogIndex(9));

/// A directory with the small log, in a place where others can stand beside it.
fn place() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("data");
    write_small_log(&dir);
    (place, dir)
}

fn repair(dir: &Path) -> (Storage, Recovered, Option<Repair>) {
    Storage::open_or_repair(dir, N1, SMALL).unwrap()
}

fn flip(path: &Path, at: usize) {
    let byte = std::fs::read(path).unwrap()[at];
    overwrite(path, at, byte ^ 1);
}

/// The first byte of the first frame of the first segment.
fn flip_first_frame(dir: &Path) {
    flip(&segment_paths(dir)[0], segment::HEADER_BYTES);
}

fn without_lock(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let name = |path: PathBuf| PathBuf::from(path.file_name().unwrap());
    let files = contents(dir).into_iter().map(|(path, bytes)| (name(path), bytes));
    files.filter(|(name, _)| name != Path::new(LOCK)).collect()
}

#[test]
fn wherever_a_log_is_damaged_what_is_before_it_is_kept_and_the_rest_is_known_to_miss() {
    let (place, dir) = place();
    let files = contents(&dir);
    let mut kept = 0;
    for (path, bytes) in files.iter().filter(|(path, _)| is_segment(path)) {
        for at in (0..frames_end(bytes)).step_by(13) {
            restore(&dir, &files);
            flip(path, at);
            let damaged = without_lock(&dir);
            let (storage, recovered, repaired) = repair(&dir);
            let set_aside = repaired.expect("what was synced is damaged").set_aside;
            assert_eq!(without_lock(&set_aside), damaged, "nothing is changed in it");
            assert_eq!(recovered.repairing, PROMISED, "{} at {at}", path.display());
            // Term 2 it certainly was in; who has its vote of it may be lost, and then nobody gets another.
            let HardState { term, vote } = recovered.hard_state;
            assert_eq!((term, vote.is_some()), (Term(2), true));
            assert!(recovered.first_index <= LogIndex(5), "the snapshot of 4 is whole");
            assert_eq!(recovered.snapshot.as_ref().map(|own| own.index), Some(LogIndex(4)));
            for (own, index) in recovered.entries.iter().zip(recovered.first_index.0..) {
                // Entries 6 and 7 were of term 1 before they were replaced.
                assert!(*own == entry(index, own.term.0) && own.term <= Term(2));
            }
            kept += recovered.entries.len();
            drop(storage);
            assert_eq!(open(&dir).1.repairing, PROMISED, "it is not forgotten over a restart");
            std::fs::remove_dir_all(set_aside).unwrap();
        }
    }
    assert!(kept > 0);
    let left = files::list(place.path()).unwrap();
    assert_eq!(left, [dir], "nothing else is left beside it");
}

#[test]
fn a_sound_directory_is_not_repaired() {
    let (place, dir) = place();
    let (_storage, recovered, repaired) = repair(&dir);
    assert_eq!((repaired, recovered.repairing, recovered.entries), (None, None, small_log()));
    assert_eq!(files::list(place.path()).unwrap(), [dir]);
}

#[test]
fn a_repair_ends_once_and_for_all() {
    let (_place, dir) = place();
    flip_first_frame(&dir);
    let (mut storage, recovered, _) = repair(&dir);
    assert_eq!((storage.repairing(), recovered.entries.len()), (PROMISED, 0));
    let missing: Vec<_> = (5..=9).map(|index| append(index, 2)).collect();
    storage.persist(None, &missing).unwrap();
    storage.end_repair().unwrap();
    assert_eq!(storage.repairing(), None);
    drop(storage);
    let (_, recovered) = open(&dir);
    assert_eq!((recovered.repairing, recovered.entries.len()), (None, 5));
}

#[test]
fn a_second_damage_does_not_hide_what_the_first_has_cost() {
    let (place, dir) = place();
    flip_first_frame(&dir);
    drop(repair(&dir));
    // The mark itself is damaged: the watermark knows.
    for (at, bytes, _) in frames(&std::fs::read(&segment_paths(&dir)[0]).unwrap()) {
        flip(&segment_paths(&dir)[0], at + bytes - 1);
    }
    let (_storage, recovered, repaired) = repair(&dir);
    assert_eq!(recovered.repairing, PROMISED);
    assert_eq!(repaired.unwrap().set_aside, place.path().join("data.damaged-2"));
}

#[test]
fn a_repair_outlives_the_segments_in_which_it_began() {
    let (_place, dir) = place();
    flip_first_frame(&dir);
    let (mut storage, ..) = repair(&dir);
    let first = segment_paths(&dir);
    for index in 5..=8 {
        storage.persist(None, &[append(index, 2)]).unwrap();
    }
    let mut many = 8;
    while storage.segment.position().segment < 4 {
        storage.save_snapshot(LogIndex(many), Term(2), b"", b"").unwrap();
        storage.compact(LogIndex(many + 1)).unwrap();
        many += 1;
        storage.persist(None, &[append(many, 2)]).unwrap();
    }
    assert!(first.iter().all(|path| !path.exists()), "the first segment is gone");
    drop(storage);
    assert_eq!(open(&dir).1.repairing, PROMISED);
}

#[test]
fn a_crash_between_the_renames_makes_no_new_node() {
    let (place, dir) = place();
    flip_first_frame(&dir);
    drop(repair(&dir));
    std::fs::rename(&dir, place.path().join("data.rebuilt")).unwrap();
    let (_, recovered) = open(&dir);
    assert_eq!((recovered.repairing, recovered.hard_state.term), (PROMISED, Term(2)));
}

#[test]
fn what_a_crash_left_of_an_earlier_repair_is_not_used() {
    let (place, dir) = place();
    flip_first_frame(&dir);
    let rebuilt = place.path().join("data.rebuilt");
    let (mut storage, _) = open(&rebuilt);
    storage.persist(Some(hard_state(7)), &[append(1, 7)]).unwrap();
    drop(storage);
    let (_storage, recovered, _) = repair(&dir);
    assert_eq!((recovered.hard_state.term, recovered.repairing), (Term(2), PROMISED));
    assert!(!rebuilt.exists());
}

#[test]
fn without_a_watermark_nothing_is_repaired() {
    let (place, dir) = place();
    std::fs::remove_file(dir.join(watermark::FILE_NAME)).unwrap();
    let before = without_lock(&dir);
    let error = Storage::open_or_repair(&dir, N1, SMALL).unwrap_err();
    assert!(matches!(error, Error::Irreparable(_)), "{error}");
    assert_eq!((without_lock(&dir), files::list(place.path()).unwrap()), (before, vec![dir]));
}

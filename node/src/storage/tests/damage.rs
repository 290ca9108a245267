//! Bytes that are not what was written: what was acknowledged is whole, or missed.

use super::*;

/// Reads a directory that something was done to. Returns whether it passes for sound; if so, that nothing is missing or wrong.
fn passes(dir: &Path, what: &str) -> bool {
    let found = recovery::read(dir).unwrap().unwrap();
    let Some(damage) = found.damage.clone() else {
        let recovered = Recovered::from(found);
        assert_eq!(recovered.entries, small_log(), "{what}");
        assert_eq!(recovered.hard_state, hard_state(2), "{what}");
        assert_eq!(recovered.snapshot.unwrap().data, b"the state after 4", "{what}");
        return true;
    };
    check_salvaged(&Salvaged::new(damage, found), what);
    false
}

/// What is said to be readable is a prefix of what was in the log at some time, and the rest is known of.
fn check_salvaged(salvaged: &Salvaged, what: &str) {
    let replaced = [entry(6, 1), entry(7, 1)];
    for entry in &salvaged.readable.entries {
        assert!(small_log().contains(entry) || replaced.contains(entry), "{what}: {entry:?}");
    }
    let indices = salvaged.readable.entries.iter().map(|entry| entry.index.0);
    assert!(indices.eq(1..=salvaged.readable.entries.len() as u64), "{what}: a gap");
    assert!(salvaged.last_index_seen >= LogIndex(9), "{what}: {}", salvaged.last_index_seen);
    assert!(salvaged.term_seen >= Term(2), "{what}: {}", salvaged.term_seen);
}

#[test]
fn no_flipped_bit_changes_or_loses_anything_silently() {
    let (dir, files) = small_log_directory();
    let last = segment_paths(dir.path()).pop().unwrap();
    for (path, content) in &files {
        let end = if *path == last { end(dir.path()).offset as usize } else { content.len() };
        for bit in 0..content.len() * 8 {
            overwrite(path, bit / 8, content[bit / 8] ^ 1 << (bit % 8));
            let what = format!("bit {bit} of {}", path.display());
            // Zeros behind the end look torn, and one slot of the watermark is enough; all else is noticed.
            let harmless = bit / 8 >= end || path.ends_with(watermark::FILE_NAME);
            assert_eq!(passes(dir.path(), &what), harmless, "{what}");
            overwrite(path, bit / 8, content[bit / 8]);
        }
    }
}

#[test]
fn no_file_cut_anywhere_loses_anything_silently() {
    let (dir, files) = small_log_directory();
    for (path, content) in &files {
        // Zeros behind the frames of a segment are no loss, and one slot of the watermark is enough.
        let used = frames_end(content);
        for cut in 0..content.len() {
            std::fs::write(path, &content[..cut]).unwrap();
            let what = format!("{} cut at {cut}", path.display());
            let harmless = match is_segment(path) {
                true => cut >= used,
                false => path.ends_with(watermark::FILE_NAME) && cut >= 512,
            };
            assert_eq!(passes(dir.path(), &what), harmless, "{what}");
        }
        std::fs::write(path, content).unwrap();
    }
}

#[test]
fn with_a_watermark_that_lags_only_the_last_batch_is_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    write_small_log(dir.path());
    let lagging = {
        let (mut storage, _) = open(dir.path());
        let before = std::fs::read(dir.path().join(watermark::FILE_NAME)).unwrap();
        storage.persist(None, &[append(10, 2)]).unwrap();
        before
    };
    std::fs::write(dir.path().join(watermark::FILE_NAME), lagging).unwrap();
    let files = contents(dir.path());
    let (path, content) = files.iter().rfind(|(path, _)| is_segment(path)).unwrap();
    let (last_frame, bytes, _) = *frames(content).last().unwrap();
    for bit in 0..(last_frame + bytes) * 8 {
        overwrite(path, bit / 8, content[bit / 8] ^ 1 << (bit % 8));
        let found = recovery::read(dir.path()).unwrap().unwrap();
        if bit / 8 < last_frame {
            assert!(found.damage.is_some(), "bit {bit} went unnoticed");
        } else {
            assert_eq!(found.damage, None, "bit {bit}");
            assert_eq!(found.entries, small_log(), "bit {bit}");
            assert_eq!(found.torn_tail.unwrap().offset, last_frame as u64, "bit {bit}");
        }
        overwrite(path, bit / 8, content[bit / 8]);
    }
}

#[test]
fn lost_repeated_and_swapped_frames_are_noticed() {
    let (dir, files) = small_log_directory();
    for (path, content) in files.iter().filter(|(path, _)| is_segment(path)) {
        let frames = frames(content);
        for (place, (at, bytes, _)) in frames.iter().copied().enumerate() {
            let frame = content[at..at + bytes].to_vec();
            let mut lost = content.clone();
            lost.splice(at..at + bytes, []);
            let mut repeated = content.clone();
            repeated.splice(at..at, frame.clone());
            let mut mutants = vec![("lost", lost), ("repeated", repeated)];
            if let Some((next, next_bytes, _)) = frames.get(place + 1).copied() {
                let mut swapped = content.clone();
                let both = [&content[next..next + next_bytes], &frame].concat();
                swapped.splice(at..next + next_bytes, both);
                mutants.push(("swapped", swapped));
            }
            for (what, mutant) in mutants {
                restore(dir.path(), &files);
                std::fs::write(path, mutant).unwrap();
                let what = format!("{what}: the frame at {at} of {}", path.display());
                assert!(!passes(dir.path(), &what), "{what}");
            }
        }
    }
}

/// Bytes of an older file where the log ends, as a file system may show them that lost the newest writes.
#[test]
fn frames_of_another_file_are_never_believed() {
    let (dir, files) = small_log_directory();
    let segments: Vec<_> = files.iter().filter(|(path, _)| is_segment(path)).collect();
    for (target, content) in &segments {
        let end = frames_end(content);
        for (source, stale) in &segments {
            let mut mutant = content[..end].to_vec();
            mutant.extend(&stale[end.min(stale.len())..]);
            let mut appended = content[..end].to_vec();
            appended.extend(&stale[segment::HEADER_BYTES..]);
            for mutant in [mutant, appended] {
                if mutant == *content {
                    continue;
                }
                restore(dir.path(), &files);
                std::fs::write(target, &mutant).unwrap();
                let what = format!("{} behind {}", source.display(), target.display());
                // Without a frame that begins a batch it may pass for a torn write, and is cut off.
                let mut good = frame::good_frames(&mutant[end..]);
                let is_later_write = good.any(|(_, frame)| frame.begins_batch());
                assert!(!passes(dir.path(), &what) || !is_later_write, "{what}");
            }
        }
    }
}

#[test]
fn missing_files_are_noticed() {
    let (dir, files) = small_log_directory();
    for (path, content) in files.iter().filter(|(path, _)| !path.ends_with(LOCK)) {
        std::fs::remove_file(path).unwrap();
        // The snapshot covers what the first segment held, and the second says the rest.
        if path.ends_with("00000000000000000001.wal") {
            assert_eq!(open(dir.path()).1.entries.last(), Some(&entry(9, 2)));
        } else {
            let damage = open_damaged(dir.path()).damage;
            assert_eq!((&damage.path, damage.offset), (path, 0), "{damage}");
            assert!(damage.reason.contains("missing"), "{damage}");
        }
        std::fs::write(path, content).unwrap();
    }
}

#[test]
fn a_log_that_begins_late_needs_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(dir.path());
    storage.persist(None, &appends(1..=5)).unwrap();
    storage.persist(None, &[append(6, 1)]).unwrap();
    drop(storage);
    let segments = segment_paths(dir.path());
    let first_with_entries = 2; // The first was too small for the first batch.
    for path in &segments[..first_with_entries] {
        std::fs::remove_file(path).unwrap();
    }
    let damage = open_damaged(dir.path()).damage;
    assert_eq!(damage.reason, "entries before it are missing, and no snapshot covers them");
    assert_eq!(damage.path, segments[first_with_entries]);
}

#[test]
fn an_old_copy_of_a_file_is_noticed() {
    let (dir, old) = small_log_directory();
    let (mut storage, _) = open(dir.path());
    storage.persist(Some(hard_state(3)), &[append(10, 3)]).unwrap();
    storage.save_snapshot(LogIndex(9), Term(2), b"", b"").unwrap();
    drop(storage);
    let new = contents(dir.path());
    let (last, content) = old.iter().rfind(|(path, _)| is_segment(path)).unwrap();
    assert_ne!(new.iter().find(|(path, _)| path == last).unwrap().1, *content);
    std::fs::write(last, content).unwrap();
    open_damaged(dir.path());
    // And the other way round: an old watermark says nothing wrong, only less.
    restore(dir.path(), &new);
    let (path, content) = old.iter().find(|(path, _)| path.ends_with("watermark")).unwrap();
    std::fs::write(path, content).unwrap();
    assert_eq!(open(dir.path()).1.entries.last(), Some(&entry(10, 3)));
}

/// A log that two incarnations wrote differently from the same point on.
#[test]
fn a_log_of_the_same_length_with_another_end_is_noticed() {
    let (dir, before) = small_log_directory();
    let write = |term| {
        restore(dir.path(), &before);
        let (mut storage, _) = open(dir.path());
        storage.persist(None, &[append(10, term)]).unwrap();
        drop(storage);
        contents(dir.path())
    };
    let (one, other) = (write(2), write(3));
    for (path, content) in other.iter().filter(|(path, _)| is_segment(path)) {
        std::fs::write(path, content).unwrap();
    }
    assert_eq!(open(dir.path()).1.entries.last(), Some(&entry(10, 3)));
    restore(dir.path(), &other);
    for (path, content) in one.iter().filter(|(path, _)| is_segment(path)) {
        std::fs::write(path, content).unwrap();
    }
    let damage = open_damaged(dir.path()).damage;
    assert_eq!(damage.reason, "this is not the log that was synced up to here");
}

#[test]
fn damage_says_which_file_where_and_what() {
    let (dir, _) = small_log_directory();
    let path = segment_paths(dir.path()).remove(1);
    let mut content = std::fs::read(&path).unwrap();
    let (at, ..) = frames(&content)[2];
    content[at + 20] ^= 1;
    std::fs::write(&path, content).unwrap();
    let error = Storage::open(dir.path(), N1).unwrap_err();
    let expected = format!(
        "{} is damaged at byte {at}: a frame is unreadable, and a later segment follows it; \
         the node must not take part with an incomplete log",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    let inspection = inspect(dir.path()).unwrap().unwrap();
    assert!(!inspection.sound);
    assert_eq!(inspection.damage.unwrap().offset, at as u64);
}

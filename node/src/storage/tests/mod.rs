//! Directories as crashes, bad disks and bad luck leave them.
//!
//! One small log, [`write_small_log`], has everything in it: several segments, hard states, a truncation, a snapshot. The tests change its files, or put together
//! the states between two steps of a change, and ask what a node would start with.

mod crashes;
mod damage;
mod limits;
mod normal;
mod repair;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::raft::Payload;

const N1: NodeId = NodeId(1);
/// So small that a few entries fill a segment.
const SMALL: Settings = Settings { segment_bytes_max: 300 };

fn entry(index: u64, term: u64) -> Entry {
    let payload = Payload::Command(vec![index as u8; 20]);
    Entry { index: LogIndex(index), term: Term(term), payload }
}

fn append(index: u64, term: u64) -> LogWrite {
    LogWrite::Append(entry(index, term))
}

/// Of term 1.
fn appends(indices: std::ops::RangeInclusive<u64>) -> Vec<LogWrite> {
    indices.map(|index| append(index, 1)).collect()
}

fn hard_state(term: u64) -> HardState {
    HardState { term: Term(term), vote: Some(NodeId(2)) }
}

fn open(dir: &Path) -> (Storage, Recovered) {
    match open_any(dir) {
        Opened::Sound(storage, recovered) => (*storage, recovered),
        Opened::Damaged(salvaged) => panic!("{}", salvaged.damage),
    }
}

fn open_any(dir: &Path) -> Opened {
    Storage::open_or_salvage(dir, N1, SMALL).unwrap()
}

fn open_damaged(dir: &Path) -> Salvaged {
    match open_any(dir) {
        Opened::Sound(_, recovered) => panic!("passes for sound: {recovered:?}"),
        Opened::Damaged(salvaged) => *salvaged,
    }
}

/// Writes a log of several segments. What is durable at the end: term 2, a snapshot of entry 4, and the entries 1 to 9, of which 6 and 7 replaced others. The
/// last batch is the entries 8 and 9.
fn write_small_log(dir: &Path) {
    let (mut storage, _) = open(dir);
    storage.persist(Some(hard_state(1)), &[append(1, 1)]).unwrap();
    storage.persist(None, &appends(2..=5)).unwrap();
    storage.persist(None, &[append(6, 1), append(7, 1)]).unwrap();
    storage.save_snapshot(LogIndex(4), Term(1), b"voters", b"the state after 4").unwrap();
    let replaced = vec![LogWrite::Truncate { from: LogIndex(6) }, append(6, 2)];
    storage.persist(Some(hard_state(2)), &replaced).unwrap();
    storage.persist(None, &[append(7, 2)]).unwrap();
    storage.persist(None, &[append(8, 2), append(9, 2)]).unwrap();
}

fn small_log() -> Vec<Entry> {
    let terms = [1, 1, 1, 1, 1, 2, 2, 2, 2];
    terms.into_iter().zip(1..).map(|(term, index)| entry(index, term)).collect()
}

/// A directory with the small log in it, and its files.
fn small_log_directory() -> (TempDir, Vec<(PathBuf, Vec<u8>)>) {
    let dir = tempfile::tempdir().unwrap();
    write_small_log(dir.path());
    let files = contents(dir.path());
    (dir, files)
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = files::list(dir).unwrap();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Makes a directory hold just these files.
fn restore(dir: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for path in files::list(dir).unwrap() {
        std::fs::remove_file(path).unwrap();
    }
    for (path, content) in files {
        std::fs::write(dir.join(path.file_name().unwrap()), content).unwrap();
    }
}

/// Changes one byte in place. (To write the whole file anew would make the file system flush it, many thousand times.)
fn overwrite(path: &Path, at: usize, byte: u8) {
    let file = File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[byte], at as u64).unwrap();
}

fn segment_paths(dir: &Path) -> Vec<PathBuf> {
    let paths = files::list(dir).unwrap().into_iter();
    paths.filter(|path| files::number(path, segment::EXTENSION).is_some()).collect()
}

fn is_segment(path: &Path) -> bool {
    files::number(path, segment::EXTENSION).is_some()
}

/// Where the last frame of the log ends.
fn end(dir: &Path) -> Position {
    recovery::read(dir).unwrap().unwrap().end
}

/// Where the last frame of a segment ends.
fn frames_end(segment: &[u8]) -> usize {
    frames(segment).last().map_or(0, |(at, bytes, _)| at + bytes)
}

/// The frames of a segment: where each begins, how long it is, and whether it begins a batch.
fn frames(segment: &[u8]) -> Vec<(usize, usize, bool)> {
    let bytes = segment.get(segment::HEADER_BYTES..).unwrap_or_default();
    frame::good_frames(bytes)
        .map(|(at, frame)| (segment::HEADER_BYTES + at, frame.bytes(), frame.begins_batch()))
        .collect()
}

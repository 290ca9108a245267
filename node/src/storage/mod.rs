//! Durable state: term, vote and log, in one append-only file of checksummed frames (`frame.rs`).
//!
//! A data directory holds `raft.log` and belongs to one process at a time. Every change is appended and
//! synced before anybody hears of it; at start the file is read from the beginning. A node was killed in the middle
//! of a write if the file ends in an incomplete frame: that was never answered for, and is cut off. A bad frame
//! with good ones behind it is damage, and the node refuses to start.

mod frame;

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::frame::Frames;
use crate::raft::{Entry, HardState, LogIndex, LogWrite, NodeId, Term};

/// What can go wrong with a data directory. All of it ends the node: none of it can be retried safely.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another process has the directory.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file is damaged before its end: what was acknowledged may be lost.
    #[error(
        "{} is damaged at byte {offset}: {reason}; the node must not take part with an incomplete log",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the first bad frame begins.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The directory is another node's.
    #[error("{} belongs to node {owner}, not to {id}", path.display())]
    WrongNode {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: NodeId,
        /// Who tried to use it.
        id: NodeId,
    },
}

/// What is written: one record a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Record {
    /// Always first: whose file it is.
    Owner(NodeId),
    HardState {
        term: Term,
        vote: Option<NodeId>,
    },
    Append(Entry),
    Truncate {
        from: LogIndex,
    },
}

/// The durable state as it was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Term and vote.
    pub hard_state: HardState,
    /// The log, from index 1.
    pub entries: Vec<Entry>,
    /// Bytes of an incomplete last write that were cut off.
    pub torn_bytes: u64,
}

/// An open data directory.
#[derive(Debug)]
pub struct Storage {
    file: File,
    path: PathBuf,
    /// Checksum of the last frame; each frame repeats that of the one before it.
    last_checksum: u32,
}

impl Storage {
    /// Opens or creates the data directory of node `id` and reads what is there.
    pub fn open(dir: &Path, id: NodeId) -> Result<(Self, Recovered), Error> {
        std::fs::create_dir_all(dir).map_err(io("create", dir))?;
        let path = dir.join("raft.log");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io("open", &path))?;
        lock(&file, dir)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read", &path))?;
        let (recovered, good_bytes, last_checksum) = recover(&bytes, &path, id)?;
        file.set_len(good_bytes).map_err(io("truncate", &path))?;
        file.seek(SeekFrom::End(0)).map_err(io("seek in", &path))?;
        let mut storage = Self { file, path, last_checksum };
        if good_bytes == 0 {
            storage.write(&[Record::Owner(id)])?;
            let directory = File::open(dir).map_err(io("open", dir))?;
            directory.sync_all().map_err(io("sync", dir))?;
        }
        Ok((storage, recovered))
    }

    /// Makes a step's changes durable: one write, one sync. After an error the node must stop: the page cache no
    /// longer says what is on disk, and a second sync may lie.
    pub fn persist(
        &mut self,
        hard_state: Option<HardState>,
        log: Vec<LogWrite>,
    ) -> Result<(), Error> {
        let hard_state =
            hard_state.map(|HardState { term, vote }| Record::HardState { term, vote });
        let log = log.into_iter().map(|write| match write {
            LogWrite::Truncate { from } => Record::Truncate { from },
            LogWrite::Append(entry) => Record::Append(entry),
        });
        let records: Vec<_> = hard_state.into_iter().chain(log).collect();
        if records.is_empty() { Ok(()) } else { self.write(&records) }
    }

    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for record in records {
            self.last_checksum = frame::encode(record, self.last_checksum, &mut bytes);
        }
        self.file.write_all(&bytes).map_err(io("write", &self.path))?;
        self.file.sync_data().map_err(io("sync", &self.path))
    }
}

/// Two processes on one directory would each undo what the other wrote. The lock goes with the process.
fn lock(file: &File, dir: &Path) -> Result<(), Error> {
    use rustix::fs::FlockOperation;
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => Error::InUse { path: dir.to_path_buf() },
        error => io("lock", dir)(error.into()),
    })
}

/// Replays the frames. Returns the state, how many bytes of the file are good, and the last frame's checksum.
fn recover(bytes: &[u8], path: &Path, id: NodeId) -> Result<(Recovered, u64, u32), Error> {
    let damaged = |offset, reason| Error::Damaged { path: path.to_path_buf(), offset, reason };
    let mut recovered = Recovered::default();
    let mut frames = Frames::new(bytes);
    while let Some(record) = frames.next_record() {
        let offset = frames.offset();
        match record {
            Record::Owner(owner) if owner == id => {}
            Record::Owner(owner) => {
                return Err(Error::WrongNode { path: path.to_path_buf(), owner, id });
            }
            Record::HardState { term, vote } => recovered.hard_state = HardState { term, vote },
            Record::Append(entry) if entry.index.0 == recovered.entries.len() as u64 + 1 => {
                recovered.entries.push(entry);
            }
            Record::Append(_) => return Err(damaged(offset, "a log index is out of order")),
            Record::Truncate { from } => {
                recovered.entries.truncate(from.0.saturating_sub(1) as usize);
            }
        }
    }
    let good_bytes = frames.offset();
    if frames.good_frame_follows() {
        return Err(damaged(good_bytes, "a frame is unreadable, and good ones follow it"));
    }
    recovered.torn_bytes = bytes.len() as u64 - good_bytes;
    Ok((recovered, good_bytes, frames.last_checksum()))
}

fn io<'a>(action: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> Error + 'a {
    move |source| Error::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Payload;

    const N1: NodeId = NodeId(1);

    fn entry(index: u64, term: u64) -> Entry {
        Entry {
            index: LogIndex(index),
            term: Term(term),
            payload: Payload::Command(vec![index as u8; 20]),
        }
    }

    fn hard_state(term: u64) -> HardState {
        HardState { term: Term(term), vote: Some(NodeId(2)) }
    }

    /// Writes record by record; returns the file and, for each record, its end and the state after it.
    fn written(dir: &Path) -> (Vec<u8>, Vec<(usize, Recovered)>) {
        let (mut storage, recovered) = Storage::open(dir, N1).unwrap();
        assert_eq!(recovered, Recovered::default());
        let writes = [
            (Some(hard_state(1)), vec![]),
            (None, vec![LogWrite::Append(entry(1, 1))]),
            (None, vec![LogWrite::Append(entry(2, 1))]),
            (None, vec![LogWrite::Append(entry(3, 1))]),
            (Some(hard_state(2)), vec![]),
            (None, vec![LogWrite::Truncate { from: LogIndex(2) }]),
            (None, vec![LogWrite::Append(entry(2, 2))]),
        ];
        let mut states = vec![(0, Recovered::default())];
        for (hard_state, log) in writes {
            storage.persist(hard_state, log).unwrap();
            let bytes = std::fs::read(dir.join("raft.log")).unwrap();
            let (state, good, _) = recover(&bytes, dir, N1).unwrap();
            assert_eq!(good as usize, bytes.len());
            states.push((bytes.len(), state));
        }
        (std::fs::read(dir.join("raft.log")).unwrap(), states)
    }

    #[test]
    fn what_was_persisted_is_recovered() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        let (_, recovered) = Storage::open(dir.path(), N1).unwrap();
        assert_eq!(recovered.hard_state, hard_state(2));
        assert_eq!(recovered.entries, [entry(1, 1), entry(2, 2)]);
        assert_eq!(recovered.torn_bytes, 0);
    }

    #[test]
    fn a_file_cut_at_any_byte_opens_with_every_record_that_was_complete() {
        let dir = tempfile::tempdir().unwrap();
        let (bytes, states) = written(dir.path());
        for cut in 0..bytes.len() {
            std::fs::write(dir.path().join("raft.log"), &bytes[..cut]).unwrap();
            let (mut storage, recovered) = Storage::open(dir.path(), N1).unwrap();
            let (_, expected) = states.iter().rfind(|(end, _)| *end <= cut).unwrap();
            assert_eq!(recovered.hard_state, expected.hard_state, "cut at {cut}");
            assert_eq!(recovered.entries, expected.entries, "cut at {cut}");
            // It can be written to again.
            let next = entry(recovered.entries.len() as u64 + 1, 9);
            storage.persist(None, vec![LogWrite::Append(next.clone())]).unwrap();
            drop(storage);
            let (_, again) = Storage::open(dir.path(), N1).unwrap();
            assert_eq!(again.entries.last(), Some(&next), "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_is_never_believed() {
        let dir = tempfile::tempdir().unwrap();
        let (bytes, states) = written(dir.path());
        let last_record = states[states.len() - 2].0;
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            match recover(&flipped, dir.path(), N1) {
                Err(Error::Damaged { .. }) => {}
                // Without anything good behind it, damage looks like a torn write: only there may it pass.
                Ok((state, good, _)) => {
                    assert!(at >= last_record, "a flip at byte {at} went unnoticed");
                    assert!(good < bytes.len() as u64);
                    assert_eq!(state.entries, [entry(1, 1)], "a flip at byte {at}");
                }
                Err(other) => panic!("a flip at byte {at}: {other}"),
            }
        }
    }

    #[test]
    fn a_directory_has_one_owner_and_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, _) = Storage::open(dir.path(), N1).unwrap();
        let error = Storage::open(dir.path(), N1).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        drop(storage);
        let error = Storage::open(dir.path(), NodeId(2)).unwrap_err();
        assert!(error.to_string().contains("belongs to node n1, not to n2"), "{error}");
    }
}

//! A data directory described, for `faultline node inspect`.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::Serialize;

use super::error::io;
use super::recovery::{self, Found};
use super::{Damage, Error, LOCK, SegmentSummary, TornTail, Watermark, take_lock};
use crate::raft::{LogIndex, NodeId, Term};

/// What a data directory holds, as far as it is readable.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Where it is.
    pub directory: PathBuf,
    /// Whether a node can start on it. A torn tail does not keep it from that.
    pub sound: bool,
    /// The first thing that is wrong. Everything else then stands for what is before it.
    pub damage: Option<Damage>,
    /// The incomplete last write of a process that died in it.
    pub torn_tail: Option<TornTail>,
    /// Whose it is, where a segment says so.
    pub node: Option<NodeId>,
    /// The node's term.
    pub term: Term,
    /// Its vote in that term.
    pub vote: Option<NodeId>,
    /// The entries that are in effect; nothing if there are none.
    pub log: Option<LogSummary>,
    /// The newest snapshot.
    pub snapshot: Option<SnapshotSummary>,
    /// How far the log may have reached before it was damaged. Until the node has that again it neither votes nor stands.
    pub repairing: Option<LogIndex>,
    /// The segments that were read, oldest first.
    pub segments: Vec<SegmentSummary>,
    /// How far the log had been synced.
    pub watermark: Option<Watermark>,
    /// How many of the two slots of the watermark hold something else. One does no harm.
    pub unreadable_watermark_slots: usize,
    /// Temporary files and outdated snapshots, which the next start removes.
    pub leftovers: Vec<PathBuf>,
}

/// The log in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// Its first index.
    pub first_index: LogIndex,
    /// Its last index.
    pub last_index: LogIndex,
    /// The term of the first entry.
    pub first_term: Term,
    /// The term of the last entry.
    pub last_term: Term,
}

/// A snapshot in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotSummary {
    /// The last entry that it covers.
    pub index: LogIndex,
    /// The term of that entry.
    pub term: Term,
    /// Bytes of its metadata.
    pub metadata_bytes: usize,
    /// Bytes of the state machine.
    pub data_bytes: usize,
}

/// Reads and verifies a data directory without changing anything; nothing if it is none. The directory of a running node is refused: it may change
/// in the middle.
pub fn inspect(dir: &Path) -> Result<Option<Inspection>, Error> {
    let path = dir.join(LOCK);
    let _lock = match File::open(&path) {
        Ok(file) => {
            take_lock(&file, FlockOperation::NonBlockingLockShared, dir)?;
            Some(file)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(io("open", &path)(error)),
    };
    Ok(recovery::read(dir)?.map(|found| Inspection::new(dir, found)))
}

impl Inspection {
    fn new(dir: &Path, mut found: Found) -> Self {
        found.take_unmarked_snapshot();
        let log = found.entries.first().zip(found.entries.last());
        let snapshot = found.snapshot.map(|snapshot| SnapshotSummary {
            index: snapshot.index,
            term: snapshot.term,
            metadata_bytes: snapshot.metadata.len(),
            data_bytes: snapshot.data.len(),
        });
        Self {
            directory: dir.to_path_buf(),
            sound: found.damage.is_none(),
            damage: found.damage,
            torn_tail: found.torn_tail,
            node: found.node,
            term: found.shape.hard_state.term,
            vote: found.shape.hard_state.vote,
            log: log.map(|(first, last)| LogSummary {
                first_index: first.index,
                last_index: last.index,
                first_term: first.term,
                last_term: last.term,
            }),
            snapshot,
            repairing: found.shape.repairing,
            segments: found.segments,
            watermark: found.slots.newest.map(|(_, watermark)| watermark),
            unreadable_watermark_slots: found.slots.unreadable,
            leftovers: found.leftovers,
        }
    }
}

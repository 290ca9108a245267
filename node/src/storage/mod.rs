//! Durable state: term, vote, log and snapshots.
//!
//! A data directory belongs to one process at a time. It holds
//!
//! ```text
//! lock                              held by the process that has the directory open
//! watermark                         how far the log had been synced                         (watermark.rs)
//! 00000000000000000007.wal          a segment of the log, the last is written to            (segment.rs, frame.rs)
//! 00000000000000004711.snapshot     the state machine after entry 4711                      (snapshot.rs)
//! *.tmp                             what was being made when a process died
//! ```
//!
//! Every change of term, vote or log is a frame. The changes of a batch are one write and one sync, and nobody hears of them before; hard state and log are
//! in the same file, so that one sync is enough. At start everything is read and verified (recovery.rs): a write in whose middle the process died is cut off,
//! anything else that is not as it was written is damage, and the node refuses to start, or begins to repair it (repair.rs).
//!
//! What fails to be written is never tried again: the process ends. Only for want of space the caller may go on, as nothing was written then.

mod error;
mod files;
mod frame;
mod inspect;
mod latency;
mod recovery;
mod repair;
mod segment;
mod shape;
mod snapshot;
#[cfg(test)]
mod tests;
mod watermark;

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

pub use self::error::{Damage, Error};
pub use self::frame::SnapshotMark;
pub use self::inspect::{Inspection, LogSummary, SnapshotSummary, inspect};
pub use self::latency::{SyncFigures, SyncTimes};
pub use self::recovery::{SegmentSummary, TornTail};
pub use self::repair::Repair;
pub use self::snapshot::StoredSnapshot;
pub use self::watermark::{Position, Watermark};

use self::error::io;
use self::frame::{Record, encode_batch};
use self::recovery::Found;
use self::segment::Segment;
use self::shape::Shape;
use self::watermark::WatermarkFile;
use crate::raft::{Entry, HardState, LogIndex, LogWrite, NodeId, Term};

/// The file that says by its lock whether somebody has the directory open.
const LOCK: &str = "lock";

/// What can be chosen about a data directory.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How large a segment of the log may grow before the next is begun, in bytes. A single batch may exceed it.
    pub segment_bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { segment_bytes_max: 64 << 20 }
    }
}

/// The durable state as it was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Term and vote.
    pub hard_state: HardState,
    /// The newest snapshot.
    pub snapshot: Option<StoredSnapshot>,
    /// Where the log begins: 1, or at the latest behind the snapshot. Entries that the snapshot covers may still be there.
    pub first_index: LogIndex,
    /// The log, from `first_index` on, without gaps.
    pub entries: Vec<Entry>,
    /// The incomplete last write that was cut off, if there was one.
    pub torn_tail: Option<TornTail>,
    /// How far the log may have reached before it was damaged, as long as [`Storage::end_repair`] was not called.
    pub repairing: Option<LogIndex>,
}

/// What opening a directory gives.
#[derive(Debug)]
pub enum Opened {
    /// Everything that was ever acknowledged is there.
    Sound(Box<Storage>, Recovered),
    /// It is not. Nothing was changed in the directory.
    Damaged(Box<Salvaged>),
}

/// What a damaged directory still tells: for a repair that lets the node take part without a vote until it has everything again.
#[derive(Debug)]
pub struct Salvaged {
    /// The first thing that is wrong.
    pub damage: Damage,
    /// What stands before it. Term and vote may be outdated.
    pub readable: Recovered,
    /// The last entry that anything readable tells of, watermark and frames behind the damage included. After the death of a process no later
    /// one was acknowledged. After a power failure one may have been, as the watermark may lag: who must be sure asks a majority
    /// that does not count this node.
    pub last_index_seen: LogIndex,
    /// The highest term that anything readable tells of, with the same reservation.
    pub term_seen: Term,
}

/// An open data directory.
#[derive(Debug)]
pub struct Storage {
    dir: PathBuf,
    id: NodeId,
    settings: Settings,
    /// Held until the process ends or this is dropped.
    _lock: File,
    segment: Segment,
    /// The checksum of the last frame.
    chain: u32,
    shape: Shape,
    watermark: WatermarkFile,
    sync_times: SyncTimes,
    /// A write failed: what is on disk is not known any more.
    failed: bool,
}

impl Storage {
    /// Opens or creates the data directory of node `id` and reads what is there. Damage is an error.
    pub fn open(dir: &Path, id: NodeId) -> Result<(Self, Recovered), Error> {
        match Self::open_or_salvage(dir, id, Settings::default())? {
            Opened::Sound(storage, recovered) => Ok((*storage, recovered)),
            Opened::Damaged(salvaged) => Err(Error::Damaged(salvaged.damage)),
        }
    }

    /// As [`Self::open`], but damage is a result: who can repair it learns what is left.
    pub fn open_or_salvage(dir: &Path, id: NodeId, settings: Settings) -> Result<Opened, Error> {
        let (lock, found) = find(dir, id)?;
        match found.damage.clone() {
            Some(damage) => Ok(Opened::Damaged(Box::new(Salvaged::new(damage, found)))),
            None => Self::resume(dir, id, settings, lock, found),
        }
    }

    /// Makes a step's changes durable: one write, one sync. After an error other than [`Error::NoSpace`] the node must stop.
    pub fn persist(
        &mut self,
        hard_state: Option<HardState>,
        log: &[LogWrite],
    ) -> Result<(), Error> {
        let log = log.iter().map(|write| match write {
            LogWrite::Truncate { from } => Record::Truncate { from: *from },
            LogWrite::Append(entry) => Record::Entry(Cow::Borrowed(entry)),
        });
        let records: Vec<_> = hard_state.map(Record::HardState).into_iter().chain(log).collect();
        if records.is_empty() { Ok(()) } else { self.change(|storage| storage.append(&records)) }
    }

    /// Saves the state machine as it was after the entry at `index`, which must not lie before the newest snapshot. If the log has that entry, of that term, it
    /// stays as it is; otherwise the snapshot replaces it, and the next entry is the one behind `index`. For want of space nothing happens,
    /// or the snapshot is there but not in effect until it is saved again or the node restarted.
    pub fn save_snapshot(
        &mut self,
        index: LogIndex,
        term: Term,
        metadata: &[u8],
        data: &[u8],
    ) -> Result<(), Error> {
        let mark = SnapshotMark { index, term };
        let older = self.shape.snapshot;
        self.change(|storage| {
            snapshot::save(&storage.dir, mark, metadata, data)?;
            storage.append(&[storage.shape.snapshot_record(mark)])?;
            storage.watermark.sync()?;
            match older {
                Some(older) if older.index < index => snapshot::remove(&storage.dir, older),
                _ => Ok(()),
            }
        })
    }

    /// Deletes the segments that hold nothing from `keep_from` on. The snapshot must cover everything before it; what the caller keeps of
    /// that serves nodes that lag a little.
    pub fn compact(&mut self, keep_from: LogIndex) -> Result<(), Error> {
        let covered = self.shape.snapshot.map_or(LogIndex(0), |snapshot| snapshot.index);
        assert!(keep_from <= covered.next(), "only what a snapshot covers may go");
        self.change(|storage| {
            let segments = storage.shape.drop_segments(keep_from);
            // From the oldest on: whatever is left after a crash has no gap.
            for number in &segments {
                files::remove(&files::numbered(&storage.dir, *number, segment::EXTENSION))?;
            }
            if segments.is_empty() { Ok(()) } else { files::sync_directory(&storage.dir) }
        })
    }

    /// How far the log may have reached before it was damaged, until everything is there again.
    pub fn repairing(&self) -> Option<LogIndex> {
        self.shape.repairing
    }

    /// Everything that was lost is there again.
    pub fn end_repair(&mut self) -> Result<(), Error> {
        self.change(|storage| storage.append(&[Record::Repair { up_to: None }]))
    }

    /// How long syncs of the log have taken since it was opened.
    pub fn sync_times(&self) -> &SyncTimes {
        &self.sync_times
    }

    /// Goes on where a sound directory ends, and finishes what the process before this one was killed in.
    fn resume(
        dir: &Path,
        id: NodeId,
        settings: Settings,
        lock: File,
        found: Found,
    ) -> Result<Opened, Error> {
        let bytes_max = settings.segment_bytes_max;
        for path in &found.leftovers {
            files::remove(path)?;
        }
        // The process before may have died between a rename and this: what is built on a file must not outlive its name.
        files::sync_directory(dir)?;
        let (sequence, _) = found.slots.newest.expect("a sound directory has a watermark");
        let mut shape = found.shape.clone();
        let (segment, chain) = if found.end.segment == 0 {
            Segment::create(dir, (id, 1), (&mut shape, 0), bytes_max)?
        } else {
            (Segment::open(dir, found.end, bytes_max)?, found.chain)
        };
        let mut storage = Self {
            dir: dir.to_path_buf(),
            id,
            settings,
            _lock: lock,
            segment,
            chain,
            shape,
            watermark: WatermarkFile::open(dir, sequence)?,
            sync_times: SyncTimes::default(),
            failed: false,
        };
        if let Some(record) = &found.unmarked_snapshot {
            storage.append(std::slice::from_ref(record))?;
        }
        storage.write_watermark()?;
        storage.watermark.sync()?;
        Ok(Opened::Sound(Box::new(storage), found.into()))
    }

    /// Carries out a change. One that failed is the last: see [`Error`].
    fn change(&mut self, change: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Failed { path: self.dir.clone() });
        }
        let result = change(self);
        self.failed = matches!(&result, Err(error) if !matches!(error, Error::NoSpace { .. }));
        result
    }

    fn append(&mut self, records: &[Record<'_>]) -> Result<(), Error> {
        let (mut bytes, mut chain) = encode_batch(records, self.chain);
        if !self.segment.has_room(bytes.len()) {
            self.begin_segment()?;
            (bytes, chain) = encode_batch(records, self.chain);
        }
        let mut shape = self.shape.clone();
        for record in records {
            let applied = shape.apply(record);
            assert_eq!(applied, Ok(()), "only what can be read back is written: {record:?}");
        }
        let took = self.segment.append(&bytes)?;
        self.sync_times.record(took);
        (self.chain, self.shape) = (chain, shape);
        self.write_watermark()
    }

    fn begin_segment(&mut self) -> Result<(), Error> {
        let number = self.segment.position().segment + 1;
        let (id, bytes_max) = (self.id, self.settings.segment_bytes_max);
        (self.segment, self.chain) =
            Segment::create(&self.dir, (id, number), (&mut self.shape, self.chain), bytes_max)?;
        self.write_watermark()?;
        self.watermark.sync()
    }

    fn write_watermark(&mut self) -> Result<(), Error> {
        self.watermark.write(&Watermark {
            position: self.segment.position(),
            chain: self.chain,
            last_index: self.shape.last_promised(),
            term: self.shape.hard_state.term,
        })
    }
}

impl Salvaged {
    fn new(damage: Damage, found: Found) -> Self {
        let (last_index_seen, term_seen) = (found.claims.last_index, found.claims.term);
        Self { damage, readable: found.into(), last_index_seen, term_seen }
    }
}

impl From<Found> for Recovered {
    fn from(mut found: Found) -> Self {
        found.take_unmarked_snapshot();
        Self {
            hard_state: found.shape.hard_state,
            snapshot: found.snapshot,
            first_index: found.shape.first(),
            entries: found.entries,
            torn_tail: found.torn_tail,
            repairing: found.shape.repairing,
        }
    }
}

/// Locks a directory, which may be new, and reads what is there.
fn find(dir: &Path, id: NodeId) -> Result<(File, Found), Error> {
    repair::finish(dir)?;
    create_directory(dir)?;
    let lock = lock(dir)?;
    let found = match recovery::read(dir)? {
        Some(found) => found,
        None => {
            WatermarkFile::create(dir)?;
            recovery::read(dir)?.expect("the watermark is there")
        }
    };
    match found.node.filter(|owner| *owner != id) {
        Some(owner) => Err(Error::WrongNode { path: dir.to_path_buf(), owner, id }),
        None => Ok((lock, found)),
    }
}

/// Creates the directory, so that it is there after a power failure too.
fn create_directory(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(dir).map_err(io("create", dir))?;
    files::sync_directory(files::parent(dir))
}

/// Two processes on one directory would each undo what the other wrote. The lock goes with the process.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(LOCK);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io("open", &path))?;
    take_lock(&file, FlockOperation::NonBlockingLockExclusive, dir)?;
    Ok(file)
}

fn take_lock(file: &File, operation: FlockOperation, dir: &Path) -> Result<(), Error> {
    rustix::fs::flock(file, operation).map_err(|error| match error {
        Errno::WOULDBLOCK => Error::InUse { path: dir.to_path_buf() },
        error => io("lock", dir)(error.into()),
    })
}

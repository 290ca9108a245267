//! Segments: the files of the log, numbered from 1.
//!
//! ```text
//! magic 8 · version u32 · node u32 · segment u64 · first_index u64 · previous u32 · checksum u32        (little-endian, then frames, then zeros)
//! ```
//!
//! A segment begins where the one before ended: `first_index` is where the next entry would go, `previous` is the checksum of the last
//! frame, from which the chain goes on. Right behind the header stand the hard state, the mark of the newest snapshot and that of a repair once more, so that older
//! segments can be deleted. A segment gets its name when all that is durable; one with a bad header is therefore damaged, not young.
//!
//! Space is allocated ahead, so that a sync need not write the file's size too. What is allocated doubles with what is used, up to the size of a segment:
//! the node of a short run leaves a small directory. The zeros ahead are the end of the log; segments are never used again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::error::{Error, io, io_or_no_space};
use super::files;
use super::frame::{Record, encode_batch};
use super::shape::Shape;
use super::watermark::Position;
use crate::raft::{LogIndex, NodeId};

pub(super) const EXTENSION: &str = "wal";
/// Where the first frame begins.
pub(super) const HEADER_BYTES: usize = 40;
const MAGIC: [u8; 8] = *b"FLTWAL\r\n";
const VERSION: u32 = 1;
/// The least that is allocated.
const ALLOCATED_BYTES_MIN: u64 = 64 << 10;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) node: NodeId,
    pub(super) segment: u64,
    pub(super) first_index: LogIndex,
    /// The checksum of the last frame before it.
    pub(super) previous: u32,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.node.0.to_le_bytes());
        bytes.extend(self.segment.to_le_bytes());
        bytes.extend(self.first_index.0.to_le_bytes());
        bytes.extend(self.previous.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// The header at the beginning of a file, or what is wrong with it.
    pub(super) fn decode(file: &[u8]) -> Result<Self, &'static str> {
        let header: &[u8; HEADER_BYTES] = file.first_chunk().ok_or("the header is cut off")?;
        let half = |at: usize| u32::from_le_bytes(*header[at..].first_chunk().expect("within 40"));
        let word = |at: usize| u64::from_le_bytes(*header[at..].first_chunk().expect("within 40"));
        if !header.starts_with(&MAGIC) || crc32fast::hash(&header[..36]) != half(36) {
            return Err("the header is unreadable");
        }
        if half(8) != VERSION {
            return Err("it was written by a version of another format");
        }
        Ok(Self {
            node: NodeId(half(12)),
            segment: word(16),
            first_index: LogIndex(word(24)),
            previous: half(32),
        })
    }
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    number: u64,
    /// Where the next frame goes, in bytes.
    end: u64,
    /// How long the file is; zeros from `end` on.
    allocated: u64,
    /// How large a segment may grow.
    bytes_max: u64,
}

impl Segment {
    /// Makes the segment that goes on with `shape` behind the frame with checksum `previous`, and enters it in `shape`; returns the new end of the chain too.
    pub(super) fn create(
        dir: &Path,
        (node, number): (NodeId, u64),
        (shape, previous): (&mut Shape, u32),
        bytes_max: u64,
    ) -> Result<(Self, u32), Error> {
        let mut records = vec![Record::HardState(shape.hard_state)];
        records.extend(shape.snapshot.map(|mark| shape.snapshot_record(mark)));
        records.extend(shape.repairing.map(|up_to| Record::Repair { up_to: Some(up_to) }));
        let header = Header { node, segment: number, first_index: shape.next(), previous };
        let (frames, chain) = encode_batch(&records, previous);
        let content = [header.encode(), frames].concat();
        let path = files::numbered(dir, number, EXTENSION);
        let end = content.len() as u64;
        let mut allocated = 0;
        let file = files::create_durably(&path, |file| {
            allocated = allocate(file, 0, end, bytes_max)?;
            file.write_all_at(&content, 0)
        })?;
        shape.begin_segment(number);
        Ok((Self { file, path, number, end, allocated, bytes_max }, chain))
    }

    /// Opens the last segment for writing at `end`. What stands behind it is cut off, what stands before it is made durable: the process that wrote
    /// it may have died before its sync.
    pub(super) fn open(dir: &Path, end: Position, bytes_max: u64) -> Result<Self, Error> {
        let path = files::numbered(dir, end.segment, EXTENSION);
        let file = File::options().write(true).open(&path).map_err(io("open", &path))?;
        file.set_len(end.offset).map_err(io("truncate", &path))?;
        file.sync_all().map_err(io("sync", &path))?;
        Ok(Self {
            file,
            path,
            number: end.segment,
            end: end.offset,
            allocated: end.offset,
            bytes_max,
        })
    }

    pub(super) fn position(&self) -> Position {
        Position { segment: self.number, offset: self.end }
    }

    /// Whether so many more bytes keep it within its size. A batch that is larger than that gets a segment that is.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.end + bytes as u64 <= self.bytes_max
    }

    /// Writes and syncs `bytes`; returns how long the sync took.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<Duration, Error> {
        let end = self.end + bytes.len() as u64;
        self.allocated = allocate(&self.file, self.allocated, end, self.bytes_max)
            .map_err(io_or_no_space("grow", &self.path))?;
        self.write(bytes)?;
        let began = Instant::now();
        self.file.sync_data().map_err(io("sync", &self.path))?;
        self.end = end;
        self.allocated = self.allocated.max(end);
        Ok(began.elapsed())
    }

    /// Where space is not allocated ahead, a write may find none, in the middle. Then what was written of it is cut off again.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let error = match self.file.write_all_at(bytes, self.end) {
            Ok(()) => return Ok(()),
            Err(error) => io_or_no_space("write", &self.path)(error),
        };
        if matches!(error, Error::NoSpace { .. }) {
            self.file.set_len(self.end).map_err(io("truncate", &self.path))?;
            self.allocated = self.end;
        }
        Err(error)
    }
}

/// Allocates zeros so that `end` lies within the file; returns how long it is now. Some file systems cannot: there the file grows with each write.
fn allocate(file: &File, allocated: u64, end: u64, bytes_max: u64) -> std::io::Result<u64> {
    if end <= allocated {
        return Ok(allocated);
    }
    let wanted = end.next_power_of_two().max(ALLOCATED_BYTES_MIN).min(bytes_max).max(end);
    match rustix::fs::fallocate(file, FallocateFlags::empty(), allocated, wanted - allocated) {
        Ok(()) => Ok(wanted),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(allocated),
        Err(error) => Err(error.into()),
    }
}

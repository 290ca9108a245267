//! The watermark: how far the log had been synced, in a file beside it.
//!
//! A log whose end is missing or unreadable looks the same whether its last write was cut off by a crash, which nobody was told
//! of, or whether the disk lost what had been acknowledged. The watermark tells the two apart: what lies before it was durable. It is written after
//! every sync of the log and before anybody hears of what was synced, so it never says too much.
//!
//! ```text
//! magic 8 · sequence u64 · segment u64 · offset u64 · chain u32 · last_index u64 · term u64 · checksum u32      (a slot; little-endian)
//! ```
//!
//! Two slots of 512 bytes are written in turn: one is whole whatever happens to the other. Its writes are not synced one by one, which would double
//! the cost of every batch. So it is exact when a process dies. After a power failure it may lag by what the kernel had not written back, about half a
//! minute; if then everything from some batch behind it to the end of the log is damaged too, that passes for a torn write. It is synced when a segment or a snapshot is
//! finished.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Error, io};
use super::files;
use crate::raft::{LogIndex, Term};

pub(super) const FILE_NAME: &str = "watermark";
const MAGIC: [u8; 8] = *b"FLTWMRK1";
/// A sector: written whole or not at all.
const SLOT_BYTES: usize = 512;
const CONTENT_BYTES: usize = 56;

/// A place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The segment's number; 0 before there is any.
    pub segment: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// What was durable after a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Watermark {
    /// The end of the last frame.
    pub position: Position,
    /// The checksum of that frame.
    pub chain: u32,
    /// The last entry that may have been acknowledged: the last of the log, unless a repair is to bring back more.
    pub last_index: LogIndex,
    /// The node's term.
    pub term: Term,
}

/// The file as it was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots {
    /// The newest good slot and its sequence number.
    pub(super) newest: Option<(u64, Watermark)>,
    /// How many slots hold something that is no watermark.
    pub(super) unreadable: usize,
}

/// Reads the file; nothing if there is none.
pub(super) fn read(dir: &Path) -> Result<Option<Slots>, Error> {
    let path = dir.join(FILE_NAME);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read", &path)(error)),
    };
    let slots = [0, SLOT_BYTES].map(|at| bytes.get(at..at + SLOT_BYTES).unwrap_or_default());
    let newest = slots.iter().filter_map(|slot| decode(slot)).max_by_key(|(sequence, _)| *sequence);
    let unreadable = slots.iter().filter(|slot| !is_unused(slot) && decode(slot).is_none()).count();
    Ok(Some(Slots { newest, unreadable }))
}

/// The second slot is empty until it is first used.
fn is_unused(slot: &[u8]) -> bool {
    slot.len() == SLOT_BYTES && slot.iter().all(|byte| *byte == 0)
}

/// The file, for writing.
#[derive(Debug)]
pub(super) struct WatermarkFile {
    file: File,
    path: PathBuf,
    /// Of the slot that is written next.
    sequence: u64,
}

impl WatermarkFile {
    /// Makes the file of a new directory, before there is any segment.
    pub(super) fn create(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE_NAME);
        let mut slots = [0; 2 * SLOT_BYTES];
        slots[..CONTENT_BYTES].copy_from_slice(&encode(0, &Watermark::default()));
        let file = files::create_durably(&path, |file| file.write_all_at(&slots, 0))?;
        Ok(Self { file, path, sequence: 1 })
    }

    /// Opens a file whose newest slot has `sequence`.
    pub(super) fn open(dir: &Path, sequence: u64) -> Result<Self, Error> {
        let path = dir.join(FILE_NAME);
        let file = File::options().write(true).open(&path).map_err(io("open", &path))?;
        Ok(Self { file, path, sequence: sequence + 1 })
    }

    /// Remembers what has been synced. It outlives the process from now on, and a power failure from the next [`Self::sync`] on.
    pub(super) fn write(&mut self, watermark: &Watermark) -> Result<(), Error> {
        let at = self.sequence % 2 * SLOT_BYTES as u64;
        let slot = encode(self.sequence, watermark);
        self.file.write_all_at(&slot, at).map_err(io("write", &self.path))?;
        self.sequence += 1;
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(io("sync", &self.path))
    }
}

fn encode(sequence: u64, watermark: &Watermark) -> [u8; CONTENT_BYTES] {
    let Watermark { position, chain, last_index, term } = watermark;
    let mut bytes = Vec::with_capacity(CONTENT_BYTES);
    bytes.extend(MAGIC);
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(position.segment.to_le_bytes());
    bytes.extend(position.offset.to_le_bytes());
    bytes.extend(chain.to_le_bytes());
    bytes.extend(last_index.0.to_le_bytes());
    bytes.extend(term.0.to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes.try_into().expect("the fields are 56 bytes")
}

fn decode(slot: &[u8]) -> Option<(u64, Watermark)> {
    let (content, rest) = slot.split_at_checked(CONTENT_BYTES - 4)?;
    if !content.starts_with(&MAGIC) || crc32fast::hash(content).to_le_bytes() != rest[..4] {
        return None;
    }
    let word = |at: usize| u64::from_le_bytes(*content[at..].first_chunk().expect("within 52"));
    let chain = u32::from_le_bytes(*content[32..].first_chunk().expect("within 52"));
    let watermark = Watermark {
        position: Position { segment: word(16), offset: word(24) },
        chain,
        last_index: LogIndex(word(36)),
        term: Term(word(44)),
    };
    Some((word(8), watermark))
}

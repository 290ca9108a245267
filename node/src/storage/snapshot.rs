//! Snapshots: the state machine as it was after some entry, a file each, named by the entry's index.
//!
//! ```text
//! magic 8 · version u32 · index u64 · term u64 · metadata_bytes u64 · data_bytes u64 · checksum u32      (the header; little-endian)
//! checksum u32 · up to 1 MiB of metadata                                          (chunks, numbered on through both parts)
//! checksum u32 · up to 1 MiB of data
//! SHA-256 of header, metadata and data
//! ```
//!
//! A chunk's checksum covers its number and its bytes, and says where damage is; the hash says that the whole is what was saved. A snapshot gets its name when
//! it is durable, and only then do the entries that it covers go: so one that cannot be read is damage, and the one before it would be no substitute.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::{Damage, Error, io};
use super::files;
use super::frame::SnapshotMark;
use crate::raft::{LogIndex, Term};

pub(super) const EXTENSION: &str = "snapshot";
const MAGIC: [u8; 8] = *b"FLTSNAP\n";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 48;
const CHUNK_BYTES: usize = 1 << 20;

/// A snapshot as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// The last entry that it covers.
    pub index: LogIndex,
    /// The term of that entry.
    pub term: Term,
    /// What the log's keeper wants to know of that moment, such as the membership.
    pub metadata: Vec<u8>,
    /// The state machine.
    pub data: Vec<u8>,
}

impl StoredSnapshot {
    /// Which one it is.
    pub fn mark(&self) -> SnapshotMark {
        SnapshotMark { index: self.index, term: self.term }
    }
}

/// Saves a snapshot: when this returns, it is durable under its name.
pub(super) fn save(
    dir: &Path,
    mark: SnapshotMark,
    metadata: &[u8],
    data: &[u8],
) -> Result<(), Error> {
    let path = files::numbered(dir, mark.index.0, EXTENSION);
    files::create_durably(&path, |file| write(file, mark, metadata, data))?;
    Ok(())
}

fn write(file: &File, mark: SnapshotMark, metadata: &[u8], data: &[u8]) -> std::io::Result<()> {
    let mut out = BufWriter::new(file);
    let header = encode_header(mark, metadata.len() as u64, data.len() as u64);
    out.write_all(&header)?;
    let chunks = metadata.chunks(CHUNK_BYTES).chain(data.chunks(CHUNK_BYTES));
    for (number, chunk) in chunks.enumerate() {
        out.write_all(&checksum(number, chunk).to_le_bytes())?;
        out.write_all(chunk)?;
    }
    out.write_all(&hash(&header, metadata, data))?;
    out.flush()
}

fn encode_header(mark: SnapshotMark, metadata_bytes: u64, data_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    for word in [mark.index.0, mark.term.0, metadata_bytes, data_bytes] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn checksum(number: usize, chunk: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(number as u64).to_le_bytes());
    hasher.update(chunk);
    hasher.finalize()
}

fn hash(header: &[u8], metadata: &[u8], data: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(header).chain_update(metadata).chain_update(data).finalize().into()
}

/// Removes a snapshot that a newer one has replaced.
pub(super) fn remove(dir: &Path, mark: SnapshotMark) -> Result<(), Error> {
    files::remove(&files::numbered(dir, mark.index.0, EXTENSION))
}

/// Reads and verifies a snapshot.
pub(super) fn read(path: &Path, index: u64) -> Result<Result<StoredSnapshot, Damage>, Error> {
    let bytes = std::fs::read(path).map_err(io("read", path))?;
    let damage = |(offset, reason)| Damage { path: path.to_path_buf(), offset, reason };
    Ok(decode(&bytes, index).map_err(damage))
}

/// A snapshot, or where it is damaged and how.
fn decode(bytes: &[u8], index: u64) -> Result<StoredSnapshot, (u64, &'static str)> {
    let (mark, metadata_bytes, data_bytes) = decode_header(bytes).map_err(|reason| (0, reason))?;
    if mark.index.0 != index {
        return Err((0, "it is the snapshot of another index"));
    }
    let mut reader = ChunkReader { bytes, at: HEADER_BYTES, number: 0 };
    let metadata = reader.part(metadata_bytes)?;
    let data = reader.part(data_bytes)?;
    let at = reader.at as u64;
    if bytes[reader.at..] != hash(&bytes[..HEADER_BYTES], &metadata, &data) {
        return Err((at, "the hash of the whole is not that of what is there"));
    }
    Ok(StoredSnapshot { index: mark.index, term: mark.term, metadata, data })
}

fn decode_header(bytes: &[u8]) -> Result<(SnapshotMark, u64, u64), &'static str> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or("the header is cut off")?;
    let half = |at: usize| u32::from_le_bytes(*header[at..].first_chunk().expect("within 48"));
    let word = |at: usize| u64::from_le_bytes(*header[at..].first_chunk().expect("within 48"));
    if !header.starts_with(&MAGIC) || crc32fast::hash(&header[..44]) != half(44) {
        return Err("the header is unreadable");
    }
    if half(8) != VERSION {
        return Err("it was written by a version of another format");
    }
    let mark = SnapshotMark { index: LogIndex(word(12)), term: Term(word(20)) };
    Ok((mark, word(28), word(36)))
}

struct ChunkReader<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
}

impl ChunkReader<'_> {
    /// The next so many bytes of content.
    fn part(&mut self, content_bytes: u64) -> Result<Vec<u8>, (u64, &'static str)> {
        let mut part = Vec::new();
        let mut left = content_bytes;
        while left > 0 {
            let bytes = left.min(CHUNK_BYTES as u64) as usize;
            part.extend(self.chunk(bytes).map_err(|reason| (self.at as u64, reason))?);
            left -= bytes as u64;
            self.at += 4 + bytes;
            self.number += 1;
        }
        Ok(part)
    }

    fn chunk(&self, content_bytes: usize) -> Result<&[u8], &'static str> {
        let chunk = self.bytes.get(self.at..self.at + 4 + content_bytes).ok_or("it is cut off")?;
        let (expected, content) = chunk.split_at(4);
        if checksum(self.number, content).to_le_bytes() != expected {
            return Err("a chunk is unreadable");
        }
        Ok(content)
    }
}

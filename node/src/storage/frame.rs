//! Frames: `length u32 · previous checksum u32 · checksum u32 · record`, little-endian.
//!
//! The checksum (CRC-32) covers length, previous checksum and record, so a frame can be verified alone, and the chain tells
//! lost, repeated and reordered writes.

use super::Record;

const HEADER_BYTES: usize = 12;

/// Appends the frame of `record` to `out`; returns its checksum.
pub(super) fn encode(record: &Record, previous: u32, out: &mut Vec<u8>) -> u32 {
    let payload = postcard::to_stdvec(record).expect("records always serialise");
    let length = u32::try_from(payload.len()).expect("a record is far below 4 GiB");
    let checksum = checksum(length, previous, &payload);
    out.extend(length.to_le_bytes());
    out.extend(previous.to_le_bytes());
    out.extend(checksum.to_le_bytes());
    out.extend(payload);
    checksum
}

fn checksum(length: u32, previous: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&previous.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Reads frames from the beginning, up to the first that is not good.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    offset: usize,
    last_checksum: u32,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, last_checksum: 0 }
    }

    pub(super) fn next_record(&mut self) -> Option<Record> {
        let (record, frame) = decode(&self.bytes[self.offset..])?;
        if frame.previous != self.last_checksum {
            return None;
        }
        self.offset += frame.bytes;
        self.last_checksum = frame.checksum;
        Some(record)
    }

    /// Where the next frame begins, or would.
    pub(super) fn offset(&self) -> u64 {
        self.offset as u64
    }

    pub(super) fn last_checksum(&self) -> u32 {
        self.last_checksum
    }

    /// Whether a good frame begins anywhere from the current position on (here, if it does not fit the chain): then what stands here is not the
    /// incomplete end of the last write.
    pub(super) fn good_frame_follows(&self) -> bool {
        (self.offset..self.bytes.len()).any(|at| decode(&self.bytes[at..]).is_some())
    }
}

struct FrameInfo {
    previous: u32,
    checksum: u32,
    bytes: usize,
}

fn decode(bytes: &[u8]) -> Option<(Record, FrameInfo)> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (length, previous, expected) = (word(0)?, word(4)?, word(8)?);
    let payload = bytes.get(HEADER_BYTES..)?.get(..length as usize)?;
    if payload.is_empty() || checksum(length, previous, payload) != expected {
        return None;
    }
    let record = postcard::from_bytes(payload).ok()?;
    Some((record, FrameInfo { previous, checksum: expected, bytes: HEADER_BYTES + payload.len() }))
}

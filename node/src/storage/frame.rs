//! Frames: one record of the log each, in a chain of checksums.
//!
//! ```text
//! length u32 · checksum u32 · previous u32 · kind u8 · term u64 · index u64 · payload        (little-endian)
//! ```
//!
//! `length` is that of the payload; the checksum (CRC-32) covers everything but itself; `previous` repeats the checksum of the frame before. So a frame can be
//! verified alone, which is how frames are found behind damage, and the chain tells lost, repeated, reordered and stale frames, each of which
//! is good in itself.
//!
//! The highest bit of `kind` marks the first frame of a batch. A batch is synced before the next is begun; so a good first frame behind a bad place proves that
//! the bad place had been durable. Other frames behind it prove nothing: the pages of one unsynced write reach the disk in any order.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::raft::{Entry, HardState, LogIndex, NodeId, Term};

/// Bytes of a frame before its payload.
const HEAD_BYTES: usize = 29;
const CHECKSUM_AT: usize = 4;
const PREVIOUS_AT: usize = 8;
const KIND_AT: usize = 12;

const ENTRY: u8 = 1;
const HARD_STATE: u8 = 2;
const TRUNCATE: u8 = 3;
const SNAPSHOT: u8 = 4;
const REPAIR: u8 = 5;
const BEGINS_BATCH: u8 = 0x80;

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// An entry at the end of the log.
    Entry(Cow<'a, Entry>),
    /// Term and vote from here on.
    HardState(HardState),
    /// The entry at `from` and all after it are gone.
    Truncate { from: LogIndex },
    /// A snapshot is durable. It is of the log's own history, or else the log is gone and begins anew behind it.
    ///
    /// Which of the two is written down, as it cannot be told from a log whose first segments have been deleted.
    Snapshot { mark: SnapshotMark, replaces_log: bool },
    /// From here on the log lacks what may have been acknowledged, up to that entry; or it lacks nothing any more.
    Repair { up_to: Option<LogIndex> },
}

/// Which snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMark {
    /// The last entry that it covers.
    pub index: LogIndex,
    /// The term of that entry.
    pub term: Term,
}

/// Encodes a batch behind a frame with checksum `previous`; returns the bytes and the checksum of the last frame.
pub(super) fn encode_batch(records: &[Record<'_>], previous: u32) -> (Vec<u8>, u32) {
    let mut bytes = Vec::new();
    let mut checksum = previous;
    for (place, record) in records.iter().enumerate() {
        let flags = if place == 0 { BEGINS_BATCH } else { 0 };
        checksum = encode(record, flags, checksum, &mut bytes);
    }
    (bytes, checksum)
}

fn encode(record: &Record<'_>, flags: u8, previous: u32, out: &mut Vec<u8>) -> u32 {
    let (kind, term, index) = match record {
        Record::Entry(entry) => (ENTRY, entry.term, entry.index),
        Record::HardState(state) => (HARD_STATE, state.term, LogIndex(0)),
        Record::Truncate { from } => (TRUNCATE, Term(0), *from),
        Record::Snapshot { mark, .. } => (SNAPSHOT, mark.term, mark.index),
        Record::Repair { up_to } => (REPAIR, Term(0), up_to.unwrap_or_default()),
    };
    let start = out.len();
    out.extend([0; PREVIOUS_AT]); // Length and checksum are known at the end.
    out.extend(previous.to_le_bytes());
    out.push(kind | flags);
    out.extend(term.0.to_le_bytes());
    out.extend(index.0.to_le_bytes());
    match record {
        Record::Entry(entry) => {
            postcard::to_io(&entry.payload, &mut *out).expect("a payload always serialises");
        }
        Record::HardState(HardState { vote: Some(vote), .. }) => out.extend(vote.0.to_le_bytes()),
        Record::Snapshot { replaces_log, .. } => out.push(u8::from(*replaces_log)),
        Record::HardState(_) | Record::Truncate { .. } | Record::Repair { .. } => {}
    }
    let frame = &mut out[start..];
    let length = u32::try_from(frame.len() - HEAD_BYTES).expect("a record is far below 4 GiB");
    frame[..CHECKSUM_AT].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(frame);
    frame[CHECKSUM_AT..PREVIOUS_AT].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

fn checksum(frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[..CHECKSUM_AT]);
    hasher.update(&frame[PREVIOUS_AT..]);
    hasher.finalize()
}

/// A frame with a good checksum. Its record need not make sense, nor be in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes`, if a good one is there. Zeros are none: there is no kind 0.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        let frame = Self { bytes: bytes.get(..HEAD_BYTES.checked_add(length)?)? };
        let known = matches!(frame.kind(), ENTRY | HARD_STATE | TRUNCATE | SNAPSHOT | REPAIR);
        (known && checksum(frame.bytes) == frame.checksum()).then_some(frame)
    }

    pub(super) fn checksum(&self) -> u32 {
        u32::from_le_bytes(self.field(CHECKSUM_AT))
    }

    /// The checksum of the frame before it.
    pub(super) fn previous(&self) -> u32 {
        u32::from_le_bytes(self.field(PREVIOUS_AT))
    }

    pub(super) fn begins_batch(&self) -> bool {
        self.bytes[KIND_AT] & BEGINS_BATCH != 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What it holds; nothing if it was written by a version with other payloads.
    pub(super) fn record(&self) -> Option<Record<'static>> {
        let term = Term(u64::from_le_bytes(self.field(KIND_AT + 1)));
        let index = LogIndex(u64::from_le_bytes(self.field(KIND_AT + 9)));
        let payload = &self.bytes[HEAD_BYTES..];
        Some(match self.kind() {
            ENTRY => {
                let payload = postcard::from_bytes(payload).ok()?;
                Record::Entry(Cow::Owned(Entry { term, index, payload }))
            }
            HARD_STATE => {
                let vote = match payload {
                    [] => None,
                    vote => Some(NodeId(u32::from_le_bytes(vote.try_into().ok()?))),
                };
                Record::HardState(HardState { term, vote })
            }
            TRUNCATE => Record::Truncate { from: index },
            REPAIR => Record::Repair { up_to: (index > LogIndex(0)).then_some(index) },
            _ => {
                let mark = SnapshotMark { index, term };
                Record::Snapshot { mark, replaces_log: *payload.first()? != 0 }
            }
        })
    }

    fn kind(&self) -> u8 {
        self.bytes[KIND_AT] & !BEGINS_BATCH
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.bytes[at..].first_chunk().expect("every frame has a whole head")
    }
}

/// How many bytes there are up to the last that is not zero.
pub(super) fn written_bytes(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Every good frame in `bytes`, wherever it begins, chained or not, with its offset.
pub(super) fn good_frames(bytes: &[u8]) -> impl Iterator<Item = (usize, Frame<'_>)> {
    // None begins in the zeros at the end, but the last one may well end in zeros of its own.
    let end = written_bytes(bytes);
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < end {
            let offset = at;
            if let Some(frame) = Frame::decode(&bytes[offset..]) {
                at += frame.bytes();
                return Some((offset, frame));
            }
            at += 1;
        }
        None
    })
}

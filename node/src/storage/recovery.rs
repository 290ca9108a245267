//! What a data directory holds, read and verified without changing it.
//!
//! Everything is read from the oldest segment on, up to the end of the log or the first thing that is not as it must be. At the end of the last segment three cases are
//! told apart:
//!
//! * zeros: the end;
//! * anything else, at or behind the watermark, and no later batch in it: the write in whose middle the process died, which nobody was told of. That is
//!   the torn tail, and it may be cut off;
//! * all other cases are damage: before the watermark everything had been acknowledged, and a batch is begun only when the one before it is durable.
//!
//! Damage is a finding, not a failure to read: what stands before it, and what can be told about the rest, is returned with it. A node must not go on
//! with that; `faultline node inspect` shows it, and [`Salvaged`](super::Salvaged) is for a repair.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Damage, Error, io};
use super::files;
use super::frame::{Frame, Record, good_frames, written_bytes};
use super::segment::{self, HEADER_BYTES, Header};
use super::shape::Shape;
use super::snapshot::{self, StoredSnapshot};
use super::watermark::{self, Position, Slots, Watermark};
use crate::raft::{Entry, LogIndex, NodeId, Term};

/// The incomplete last write of a process that died in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// Where its first incomplete frame begins.
    pub offset: u64,
    /// How many bytes of it had been written, up to the last that is not zero.
    pub bytes: u64,
}

/// The highest numbers that the directory tells of, in whatever is readable before or behind damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) last_index: LogIndex,
    pub(super) term: Term,
}

/// A segment as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentSummary {
    /// The file's name.
    pub file: PathBuf,
    /// Its size, with what is allocated ahead.
    pub bytes: u64,
    /// How much of it is header and good frames.
    pub used_bytes: u64,
    /// How many good frames, those at its beginning included.
    pub frames: u64,
    /// The lowest and highest index that was appended in it, some of which a later frame may have removed.
    pub indices: Option<(LogIndex, LogIndex)>,
    /// The lowest and highest term of these entries.
    pub terms: Option<(Term, Term)>,
}

/// Everything that a directory holds.
#[derive(Debug)]
pub(super) struct Found {
    /// Whose it is, where a segment says so.
    pub(super) node: Option<NodeId>,
    pub(super) shape: Shape,
    /// The log, from `shape.first()` on.
    pub(super) entries: Vec<Entry>,
    pub(super) snapshot: Option<StoredSnapshot>,
    /// The frame that the log lacks where it does not know the snapshot yet; `shape` and `entries` do not either.
    pub(super) unmarked_snapshot: Option<Record<'static>>,
    pub(super) segments: Vec<SegmentSummary>,
    /// Where the next frame goes; segment 0 if there is none.
    pub(super) end: Position,
    /// The checksum of the last frame.
    pub(super) chain: u32,
    pub(super) slots: Slots,
    pub(super) torn_tail: Option<TornTail>,
    pub(super) damage: Option<Damage>,
    pub(super) claims: Claims,
    /// Temporary files and snapshots older than the newest.
    pub(super) leftovers: Vec<PathBuf>,
}

/// Reads a directory; nothing if no log was ever begun in it.
pub(super) fn read(dir: &Path) -> Result<Option<Found>, Error> {
    let paths = files::list(dir)?;
    let numbered = |extension| -> Vec<(u64, PathBuf)> {
        let numbered = |path: &PathBuf| Some((files::number(path, extension)?, path.clone()));
        paths.iter().filter_map(numbered).collect()
    };
    let (segments, snapshots) = (numbered(segment::EXTENSION), numbered(snapshot::EXTENSION));
    let slots = watermark::read(dir)?;
    if slots.is_none() && segments.is_empty() && snapshots.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(dir, slots);
    reader.read_segments(&segments)?;
    reader.read_snapshot(&snapshots)?;
    let older = snapshots.into_iter().rev().skip(1).map(|(_, path)| path);
    let temporary = paths.into_iter().filter(|path| files::is_temporary(path));
    reader.found.leftovers = temporary.chain(older).collect();
    Ok(Some(reader.finish()))
}

impl Found {
    /// Brings log and snapshot together, as a node that starts here will have them.
    pub(super) fn take_unmarked_snapshot(&mut self) {
        if let Some(record) = self.unmarked_snapshot.take() {
            self.shape.apply(&record).expect("it was tried when it was found");
            self.mirror(record);
        }
    }

    /// Only the first finding counts: what is behind it was read with less to go by.
    fn note(&mut self, damage: Damage) {
        self.damage.get_or_insert(damage);
    }

    /// Does to the entries what `record` did to the shape.
    fn mirror(&mut self, record: Record<'static>) {
        match record {
            Record::Entry(entry) => self.entries.push(entry.into_owned()),
            _ => self.entries.truncate((self.shape.next().0 - self.shape.first().0) as usize),
        }
    }
}

struct Reader<'a> {
    dir: &'a Path,
    watermark: Watermark,
    /// Whether a frame ends just where the watermark says.
    watermark_met: bool,
    found: Found,
}

impl<'a> Reader<'a> {
    fn new(dir: &'a Path, slots: Option<Slots>) -> Self {
        let path = dir.join(watermark::FILE_NAME);
        let damage = |reason| Some(Damage { path, offset: 0, reason });
        let damage = match slots {
            None => damage("the file is missing"),
            Some(Slots { newest: None, .. }) => damage("neither of its slots is readable"),
            Some(_) => None,
        };
        let slots = slots.unwrap_or_default();
        let found = Found {
            node: None,
            shape: Shape::new(LogIndex(1)),
            entries: Vec::new(),
            snapshot: None,
            unmarked_snapshot: None,
            segments: Vec::new(),
            end: Position::default(),
            chain: 0,
            slots,
            torn_tail: None,
            damage,
            claims: Claims::default(),
            leftovers: Vec::new(),
        };
        let watermark = slots.newest.map_or_else(Watermark::default, |(_, watermark)| watermark);
        Self { dir, watermark, watermark_met: false, found }
    }

    fn read_segments(&mut self, segments: &[(u64, PathBuf)]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        // Damage of the watermark alone does not keep the log from being read.
        let mut readable = true;
        for (place, (number, path)) in segments.iter().enumerate() {
            bytes.clear();
            let mut file = File::open(path).map_err(io("open", path))?;
            file.read_to_end(&mut bytes).map_err(io("read", path))?;
            let is_last = place + 1 == segments.len();
            if readable && let Err(damage) = self.read_segment(*number, path, &bytes, is_last) {
                self.found.note(damage);
                readable = false;
            }
            if !readable {
                self.take_claims(&bytes);
            }
        }
        if readable && let Err(damage) = self.check_watermark() {
            self.found.note(damage);
        }
        Ok(())
    }

    fn read_segment(
        &mut self,
        number: u64,
        path: &Path,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<(), Damage> {
        let damage = |at: usize, reason| Damage { path: path.into(), offset: at as u64, reason };
        let header = Header::decode(bytes).map_err(|reason| damage(0, reason))?;
        self.begin_segment(number, path, &header)?;
        let mut summary = SegmentSummary::new(path, bytes.len());
        let read = self.read_frames(bytes, &mut summary);
        self.found.segments.push(summary);
        read.and_then(|()| {
            let end = self.found.end.offset as usize;
            self.read_tail(path, end, &bytes[end..], is_last).map_err(|reason| (end, reason))
        })
        .map_err(|(at, reason)| damage(at, reason))
    }

    /// Checks that a segment goes on where the one before it ended.
    fn begin_segment(&mut self, number: u64, path: &Path, header: &Header) -> Result<(), Damage> {
        let damage = |reason| Err(Damage { path: path.to_path_buf(), offset: 0, reason });
        let found = &mut self.found;
        if header.segment != number {
            return damage("it is another segment than its name says");
        }
        if found.node.is_none() {
            found.node = Some(header.node);
            found.shape = Shape::new(header.first_index);
            found.chain = header.previous;
        } else if number != found.end.segment + 1 {
            let path = files::numbered(self.dir, found.end.segment + 1, segment::EXTENSION);
            return Err(Damage { path, offset: 0, reason: "the segment is missing" });
        } else if header.previous != found.chain || header.first_index != found.shape.next() {
            let path = files::numbered(self.dir, found.end.segment, segment::EXTENSION);
            let reason = "its end is not where the next segment goes on";
            return Err(Damage { path, offset: found.end.offset, reason });
        } else if Some(header.node) != found.node {
            return damage("it is another node's");
        }
        found.shape.begin_segment(number);
        found.end = Position { segment: number, offset: HEADER_BYTES as u64 };
        Ok(())
    }

    fn read_frames(
        &mut self,
        bytes: &[u8],
        summary: &mut SegmentSummary,
    ) -> Result<(), (usize, &'static str)> {
        let mut at = HEADER_BYTES;
        while let Some(frame) = Frame::decode(&bytes[at..]) {
            if frame.previous() != self.found.chain {
                return Err((at, "a frame does not belong behind the one before it"));
            }
            let Some(record) = frame.record() else {
                return Err((at, "a frame holds what this version cannot read"));
            };
            self.found.shape.apply(&record).map_err(|reason| (at, reason))?;
            summary.count(frame.bytes(), &record);
            self.found.mirror(record);
            at += frame.bytes();
            self.found.chain = frame.checksum();
            self.found.end.offset = at as u64;
            if self.found.end == self.watermark.position {
                self.watermark_met = self.found.chain == self.watermark.chain;
            }
        }
        Ok(())
    }

    /// What stands behind the last good frame of a segment.
    fn read_tail(
        &mut self,
        path: &Path,
        end: usize,
        rest: &[u8],
        is_last: bool,
    ) -> Result<(), &'static str> {
        let written = written_bytes(rest);
        if written > 0 && !is_last {
            return Err("a frame is unreadable, and a later segment follows it");
        }
        let Watermark { position, .. } = self.watermark;
        if self.found.end.segment == position.segment && self.found.end < position {
            return Err(if written > 0 {
                "a frame that was durable is unreadable"
            } else {
                "frames that were durable are missing"
            });
        }
        if good_frames(rest).any(|(_, frame)| frame.begins_batch()) {
            return Err("a frame is unreadable, and a later write follows it");
        }
        if written > 0 {
            let (path, offset, bytes) = (path.to_path_buf(), end as u64, written as u64);
            self.found.torn_tail = Some(TornTail { path, offset, bytes });
        }
        Ok(())
    }

    /// The log must reach the watermark and be the one that it was set for.
    fn check_watermark(&self) -> Result<(), Damage> {
        let Watermark { position, .. } = self.watermark;
        let path = files::numbered(self.dir, position.segment, segment::EXTENSION);
        if position.segment > self.found.end.segment {
            return Err(Damage { path, offset: 0, reason: "the segment is missing" });
        }
        let is_here = self.found.segments.iter().any(|segment| path.ends_with(&segment.file));
        if is_here && !self.watermark_met {
            let reason = "this is not the log that was synced up to here";
            return Err(Damage { path, offset: position.offset, reason });
        }
        Ok(())
    }

    fn read_snapshot(&mut self, snapshots: &[(u64, PathBuf)]) -> Result<(), Error> {
        let marked = self.found.shape.snapshot;
        let newest = snapshots.last();
        if let Some(mark) =
            marked.filter(|mark| newest.is_none_or(|(index, _)| mark.index.0 > *index))
        {
            let path = files::numbered(self.dir, mark.index.0, snapshot::EXTENSION);
            let missing = Damage { path, offset: 0, reason: "the snapshot is missing" };
            self.found.note(missing);
        } else if let Some((index, path)) = newest {
            match snapshot::read(path, *index)? {
                Ok(snapshot) => self.take_snapshot(path, snapshot),
                Err(damage) => self.found.note(damage),
            }
        }
        Ok(())
    }

    /// A snapshot that the log does not know yet is one whose saver died before it could say so.
    fn take_snapshot(&mut self, path: &Path, snapshot: StoredSnapshot) {
        let mark = snapshot.mark();
        let known = self.found.shape.snapshot == Some(mark);
        let record = self.found.shape.snapshot_record(mark);
        let applied = match self.found.segments.first() {
            None => Err("there is no log beside it"),
            Some(_) if known => Ok(()),
            Some(_) => self.found.shape.clone().apply(&record),
        };
        match applied {
            Err(reason) => {
                let damage = Damage { path: path.to_path_buf(), offset: 0, reason };
                self.found.note(damage);
            }
            Ok(()) if known => {}
            Ok(()) => self.found.unmarked_snapshot = Some(record),
        }
        self.found.snapshot = Some(snapshot);
    }

    /// What good frames say that are not part of the readable log.
    fn take_claims(&mut self, bytes: &[u8]) {
        let claims = &mut self.found.claims;
        for (_, frame) in good_frames(bytes) {
            match frame.record() {
                Some(Record::Entry(entry)) => claims.raise(entry.index, entry.term),
                Some(Record::HardState(state)) => claims.raise(LogIndex(0), state.term),
                Some(Record::Snapshot { mark, .. }) => claims.raise(mark.index, mark.term),
                Some(Record::Repair { up_to: Some(index) }) => claims.raise(index, Term(0)),
                Some(Record::Repair { up_to: None } | Record::Truncate { .. }) | None => {}
            }
        }
    }

    /// The last checks, which need everything.
    fn finish(mut self) -> Found {
        let found = &mut self.found;
        found.claims.raise(found.shape.last_promised(), found.shape.hard_state.term);
        found.claims.raise(self.watermark.last_index, self.watermark.term);
        let covered = found.snapshot.as_ref().map_or(LogIndex(0), |snapshot| snapshot.index);
        if found.shape.first() > covered.next() {
            let first =
                found.segments.first().map_or_else(PathBuf::new, |first| first.file.clone());
            let reason = "entries before it are missing, and no snapshot covers them";
            found.note(Damage { path: self.dir.join(first), offset: 0, reason });
        }
        self.found
    }
}

impl Claims {
    fn raise(&mut self, index: LogIndex, term: Term) {
        self.last_index = self.last_index.max(index);
        self.term = self.term.max(term);
    }
}

impl SegmentSummary {
    fn new(path: &Path, bytes: usize) -> Self {
        Self {
            file: path.file_name().map_or_else(PathBuf::new, PathBuf::from),
            bytes: bytes as u64,
            used_bytes: HEADER_BYTES as u64,
            frames: 0,
            indices: None,
            terms: None,
        }
    }

    fn count(&mut self, bytes: usize, record: &Record<'_>) {
        self.used_bytes += bytes as u64;
        self.frames += 1;
        if let Record::Entry(entry) = record {
            let Entry { index, term, .. } = entry.as_ref();
            let (low, high) = self.indices.unwrap_or((*index, *index));
            self.indices = Some((low.min(*index), high.max(*index)));
            let (low, high) = self.terms.unwrap_or((*term, *term));
            self.terms = Some((low.min(*term), high.max(*term)));
        }
    }
}

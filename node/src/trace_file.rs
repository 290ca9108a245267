//! The trace of one incarnation, on disk, and the clock that its lines carry.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::raft::NodeId;
use crate::server::Error;
use crate::trace::{Line, Record};

/// The run's clock: the machine's monotonic clock, counted from the run's zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunClock {
    epoch: u64,
}

impl RunClock {
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch }
    }

    /// Nanoseconds since the run's zero.
    pub(crate) fn now(self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let nanoseconds = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        nanoseconds.saturating_sub(self.epoch)
    }
}

/// Where a node's trace goes: a file, or nowhere. What was written survives a kill of the process.
#[derive(Debug)]
pub(crate) struct TraceFile {
    /// None where nobody wants a trace.
    file: Option<(File, PathBuf)>,
    node: NodeId,
    incarnation: u64,
    seq: u64,
    clock: RunClock,
}

impl TraceFile {
    pub(crate) fn create(
        path: Option<&Path>,
        node: NodeId,
        incarnation: u64,
        clock: RunClock,
    ) -> Result<Self, Error> {
        let create = |path: &Path| {
            let file = File::create(path);
            let file = file.map_err(|source| Error::Trace { path: path.into(), source })?;
            Ok::<_, Error>((file, path.into()))
        };
        let file = path.map(create).transpose()?;
        Ok(Self { file, node, incarnation, seq: 0, clock })
    }

    /// Whether anybody reads it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.file.is_some()
    }

    /// The time that a line would carry now.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Writes the lines of a step in one go.
    pub(crate) fn write(&mut self, records: Vec<Record>) -> Result<(), Error> {
        let time = self.now();
        let Some((file, path)) = self.file.as_mut().filter(|_| !records.is_empty()) else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        for record in records {
            let line = Line {
                node: self.node,
                incarnation: self.incarnation,
                seq: self.seq,
                time,
                record,
            };
            serde_json::to_writer(&mut bytes, &line).expect("a trace line always serialises");
            bytes.push(b'\n');
            self.seq += 1;
        }
        file.write_all(&bytes).map_err(|source| Error::Trace { path: path.clone(), source })
    }
}

//! What can go wrong with a data directory.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::raft::NodeId;

/// Why storage cannot do what was asked. After anything but [`Error::NoSpace`] the process must end: what the page cache shows and what the
/// disk holds may differ, and a second sync may report success for pages that were thrown away.
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
    /// There is no room for what was to be written. Nothing of it was: storage is as it was before the call.
    #[error("no space left to {action} {}", path.display())]
    NoSpace {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
    },
    /// An earlier write failed, and nothing more may be written.
    #[error("{} failed before; nothing more is written to it", path.display())]
    Failed {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has the directory.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// What was acknowledged may be lost.
    #[error("{0}; the node must not take part with an incomplete log")]
    Damaged(Damage),
    /// What was acknowledged may be lost, and nobody knows how much: no repair could tell when it is over.
    #[error(
        "{0}; without a watermark nobody knows how much is lost: remove the node from its cluster, and let one with another name take its place"
    )]
    Irreparable(Damage),
    /// The directory is another node's.
    #[error("{} belongs to node {owner}, not to {id}", path.display())]
    WrongNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: NodeId,
        /// Who tried to use it.
        id: NodeId,
    },
}

/// Bytes that are not what was once made durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in it the first bad thing begins, in bytes; 0 if it is missing.
    pub offset: u64,
    /// What is wrong there.
    pub reason: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, reason } = self;
        write!(f, "{} is damaged at byte {offset}: {reason}", path.display())
    }
}

/// Makes an error of the operating system ours.
pub(super) fn io<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> Error + Copy + 'a {
    move |source| Error::Io { action, path: path.to_path_buf(), source }
}

/// As [`io`], for what can be given up without a trace when the disk, the quota or the largest allowed file is full.
pub(super) fn io_or_no_space<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> Error + Copy + 'a {
    move |source| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::NoSpace { action, path: path.to_path_buf() }
        }
        _ => Error::Io { action, path: path.to_path_buf(), source },
    }
}

//! The trace: what one incarnation of one node did, one JSON line an event (`docs/formats.md`).
//!
//! Properties over traces need no order across nodes: each line carries the node's own sequence number and term. The
//! node has its own definition of the same format; a test there holds the two together.

mod line;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::line::Written;
use crate::history::lines;

/// Everything that one incarnation of a node told.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The node.
    pub node: String,
    /// How often it had been started.
    pub incarnation: u64,
    /// Its lines, in order and without gaps from the first. The last ones may be missing, where it was killed.
    pub lines: Vec<Line>,
}

/// What one line of a trace tells. Whose it is stands in the [`Trace`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Nanoseconds on the run's clock. For drawing only: no verdict reads it.
    pub time: u64,
    /// The node's current term when the event happened.
    pub term: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What a node did. Durable facts are written after they are durable and before anybody is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The node started on an empty data directory.
    Started {
        /// The nodes whose votes and logs count, itself included where it is one of them; empty where the trace does not say.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        voters: Box<[String]>,
    },
    /// The node started on the state of an earlier incarnation.
    Restarted {
        /// As in `Started`.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        voters: Box<[String]>,
        /// The vote that it remembers for `term`.
        vote: Option<String>,
        /// Index of the last entry of its log, 0 when empty.
        last_index: u64,
        /// Term of that entry.
        last_term: u64,
        /// The last entry of the snapshot on which it starts, where there is one; the log may begin after it.
        #[serde(skip_serializing_if = "Option::is_none")]
        snapshot: Option<Position>,
        /// Chained hashes of the log up to each of its last entries, in their order; so many as the node shows.
        last_hashes: Box<[Hash]>,
    },
    /// It follows: at start, on a higher term, or because it heard from a leader.
    BecameFollower {
        /// The leader, where it is known.
        leader: Option<String>,
    },
    /// It asks whether it would get votes in the term after `term`.
    BecamePreCandidate,
    /// It asks for votes in `term`.
    BecameCandidate,
    /// It won `term`.
    BecameLeader {
        /// Index of the last entry of its log at that moment.
        last_index: u64,
        /// Term of that entry.
        last_term: u64,
    },
    /// It gave its vote of `term`; a candidate's vote for itself included.
    VoteGranted {
        /// Who has the vote.
        candidate: String,
    },
    /// An entry was appended to its log.
    Appended {
        /// The entry and the log before it.
        #[serde(flatten)]
        at: Position,
    },
    /// Entries that conflicted with the leader's log were removed.
    Truncated {
        /// The first index that is gone.
        from: u64,
    },
    /// It took over the state of a snapshot that the leader of `term` sent: everything up to `at` is committed and applied.
    Installed {
        /// The last entry that the snapshot covers, and the log up to it.
        #[serde(flatten)]
        at: Position,
        /// The last index of its log now: that of the snapshot, unless its log had that entry and went on.
        log_ends: u64,
    },
    /// From here on it counts with these members, until the next such line. A configuration counts as soon as it is in the log.
    Configured {
        /// Whose votes and logs count.
        voters: Box<[String]>,
        /// The voters before, while a change is under way: a majority of both counts then. Empty otherwise.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        outgoing: Box<[String]>,
        /// Who gets the log and counts for nothing.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        learners: Box<[String]>,
    },
    /// It tells the leader of `term` that its log matches the leader's further than it told before.
    Acked {
        /// The leader.
        leader: String,
        /// How far the logs match.
        match_index: u64,
    },
    /// The commit index advanced.
    Committed {
        /// The last committed entry and the log before it.
        #[serde(flatten)]
        at: Position,
    },
    /// An entry was applied to the state machine.
    Applied {
        /// The entry and the log before it.
        #[serde(flatten)]
        at: Position,
        /// Digest of the state machine after it, where the node takes one.
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<Hash>,
    },
    /// A connection failed for a certificate that one end did not accept. No property rests on it.
    ConnectionRefused {
        /// The other end.
        address: String,
        /// The node that was dialled, if the other end did not dial.
        #[serde(skip_serializing_if = "Option::is_none")]
        dialled: Option<String>,
        /// What was wrong.
        reason: String,
    },
    /// What the state machine has come to: at some indexes, and at an orderly end.
    StateDigest {
        /// The last entry that was applied.
        index: u64,
        /// A digest of the whole state.
        state: Hash,
    },
}

impl Event {
    /// The place in the node's own log that the event names together with its hash.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Appended { at }
            | Self::Committed { at }
            | Self::Installed { at, .. }
            | Self::Applied { at, .. } => Some(*at),
            Self::Restarted { last_index: index, last_term, last_hashes, .. } => {
                let hash = *last_hashes.last()?;
                Some(Position { index: *index, entry_term: *last_term, hash })
            }
            _ => None,
        }
    }
}

/// An entry of a log together with the log before it: equal positions mean equal logs up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Index of the entry, from 1.
    pub index: u64,
    /// Term of the leader that created it.
    pub entry_term: u64,
    /// Chained hash of the log up to and with it.
    pub hash: Hash,
}

/// A hash of a log or a state, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub u64);

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why files are not traces.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The name of a file does not say whose trace it is.
    #[error("{}: a trace is called <node>.<incarnation>.jsonl", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A line does not fit.
    #[error("{}: line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads all traces of a folder, by node and incarnation. An incomplete last line of a file is left out: its node was killed in the middle of
/// it.
pub fn read_dir(dir: &Path) -> Result<Vec<Trace>, Error> {
    let io = |source| Error::Io { path: dir.to_path_buf(), source };
    let mut traces = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            traces.push(read(&path)?);
        }
    }
    traces.sort_by(|a, b| (&a.node, a.incarnation).cmp(&(&b.node, b.incarnation)));
    Ok(traces)
}

fn read(path: &Path) -> Result<Trace, Error> {
    let (node, incarnation) = name(path).ok_or_else(|| Error::Name { path: path.to_path_buf() })?;
    let bytes =
        std::fs::read(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
    let mut trace = Trace { node, incarnation, lines: Vec::new() };
    for (line, text, complete) in lines(&bytes) {
        let wrong = |reason| Error::Line { path: path.to_path_buf(), line, reason };
        match Written::parse(text) {
            Ok(written) => {
                fits(&trace, &written).map_err(wrong)?;
                trace.lines.push(written.line);
            }
            Err(_) if !complete => {}
            Err(reason) => return Err(wrong(reason)),
        }
    }
    Ok(trace)
}

fn name(path: &Path) -> Option<(String, u64)> {
    let (node, incarnation) = path.file_stem()?.to_str()?.rsplit_once('.')?;
    Some((node.to_string(), incarnation.parse().ok()?))
}

fn fits(trace: &Trace, line: &Written) -> Result<(), String> {
    if (&line.node, line.incarnation) != (&trace.node, trace.incarnation) {
        return Err(format!("written by {}.{}, not by this node", line.node, line.incarnation));
    }
    let expected = trace.lines.len() as u64;
    if line.seq != expected {
        return Err(format!(
            "sequence number {} where {expected} is due: lines are missing",
            line.seq
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(node: &str, incarnation: u64, seq: u64) -> String {
        let what = Line { time: 0, term: 1, event: Event::BecameCandidate };
        let line = Written { node: node.into(), incarnation, seq, line: what };
        serde_json::to_string(&line).unwrap() + "\n"
    }

    fn check(name: &str, text: &str, expected: Result<usize, &str>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        match (read_dir(dir.path()), expected) {
            (Ok(traces), Ok(count)) => assert_eq!(traces[0].lines.len(), count, "{text}"),
            (Err(error), Err(words)) => {
                assert!(error.to_string().contains(words), "{error}");
            }
            (result, _) => panic!("{text}: {result:?}"),
        }
    }

    #[test]
    fn traces_are_read_and_what_does_not_fit_is_refused() {
        let two = line("n1", 1, 0) + &line("n1", 1, 1);
        check("n1.1.jsonl", &two, Ok(2));
        check("n1.1.jsonl", &two[..two.len() - 5], Ok(1));
        check("n1.1.jsonl", "", Ok(0));
        check(
            "n1.1.jsonl",
            &(line("n1", 1, 0) + &line("n1", 1, 2)),
            Err("line 2: sequence number 2 where 1"),
        );
        check("n1.1.jsonl", &line("n2", 1, 0), Err("line 1: written by n2.1"));
        check("n1.2.jsonl", &line("n1", 1, 0), Err("written by n1.1"));
        check("n1.1.jsonl", &("{\n".to_string() + &two), Err("line 1"));
        check("n1.jsonl", &two, Err("<node>.<incarnation>.jsonl"));
    }
}

//! What travelled between nodes: a line a message in `messages.jsonl`, and who was seen to lead in the history.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use node::raft::{Body, Message};
use serde_json::{Value, json};

use super::kind::{is_of_leader, kind_of};
use crate::recorder::{Line, Recorder};

/// Lines of a run; what comes later is only counted. A file that a person looks at need not be larger.
const LINES_MAX: u64 = 200_000;

/// The record of all messages of a run.
#[derive(Debug)]
pub(crate) struct Journal {
    recorder: Arc<Recorder>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    lines: u64,
    /// Whom each term was seen to be led by. More than one is for the checker to judge.
    leaders: BTreeSet<(u64, String)>,
}

impl Journal {
    /// An empty one.
    pub(crate) fn create(path: &Path, recorder: Arc<Recorder>) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let state = State { file: BufWriter::new(file), lines: 0, leaders: BTreeSet::new() };
        Ok(Self { recorder, state: Mutex::new(state) })
    }

    /// The time on the run's clock.
    pub(crate) fn now(&self) -> Duration {
        self.recorder.now()
    }

    /// Notes a message and what became of it.
    pub(crate) fn note(&self, from: &str, to: &str, message: &Message, fate: &str) {
        let mut state = self.state.lock().expect("no thread panics while it writes");
        let kind = kind_of(message);
        let term = message.term.0;
        if is_of_leader(kind) && state.leaders.insert((term, from.to_string())) {
            let line = Line::nemesis("wire-leader", json!({ "term": term }));
            self.recorder.record(Line { node: Some(from.to_string()), ..line });
        }
        state.lines += 1;
        if state.lines <= LINES_MAX {
            let mut line = json!({
                "time": self.now().as_nanos() as u64, "from": from, "to": to, "type": kind.name(), "term": term,
            });
            if fate != "passed" {
                line["fate"] = fate.into();
            }
            if let Value::Object(fields) = details(&message.body) {
                line.as_object_mut().expect("it is an object").extend(fields);
            }
            // A full disk ends the run through the history; this file is a convenience.
            let _ = writeln!(state.file, "{line}");
        }
    }

    /// Ends the file: says what it does not hold.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock().expect("no thread panics while it writes");
        if let Some(more @ 1..) = state.lines.checked_sub(LINES_MAX) {
            let _ = writeln!(state.file, "{}", json!({ "not_shown": more }));
        }
        let _ = state.file.flush();
    }
}

/// What a reader of the file wants to know of a message beyond its kind and term.
fn details(body: &Body) -> Value {
    match body {
        Body::PreVote { last_index, last_term } => {
            json!({ "last_index": last_index.0, "last_term": last_term.0 })
        }
        Body::PreVoteReply { campaign, granted } => {
            json!({ "campaign": campaign.0, "granted": granted })
        }
        Body::RequestVote { last_index, last_term, .. } => {
            json!({ "last_index": last_index.0, "last_term": last_term.0 })
        }
        Body::RequestVoteReply { granted } => json!({ "granted": granted }),
        Body::AppendEntries { prev_index, prev_term, entries, commit, .. } => json!({
            "prev_index": prev_index.0, "prev_term": prev_term.0, "entries": entries.len(), "commit": commit.0,
        }),
        Body::AppendAccepted { match_index, .. } => {
            json!({ "accepted": true, "match_index": match_index.0 })
        }
        Body::AppendRejected { prev_index, .. } => {
            json!({ "accepted": false, "prev_index": prev_index.0 })
        }
        Body::ReadIndexReply { index, .. } => json!({ "index": index.0 }),
        Body::InstallSnapshot { meta, offset, done, .. } => {
            json!({ "last_index": meta.last_index.0, "offset": offset, "done": done })
        }
        Body::SnapshotReceived { last_index, offset, .. } => {
            json!({ "last_index": last_index.0, "offset": offset })
        }
        Body::ReadIndex { .. } | Body::TimeoutNow { .. } => Value::Null,
    }
}

//! What must be undone if this harness ends before it has undone it: `ledger.jsonl` of a run directory.
//!
//! Written ahead: a line is on the disk before what it undoes is done (for a process, which has no pid before it is started, before anybody
//! is told of it), and crossed out by another when it is undone. `faultline cleanup`, and every run in the directory of its runs, undoes what was never
//! crossed out. The kernel ends nodes with the harness anyway (`cli/guard.rs`); the ledger is for what it does not reach: children of nodes, and
//! nodes that gave their parent-death signal up.

mod cleanup;
mod identity;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

pub(crate) use self::cleanup::{Found, cleanup};
pub(crate) use self::identity::Identity;

/// Its name in a run directory.
const FILE: &str = "ledger.jsonl";
/// The environment variable by which whatever a node starts is known as a part of the run.
pub(crate) const MARK: &str = "FAULTLINE_RUN";
const NO_PANIC: &str = "no thread panics while it writes the ledger";

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    /// The first: whose ledger it is.
    Head(Head),
    /// Something that must be undone.
    Undo { id: u64, by: Undo },
    /// That it was.
    Done { id: u64 },
    /// The last: nothing is left to undo.
    Closed {},
}

/// Whose ledger it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// The harness. While it lives, the ledger is its own business.
    harness: Identity,
    /// Where pids mean what they say: the boot of the machine and the namespace of process ids.
    place: String,
    /// The value of [`MARK`] in the environment of its processes.
    mark: String,
}

/// How something is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Undo {
    /// A process is ended.
    End(Identity),
    /// A process that was stopped goes on.
    Continue(Identity),
}

impl Undo {
    fn process(&self) -> &Identity {
        match self {
            Self::End(process) | Self::Continue(process) => process,
        }
    }
}

/// The ledger of a run that goes on.
#[derive(Debug)]
pub(crate) struct Ledger {
    mark: String,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    file: File,
    next_id: u64,
    /// What is not undone yet.
    open: BTreeMap<u64, Undo>,
}

impl Ledger {
    /// Begins the ledger of a run.
    pub(crate) fn create(directory: &Path) -> io::Result<Self> {
        let mark = identity::random()?;
        let harness = Identity::of(std::process::id())?;
        let head = Head { harness, place: identity::place()?, mark: mark.clone() };
        let mut file = File::options().append(true).create_new(true).open(directory.join(FILE))?;
        append(&mut file, &Line::Head(head))?;
        // The name must be there after a crash too.
        File::open(directory)?.sync_all()?;
        let book = Book { file, next_id: 1, open: BTreeMap::new() };
        Ok(Self { mark, book: Mutex::new(book) })
    }

    /// The value of [`MARK`] for the processes of this run.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// Notes that a process of ours was started.
    pub(crate) fn started(&self, pid: u32) -> io::Result<()> {
        self.open(Undo::End(Identity::of(pid)?))
    }

    /// Notes that a process of ours is about to be stopped.
    pub(crate) fn stopping(&self, pid: u32) -> io::Result<()> {
        self.open(Undo::Continue(Identity::of(pid)?))
    }

    /// Crosses out that a process is stopped.
    pub(crate) fn continued(&self, pid: u32) {
        self.cross_out(|undo| matches!(undo, Undo::Continue(process) if process.pid == pid));
    }

    /// Crosses out all that concerns a process: it is gone.
    pub(crate) fn ended(&self, pid: u32) {
        self.cross_out(|undo| undo.process().pid == pid);
    }

    /// Ends what nodes started and did not end, and closes the ledger if everything is undone.
    pub(crate) fn close(&self) {
        identity::end_marked(&self.mark);
        let mut book = self.book.lock().expect(NO_PANIC);
        if book.open.is_empty() {
            let _ = write(&mut book.file, &Line::Closed {});
        }
    }

    fn open(&self, undo: Undo) -> io::Result<()> {
        let mut book = self.book.lock().expect(NO_PANIC);
        let id = book.next_id;
        append(&mut book.file, &Line::Undo { id, by: undo.clone() })?;
        book.next_id += 1;
        book.open.insert(id, undo);
        Ok(())
    }

    /// A line that is lost here is no harm: to undo twice is to undo once.
    fn cross_out(&self, concerned: impl Fn(&Undo) -> bool) {
        let mut book = self.book.lock().expect(NO_PANIC);
        let done: Vec<_> =
            book.open.iter().filter(|(_, undo)| concerned(undo)).map(|(id, _)| *id).collect();
        for id in done {
            book.open.remove(&id);
            let _ = write(&mut book.file, &Line::Done { id });
        }
    }
}

/// Appends a line that must survive whatever comes next.
fn append(file: &mut File, line: &Line) -> io::Result<()> {
    write(file, line)?;
    file.sync_data()
}

/// A line that could not be written whole is taken back: what comes after it must be readable.
fn write(file: &mut File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let length = file.metadata()?.len();
    file.write_all(&text).inspect_err(|_| drop(file.set_len(length)))
}

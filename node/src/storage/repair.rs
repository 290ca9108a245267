//! A damaged directory, given to a node that gets from the others what it has lost.
//!
//! What stands before the damage is copied into a new directory, whose log says from the first frame on how far the old one may have reached. Then the old one is set
//! aside and the new one takes its name. The old one is never changed: what is in it may be worth more to somebody than to the node.
//!
//! ```text
//! data               the directory of the node
//! data.rebuilt       the one that is to take its place: unfinished as long as `data` is there
//! data.damaged-1     the one that was set aside
//! ```
//!
//! A crash between the two renames leaves no `data`. The next start must not take that for a new node, which has promised nothing: it finishes the
//! second rename ([`finish`]).

use std::path::{Path, PathBuf};

use super::error::io;
use super::frame::Record;
use super::{Damage, Error, Opened, Recovered, Salvaged, Settings, Storage, files, find};
use crate::raft::{Entry, HardState, LogIndex, LogWrite, NodeId, Term};

const REBUILT: &str = "rebuilt";
/// So many entries are copied with one sync.
const BATCH_ENTRIES: usize = 256;

/// What became of a damaged directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What was wrong with it.
    pub damage: Damage,
    /// Where it is now, as it was.
    pub set_aside: PathBuf,
}

impl Storage {
    /// As [`Self::open`], but a damaged directory is set aside, and the node goes on in a new one with what stands before the damage.
    /// It must not vote or stand until [`Recovered::repairing`] is committed again.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`]; and [`Error::Irreparable`], as without a watermark nobody knows how far the log had reached.
    pub fn open_or_repair(
        dir: &Path,
        id: NodeId,
        settings: Settings,
    ) -> Result<(Self, Recovered, Option<Repair>), Error> {
        let (lock, found) = find(dir, id)?;
        let repair = match found.damage.clone() {
            None => None,
            Some(damage) if found.slots.newest.is_none() => return Err(Error::Irreparable(damage)),
            Some(damage) => {
                let salvaged = Salvaged::new(damage.clone(), found);
                Some(Repair { damage, set_aside: rebuild(dir, id, settings, salvaged)? })
            }
        };
        drop(lock);
        match Self::open_or_salvage(dir, id, settings)? {
            Opened::Sound(storage, recovered) => Ok((*storage, recovered, repair)),
            Opened::Damaged(salvaged) => Err(Error::Damaged(salvaged.damage)),
        }
    }
}

/// Gives a directory its name where a crash kept that from it.
pub(super) fn finish(dir: &Path) -> Result<(), Error> {
    let rebuilt = dir.with_added_extension(REBUILT);
    if dir.file_name().is_none() || dir.exists() || !rebuilt.exists() {
        return Ok(());
    }
    files::rename(&rebuilt, dir)
}

/// Puts a new directory in the place of a damaged one; returns where that is now.
fn rebuild(
    dir: &Path,
    id: NodeId,
    settings: Settings,
    salvaged: Salvaged,
) -> Result<PathBuf, Error> {
    if dir.file_name().is_none() {
        let source = std::io::Error::other("a directory is set aside by its name");
        return Err(Error::Io { action: "rename", path: dir.to_path_buf(), source });
    }
    let rebuilt = dir.with_added_extension(REBUILT);
    if rebuilt.exists() {
        std::fs::remove_dir_all(&rebuilt).map_err(io("remove", &rebuilt))?;
    }
    copy(&rebuilt, id, settings, salvaged)?;
    let name = |number: u32| dir.with_added_extension(format!("damaged-{number}"));
    let set_aside = (1..).map(name).find(|path| !path.exists()).expect("some number is free");
    files::rename(dir, &set_aside)?;
    files::rename(&rebuilt, dir)?;
    Ok(set_aside)
}

/// Writes down what is left, and first of all that something is missing.
fn copy(dir: &Path, id: NodeId, settings: Settings, salvaged: Salvaged) -> Result<(), Error> {
    let Opened::Sound(mut storage, _) = Storage::open_or_salvage(dir, id, settings)? else {
        unreachable!("it was just made");
    };
    let hard_state = hard_state(&salvaged, id);
    let Recovered { snapshot, first_index, entries, .. } = salvaged.readable;
    let up_to = Some(salvaged.last_index_seen.max(LogIndex(1)));
    storage.change(|storage| {
        storage.append(&[Record::HardState(hard_state), Record::Repair { up_to }])
    })?;
    let covered = snapshot.as_ref().map_or(LogIndex(0), |snapshot| snapshot.index);
    if let Some(snapshot) = snapshot {
        let mark = snapshot.mark();
        storage.save_snapshot(mark.index, mark.term, &snapshot.metadata, &snapshot.data)?;
    }
    // Entries without anything before them are of no use.
    let follow = |entry: &Entry| first_index <= covered.next() && entry.index > covered;
    let writes: Vec<_> = entries.into_iter().filter(follow).map(LogWrite::Append).collect();
    writes.chunks(BATCH_ENTRIES).try_for_each(|batch| storage.persist(None, batch))
}

/// The highest term that the node may have been in. If its vote of that term is not known, it counts as its own: then nobody else gets it a second time.
fn hard_state(salvaged: &Salvaged, id: NodeId) -> HardState {
    let Recovered { hard_state, snapshot, .. } = &salvaged.readable;
    let covered = snapshot.as_ref().map_or(Term(0), |snapshot| snapshot.term);
    let term = hard_state.term.max(salvaged.term_seen).max(covered);
    let vote = hard_state.vote.filter(|_| hard_state.term == term);
    HardState { term, vote: vote.or(Some(id)) }
}

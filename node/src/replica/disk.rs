//! What must be durable before anybody hears of it, and a disk that has no room for it.

use crate::raft::{Effects, Input, LogWrite, Snapshot};
use crate::server::Error;
use crate::storage;

use super::Replica;

/// Whether there is room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// As far as is known.
    Enough,
    /// There was none for what comes next.
    Lacking,
    /// There was none, and a tick has passed: it may be tried again.
    Untried,
}

/// What clients are told for want of room.
pub(super) const DISK_FULL: &str = "disk full";

impl Replica {
    /// Makes a batch's changes durable. May be called again where there was no room for all of them.
    pub(super) fn persist(&mut self, effects: &Effects) -> Result<(), storage::Error> {
        let Effects { hard_state, snapshot, log, compact, .. } = effects;
        if let Some(Snapshot { meta, data }) = snapshot {
            self.storage.persist(*hard_state, &[])?;
            let metadata = postcard::to_stdvec(&meta).expect("our own data always serialise");
            self.storage.save_snapshot(meta.last_index, meta.last_term, &metadata, data)?;
            self.snapshot_index = meta.last_index;
        }
        // Where a snapshot does not continue the log, storage has cut the log off already.
        let covered = self.snapshot_index;
        let is_done =
            |write: &&LogWrite| matches!(write, LogWrite::Truncate { from } if *from <= covered);
        let done = log.iter().take_while(is_done).count();
        self.storage.persist(hard_state.filter(|_| snapshot.is_none()), &log[done..])?;
        compact.map_or(Ok(()), |keep_from| self.storage.compact(keep_from))
    }

    /// There was no room for what comes next. Nothing of it was written, so nobody may hear of it; until there is room, this node is as good as cut off: the others elect
    /// another leader, and clients are told.
    pub(super) fn wait_for_room(&mut self) {
        if self.room == Room::Enough {
            tracing::error!("the disk is full: nothing is taken on until there is room");
        }
        self.room = Room::Lacking;
        // Messages may be lost. Kept, they would grow in number, and come too late to be of use.
        self.effects.iter_mut().for_each(|batch| batch.messages.clear());
        self.give_up_waiting(DISK_FULL);
    }

    /// Where everything that was lost is there again, and durable, the disk need not know of the damage any more.
    pub(super) fn maybe_end_repair(&mut self) -> Result<(), Error> {
        if self.storage.repairing().is_none() || self.raft.is_repairing() {
            return Ok(());
        }
        match self.storage.end_repair() {
            Err(storage::Error::NoSpace { .. }) => Ok(()), // It can wait.
            ended => {
                tracing::info!("the log is whole again");
                Ok(ended?)
            }
        }
    }

    /// Writes the store down when enough has been applied since the last time, so that the log can be cut.
    pub(super) fn maybe_snapshot(&mut self) {
        if self.applied.0 >= self.snapshot_index.0 + self.snapshot_entries {
            let data = self.store.snapshot().into();
            self.step(Input::Snapshotted { index: self.applied, data });
        }
    }
}

//! A disk for tests: what a node has after a crash.

use super::effects::{Durable, Effects, LogWrite};

/// The durable state of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) durable: Durable,
}

impl Disk {
    /// Writes what some effects want to be durable.
    pub(super) fn persist(&mut self, effects: &Effects) {
        self.persist_part(effects, usize::MAX);
    }

    /// Writes so many of the writes that some effects consist of, in their order: a crash may come between any two.
    pub(super) fn persist_part(&mut self, effects: &Effects, writes_max: usize) {
        let mut left = writes_max;
        let mut may_write = || {
            let may = left > 0;
            left = left.saturating_sub(1);
            may
        };
        if let Some(hard_state) = effects.hard_state.filter(|_| may_write()) {
            self.durable.hard_state = hard_state;
        }
        if let Some(snapshot) = effects.snapshot.as_ref().filter(|_| may_write()) {
            self.durable.snapshot = Some(snapshot.clone());
        }
        for write in effects.log.iter().take_while(|_| may_write()) {
            self.write(write);
        }
        if let Some(keep_from) = effects.compact.filter(|_| may_write()) {
            self.durable.entries.retain(|entry| entry.index >= keep_from);
        }
    }

    fn write(&mut self, write: &LogWrite) {
        let entries = &mut self.durable.entries;
        match write {
            LogWrite::Truncate { from } => entries.retain(|entry| entry.index < *from),
            LogWrite::Append(entry) => {
                let covered = self.durable.snapshot.as_ref().map(|s| s.meta.last_index);
                let before = entries.last().map(|e| e.index).or(covered).unwrap_or_default();
                assert_eq!(entry.index, before.next(), "no gaps on disk");
                entries.push(entry.clone());
            }
        }
    }
}

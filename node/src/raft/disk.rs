//! A disk for tests: what a node has after a crash.

use super::effects::{Effects, HardState, LogWrite};
use super::log::Entry;

/// The durable state of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) hard_state: HardState,
    pub(super) entries: Vec<Entry>,
}

impl Disk {
    /// Takes the first two fields of some effects.
    pub(super) fn persist(&mut self, effects: &Effects) {
        if let Some(hard_state) = effects.hard_state {
            self.hard_state = hard_state;
        }
        for write in &effects.log {
            match write {
                LogWrite::Truncate { from } => self.entries.truncate(from.0 as usize - 1),
                LogWrite::Append(entry) => {
                    assert_eq!(entry.index.0 as usize, self.entries.len() + 1, "no gaps on disk");
                    self.entries.push(entry.clone());
                }
            }
        }
    }
}

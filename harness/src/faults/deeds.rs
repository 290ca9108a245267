//! What was done to the system, written as it is done: `schedule.jsonl`, from which it can be done again.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::conductor::Due;
use super::events::Events;
use crate::plan::{Began, Cue, Deed, PlannedFault};
use crate::workload::Moment;
use anyhow::Context;

/// The file, as it grows.
#[derive(Debug)]
pub(crate) struct Deeds {
    file: File,
    /// From when on there is something to be done.
    events: Option<Events>,
}

/// When a fault begins.
pub(super) struct Beginning {
    /// How many leaders there had been.
    leaders: u64,
    moment: Moment,
}

impl Deeds {
    /// An empty file.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, events: None })
    }

    /// From now on moments are counted.
    pub(super) fn begin(&mut self, events: Events) {
        self.events = Some(events);
    }

    /// When a fault begins that is about to: for [`Self::began`], if it comes to that.
    pub(super) fn beginning(&self) -> Option<Beginning> {
        let events = self.events.as_ref()?;
        Some(Beginning { leaders: events.leaders(), moment: events.moment() })
    }

    /// What it came to.
    pub(super) fn began(&mut self, due: &Due, beginning: Beginning, action: &str) {
        let Beginning { leaders, moment } = beginning;
        if let Some(events) = &self.events {
            events.fault_began(leaders);
        }
        let PlannedFault { id, fault, seed } = due.planned.clone();
        let on = match &due.cue {
            Some(Cue::On(trigger)) => Some(trigger.clone()),
            Some(Cue::Again(_)) | None => None,
        };
        let (step, forever, action) = (due.step, due.forever, action.to_string());
        let began = Began { id, moment, step, on, fault, seed, forever, action };
        self.write(&Deed::Began(Box::new(began)));
    }

    pub(super) fn ended(&mut self, planned: &PlannedFault) {
        if let Some(moment) = self.moment() {
            self.write(&Deed::Ended { id: planned.id.clone(), moment });
        }
    }

    fn moment(&self) -> Option<Moment> {
        self.events.as_ref().map(Events::moment)
    }

    /// A full disk ends the run through the history.
    fn write(&mut self, deed: &Deed) {
        let mut line = serde_json::to_vec(deed).expect("a deed always serialises");
        line.push(b'\n');
        let _ = self.file.write_all(&line);
    }
}

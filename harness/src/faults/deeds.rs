//! What was done to the system, written as it is done: `schedule.jsonl`, from which it can be done again.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::conductor::Due;
use super::events::Events;
use crate::plan::{Cue, PlannedFault};
use crate::workload::{Fault, Moment, Trigger};

/// A line of `schedule.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Deed {
    /// A fault was put in force.
    Began {
        id: String,
        /// When, in terms that mean something in another run too.
        moment: Moment,
        /// What it had waited for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<Trigger>,
        fault: Box<Fault>,
        /// Decided what the fault left to chance.
        seed: u64,
        /// Whether it was never to end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        forever: bool,
        /// What that came to, in words.
        action: String,
    },
    /// It ended.
    Ended { id: String, moment: Moment },
}

/// The file, as it grows.
#[derive(Debug)]
pub(crate) struct Deeds {
    file: File,
    /// From when on there is something to be done.
    events: Option<Events>,
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

    pub(super) fn began(&mut self, due: &Due, action: &str) {
        let PlannedFault { id, fault, seed } = due.planned.clone();
        let fault = Box::new(fault);
        let on = match &due.cue {
            Some(Cue::On(trigger)) => Some(trigger.clone()),
            Some(Cue::Again(_)) | None => None,
        };
        let (forever, action) = (due.forever, action.to_string());
        if let Some(moment) = self.moment() {
            self.write(&Deed::Began { id, moment, on, fault, seed, forever, action });
        }
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

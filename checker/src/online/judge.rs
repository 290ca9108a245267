//! Everything that is judged of one recording while it grows.

use std::path::Path;

use super::prefix::Prefix;
use super::registers::Registers;
use super::traces::Traces;
use crate::history::{Event, EventType, Malformed, Process};
use crate::judge::{JudgePlan, Question};
use crate::linearizability;
use crate::models::Model;
use crate::trace;
use crate::verdict::CheckReport;

/// So many events are kept while it is not known what the history is of.
const UNSURE_MAX: usize = 100_000;
/// So many events of registers are kept in case that a value repeats while it may still be read.
const SPARE_MAX: u64 = 200_000;

/// Judges a history event by event, and with it the traces of the nodes.
///
/// Registers are judged at every event ([`Registers`]); everything else in looks at what there is so far, which the caller asks for.
#[derive(Debug)]
pub struct Judge {
    registers: Option<Registers>,
    /// Registers as a whole history, for keys that [`Registers`] cannot follow. Dropped once it is long and there was no such key.
    spare: Option<Prefix>,
    /// All that is no register.
    prefix: Option<Prefix>,
    /// The events so far, while it is not known which of the two judges them.
    unsure: Option<Vec<Event>>,
    question: Question,
    /// The traces of a run.
    traces: Option<Traces>,
}

/// How far a history has been followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// How many events there were.
    pub events: u64,
    /// How many keys there were, where keys are followed one by one.
    pub keys: usize,
    /// What could not be followed to the end, each with the reason. What it says is not known here: that is for the judge of the whole history.
    pub left: Vec<(String, String)>,
}

impl Judge {
    /// A judge of a history that begins with the next event, judged as all of these models; as what its operations look like, if there is none.
    /// Of the question, the model and the certificate do not count.
    pub fn new(models: &[Model], question: &Question) -> Self {
        let is_register = |model: &Model| matches!(model, Model::Register | Model::CasRegister);
        let (registers, others): (Vec<_>, Vec<_>) = models.iter().copied().partition(is_register);
        let prefix = |models: Vec<_>| (!models.is_empty()).then(|| Prefix::new(models, question));
        Self {
            registers: (!registers.is_empty()).then(Registers::new),
            spare: prefix(registers),
            prefix: prefix(others),
            unsure: models.is_empty().then(Vec::new),
            question: question.clone(),
            traces: None,
        }
    }

    /// A judge of a run that is about to begin, or goes on: its history from the next event, and the traces in a folder that need not be there yet.
    ///
    /// # Errors
    ///
    /// If the plan's model is not one of this version.
    pub fn of_run(plan: &JudgePlan, traces: &Path, question: &Question) -> Result<Self, String> {
        let (models, consistency) = plan.models(question)?;
        let options = plan.options.clone();
        let judge = Self::new(&models, &Question { consistency, options, ..question.clone() });
        Ok(Self { unsure: None, traces: Some(Traces::new(traces, &plan.checks)), ..judge })
    }

    /// Takes the next event. A report means that the events so far are wrong, while those before were not.
    ///
    /// # Errors
    ///
    /// If the event cannot follow those before.
    pub fn push(&mut self, event: &Event) -> Result<Option<CheckReport>, Malformed> {
        let Some(waiting) = &mut self.unsure else { return self.take(event) };
        waiting.push(event.clone());
        if waiting.len() < UNSURE_MAX && !tells(event) {
            return Ok(None);
        }
        self.decide();
        for event in self.unsure.take().unwrap_or_default() {
            let report = self.take(&event)?;
            if report.is_some() {
                return Ok(report);
            }
        }
        Ok(None)
    }

    /// Judges what is not judged at every event, if something is new and the last look is long enough ago: looks at the history take at most a
    /// quarter of the time, and those at traces as much again. To be called some times a second.
    ///
    /// # Errors
    ///
    /// If a trace is none.
    pub fn look(&mut self) -> Result<Option<CheckReport>, trace::Error> {
        let is_spare_needed = self.registers.as_ref().is_some_and(Registers::has_left);
        let spare = self.spare.as_mut().filter(|_| is_spare_needed);
        let found = self.prefix.iter_mut().chain(spare).find_map(Prefix::look);
        match (found, &mut self.traces) {
            (None, Some(traces)) => traces.look(),
            (found, _) => Ok(found),
        }
    }

    /// How much is kept of registers that something may still join ([`Registers::live`]).
    pub fn live(&self) -> usize {
        self.registers.as_ref().map_or(0, Registers::live)
    }

    /// How far the history has been followed.
    pub fn followed(&self) -> Followed {
        let mut followed = self.registers.as_ref().map(Registers::followed).unwrap_or_default();
        if self.spare.as_ref().is_some_and(|spare| spare.left().is_none()) {
            followed.left.clear();
        }
        if let Some(reason) = self.prefix.as_ref().and_then(Prefix::left) {
            followed.left.push(("the history".into(), reason.into()));
        }
        followed
    }

    /// Who judges a history that has come so far: it takes a write to know a register.
    fn decide(&mut self) {
        let waiting = self.unsure.iter().flatten();
        let prefix = Some(Prefix::new(vec![], &self.question));
        match waiting.into_iter().any(|event| ["write", "cas"].contains(&event.f.as_str())) {
            true => (self.registers, self.spare) = (Some(Registers::new()), prefix),
            false => self.prefix = prefix,
        }
    }

    fn take(&mut self, event: &Event) -> Result<Option<CheckReport>, Malformed> {
        if let Some(prefix) = &mut self.prefix {
            prefix.push(event)?;
        }
        let Some(registers) = &mut self.registers else { return Ok(None) };
        let violation = registers.push(event)?;
        if let Some(spare) = &mut self.spare {
            spare.push(event)?;
        }
        if registers.events() == SPARE_MAX && !registers.has_left() {
            self.spare = None;
        }
        Ok(violation.map(|violation| {
            let detail = "this completion cannot be explained";
            CheckReport::invalid(linearizability::NAME, detail, vec![violation])
        }))
    }
}

/// Whether an event says what a history is of: other objects than registers are read, too.
fn tells(event: &Event) -> bool {
    let is_invocation = event.event_type == EventType::Invoke;
    matches!(event.process, Process::Client(_)) && is_invocation && event.f != "read"
}

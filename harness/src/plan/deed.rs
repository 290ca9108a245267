//! What was done to a system in a run, as lines of `schedule.jsonl`, and how to do the same again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::schedule::{Cue, Occurrence, PlannedFault, Schedule, Step};
use crate::workload::{Fault, Lasts, Moment, Trigger};

/// Longer than any run: what is replayed ends when its moment comes.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// A line of `schedule.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "lowercase")]
pub(crate) enum Deed {
    /// A fault was put in force.
    Began(Box<Began>),
    /// It ended.
    Ended {
        /// Its name.
        id: String,
        /// When.
        moment: Moment,
    },
}

/// How a fault was put in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Began {
    /// Its name.
    pub(crate) id: String,
    /// When, in terms that mean something in another run too.
    pub(crate) moment: Moment,
    /// Which occurrence of a rule it belongs to, and which of its steps: those of a step were put in force together.
    pub(crate) step: (usize, usize),
    /// What it had waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<Trigger>,
    /// What was done.
    pub(crate) fault: Fault,
    /// Decided what the fault left to chance.
    pub(crate) seed: u64,
    /// Whether it was never to end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) forever: bool,
    /// What it came to, in words.
    pub(crate) action: String,
}

/// Why lines are no schedule.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(crate) struct BadDeed {
    line: usize,
    reason: serde_json::Error,
}

impl Schedule {
    /// Does again what the lines of a `schedule.jsonl` say was done: each fault when the run has come as far as that one had, or when what it had waited
    /// for comes. A torn last line, of a run that was killed, is no deed.
    pub(crate) fn again(text: &str) -> Result<Self, BadDeed> {
        let mut steps: BTreeMap<(usize, usize), Vec<Began>> = BTreeMap::new();
        let mut ends: BTreeMap<String, Moment> = BTreeMap::new();
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let whole = line.ends_with('\n');
            match serde_json::from_str(line) {
                Ok(Deed::Began(began)) => steps.entry(began.step).or_default().push(*began),
                Ok(Deed::Ended { id, moment }) => drop(ends.insert(id, moment)),
                Err(_) if !whole => {}
                Err(reason) => return Err(BadDeed { line: number + 1, reason }),
            }
        }
        let mut occurrences: BTreeMap<usize, Vec<Step>> = BTreeMap::new();
        let mut steps = steps.into_iter().peekable();
        while let Some(((occurrence, _), faults)) = steps.next() {
            let following = steps.peek().filter(|((next, _), _)| *next == occurrence);
            let following = following.and_then(|(_, faults)| faults.first());
            occurrences.entry(occurrence).or_default().push(step(faults, following, &ends));
        }
        let occurrences =
            occurrences.into_values().map(|steps| Occurrence { at: Duration::ZERO, steps });
        Ok(Self { occurrences: occurrences.collect() })
    }
}

fn step(faults: Vec<Began>, following: Option<&Began>, ends: &BTreeMap<String, Moment>) -> Step {
    let first = &faults[0];
    let cue = match &first.on {
        Some(trigger) => Cue::On(trigger.clone()),
        None => Cue::Again(first.moment.clone()),
    };
    let until = ends.get(&first.id).cloned();
    // What followed did so after this had ended, or while it was in force.
    let ended = |following: &Began| until.as_ref().is_some_and(|end| end.at <= following.moment.at);
    let next = following.filter(|following| !ended(following)).map(|_| Duration::ZERO);
    let lasts = if first.forever { Lasts::Ever } else { Lasts::For(LONGEST) };
    Step {
        cue: Some(cue),
        required: true,
        lasts,
        until: until.filter(|_| !first.forever).map(Cue::Again),
        next,
        faults: faults
            .into_iter()
            .map(|Began { id, fault, seed, .. }| PlannedFault { id, fault, seed })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: u64) -> Moment {
        Moment { at, operations: at * 10, leaders: 1 }
    }

    fn began(id: &str, step: (usize, usize), at: u64, on: Option<Trigger>) -> Deed {
        let fault = serde_json::from_str(r#"{"kill":{"node":"leader"}}"#).unwrap();
        let (forever, action) = (false, "kill leader n1 (term 2)".into());
        let (id, moment) = (id.to_string(), moment(at));
        Deed::Began(Box::new(Began { id, moment, step, on, fault, seed: 7, forever, action }))
    }

    fn ended(id: &str, at: u64) -> Deed {
        Deed::Ended { id: id.into(), moment: moment(at) }
    }

    fn lines(deeds: &[Deed]) -> String {
        deeds.iter().map(|deed| serde_json::to_string(deed).unwrap() + "\n").collect()
    }

    #[test]
    fn what_was_done_is_done_again_at_the_same_moments_and_in_the_same_order() {
        let trigger = Trigger::Operations(5);
        let text = lines(&[
            began("f1", (0, 0), 10, None),
            began("f2", (1, 0), 12, Some(trigger.clone())),
            began("f3", (1, 0), 12, Some(trigger.clone())),
            ended("f1", 20),
            began("f4", (1, 1), 22, None),
            ended("f3", 30),
            ended("f2", 30),
            ended("f4", 31),
        ]);
        let schedule = Schedule::again(&text).unwrap();
        let [first, second] = schedule.occurrences.as_slice() else { panic!("{schedule:?}") };
        assert_eq!(first.steps[0].cue, Some(Cue::Again(moment(10))));
        assert_eq!(first.steps[0].until, Some(Cue::Again(moment(20))));
        let ids: Vec<_> = second.steps[0].faults.iter().map(|fault| fault.id.as_str()).collect();
        assert_eq!(ids, ["f2", "f3"]);
        assert_eq!(second.steps[0].cue, Some(Cue::On(trigger)));
        assert_eq!(second.steps[0].next, Some(Duration::ZERO), "f4 began while they were in force");
        assert_eq!(second.steps[1].next, None);
    }

    #[test]
    fn a_torn_last_line_is_no_deed_and_a_wrong_line_is_named() {
        let whole = lines(&[began("f1", (0, 0), 10, None)]);
        let torn = format!("{whole}{}", &lines(&[ended("f1", 20)])[..20]);
        assert_eq!(Schedule::again(&torn).unwrap().occurrences[0].steps[0].until, None);
        let error = Schedule::again(&format!("{whole}{{}}\n")).unwrap_err().to_string();
        assert!(error.starts_with("line 2: "), "{error}");
    }
}

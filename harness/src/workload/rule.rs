//! When faults happen, for how long, and which of several.
//!
//! A rule is one step, or a *sequence* of them; it happens at a time, again and again, or on an event. A step waits for what it waits for, then puts its faults
//! in force, and takes them back when its time is over or its event comes.

use std::time::Duration;

use serde::Deserialize;

use super::fault::{Fault, WrittenFault};
use super::trigger::Trigger;
use super::units::{self, Time};

/// When faults happen, and which.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenRule")]
pub(crate) struct FaultRule {
    /// When they begin.
    pub(crate) when: When,
    /// What is done, one step after the other; one step where there is no sequence.
    pub(crate) steps: Vec<RuleStep>,
    /// Whether the steps stand in a sequence.
    pub(crate) in_sequence: bool,
}

/// When the faults of a rule begin, counted from the moment when clients and faults begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Once in each slot of this length, somewhere such that they end within the slot.
    Every(Duration),
    /// Once, at this moment.
    At(Duration),
    /// When something happens, so many times.
    On(Trigger, u32),
}

/// One step of a rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenStep")]
pub(crate) struct RuleStep {
    /// What it waits for before it begins.
    pub(crate) on: Option<Trigger>,
    /// How long its faults are in force.
    pub(crate) lasts: Lasts,
    /// What ends them earlier.
    pub(crate) until: Option<Trigger>,
    /// How long after its beginning the next step begins. When it ends, if nothing is said.
    pub(crate) next: Option<Duration>,
    /// Which of the faults it takes.
    pub(crate) choice: Choice,
    /// The faults to choose from; none, and the step only waits.
    pub(crate) faults: Vec<Weighted>,
}

/// How long a fault is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// So long.
    For(Duration),
    /// To the end of the run: it is never healed.
    Ever,
}

impl Lasts {
    /// The time that it takes of the run; nothing is known of what is for ever.
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::For(duration) => duration,
            Self::Ever => Duration::ZERO,
        }
    }
}

impl<'de> Deserialize<'de> for Lasts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match units::duration_or(deserializer, "ever")? {
            Some(duration) => Self::For(duration),
            None => Self::Ever,
        })
    }
}

/// Which faults of a step are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// One, drawn anew each time.
    OneOf,
    /// All at once.
    AllOf,
}

impl Choice {
    /// Its key in the workload.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::OneOf => "one_of",
            Self::AllOf => "all_of",
        }
    }
}

/// A fault, and how often it is chosen beside others.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenFault")]
pub(crate) struct Weighted {
    /// How often: twice as often as one of half its weight.
    pub(crate) weight: u32,
    /// The fault.
    pub(crate) fault: Fault,
}

impl TryFrom<WrittenFault> for Weighted {
    type Error = String;

    fn try_from(written: WrittenFault) -> Result<Self, Self::Error> {
        Ok(Self { weight: written.weight.unwrap_or(1), fault: written.try_into()? })
    }
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    every: Option<Time>,
    at: Option<Time>,
    on: Option<Trigger>,
    times: Option<u32>,
    r#for: Option<Lasts>,
    until: Option<Trigger>,
    one_of: Option<Vec<Weighted>>,
    all_of: Option<Vec<Weighted>>,
    sequence: Option<Vec<RuleStep>>,
}

impl TryFrom<WrittenRule> for FaultRule {
    type Error = &'static str;

    fn try_from(written: WrittenRule) -> Result<Self, Self::Error> {
        let WrittenRule { every, at, on, times, r#for, until, one_of, all_of, sequence } = written;
        let when = match (every, at, on) {
            (Some(Time(period)), None, None) => When::Every(period),
            (None, Some(Time(at)), None) => When::At(at),
            (None, None, Some(trigger)) => When::On(trigger, times.unwrap_or(1)),
            _ => return Err("a fault rule has exactly one of `every`, `at` and `on`"),
        };
        if times.is_some() && !matches!(when, When::On(..)) {
            return Err("`times` goes with `on`");
        }
        let (in_sequence, steps) = match (sequence, one_of.is_some() || all_of.is_some()) {
            (None, true) => {
                let lasts = r#for.ok_or("missing key `for`")?;
                let (choice, faults) = chosen(one_of, all_of)?;
                (false, vec![RuleStep { on: None, lasts, until, next: None, choice, faults }])
            }
            (Some(steps), false) if r#for.is_none() && until.is_none() => (true, steps),
            (Some(_), false) => return Err("`for` and `until` stand in the steps of a sequence"),
            _ => return Err("a fault rule has exactly one of `one_of`, `all_of` and `sequence`"),
        };
        Ok(Self { when, steps, in_sequence })
    }
}

/// A step of a sequence as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    on: Option<Trigger>,
    wait: Option<Time>,
    r#for: Option<Lasts>,
    until: Option<Trigger>,
    next: Option<Time>,
    one_of: Option<Vec<Weighted>>,
    all_of: Option<Vec<Weighted>>,
}

impl TryFrom<WrittenStep> for RuleStep {
    type Error = &'static str;

    fn try_from(written: WrittenStep) -> Result<Self, Self::Error> {
        let WrittenStep { on, wait, r#for, until, next, one_of, all_of } = written;
        let next = next.map(|Time(next)| next);
        match (wait, r#for) {
            (Some(_), Some(_)) => Err("a step either waits or lasts: `wait` or `for`"),
            (Some(Time(wait)), None) if one_of.is_none() && all_of.is_none() => {
                let (lasts, choice) = (Lasts::For(wait), Choice::AllOf);
                Ok(Self { on, lasts, until, next, choice, faults: Vec::new() })
            }
            (Some(_), None) => Err("what waits does nothing: faults go with `for`"),
            (None, Some(lasts)) => {
                let (choice, faults) = chosen(one_of, all_of)?;
                Ok(Self { on, lasts, until, next, choice, faults })
            }
            (None, None) => Err("a step has `for` or `wait`"),
        }
    }
}

fn chosen(
    one_of: Option<Vec<Weighted>>,
    all_of: Option<Vec<Weighted>>,
) -> Result<(Choice, Vec<Weighted>), &'static str> {
    match (one_of, all_of) {
        (Some(faults), None) => Ok((Choice::OneOf, faults)),
        (None, Some(faults)) => Ok((Choice::AllOf, faults)),
        _ => Err("expected exactly one of `one_of` and `all_of`"),
    }
}

impl FaultRule {
    /// How long the rule takes at least, from its beginning to the end of its last fault, if no event is waited for.
    pub(crate) fn length(&self) -> Duration {
        let (mut begin, mut end) = (Duration::ZERO, Duration::ZERO);
        for step in &self.steps {
            end = end.max(begin + step.lasts.duration());
            begin += step.next.unwrap_or_else(|| step.lasts.duration());
        }
        end
    }

    /// All faults of all steps.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.steps.iter().flat_map(|step| &step.faults).map(|weighted| &weighted.fault)
    }

    /// Everything that is waited for.
    pub(crate) fn triggers(&self) -> impl Iterator<Item = &Trigger> {
        let when = match &self.when {
            When::On(trigger, _) => Some(trigger),
            When::Every(_) | When::At(_) => None,
        };
        let steps = self.steps.iter().flat_map(|step| step.on.iter().chain(&step.until));
        when.into_iter().chain(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<FaultRule, serde_yaml::Error> {
        serde_yaml::from_str(yaml)
    }

    #[test]
    fn a_sequence_overlaps_where_it_says_next() {
        let rule = read(
            "every: 10s\nsequence:\n  - { for: 4s, next: 1s, all_of: [kill: { node: n1 }] }\n  \
             - { wait: 500ms }\n  - { on: { operations: 5 }, for: 1s, one_of: [{ weight: 3, pause: { node: n2 } }] }\n",
        )
        .unwrap();
        assert!(rule.in_sequence);
        assert_eq!(rule.length(), Duration::from_secs(4));
        assert_eq!((rule.faults().count(), rule.triggers().count()), (2, 1));
        assert_eq!(rule.steps[2].faults[0].weight, 3);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (yaml, words) in [
            ("at: 1s\nevery: 2s\nfor: 1s\nall_of: []", "exactly one of `every`, `at` and `on`"),
            ("at: 1s\ntimes: 2\nfor: 1s\nall_of: []", "`times` goes with `on`"),
            ("at: 1s\nall_of: []", "missing key `for`"),
            ("at: 1s\nfor: 1s", "exactly one of `one_of`, `all_of` and `sequence`"),
            ("at: 1s\nfor: 1s\nsequence: []", "stand in the steps"),
            ("at: 1s\nsequence: [{ all_of: [] }]", "`for` or `wait`"),
            ("at: 1s\nsequence: [{ wait: 1s, all_of: [] }]", "does nothing"),
            ("at: 1s\nfor: never\nall_of: []", "`never` is not a duration"),
        ] {
            let error = read(yaml).unwrap_err().to_string();
            assert!(error.contains(words), "{yaml}: {error}");
        }
    }

    #[test]
    fn what_is_for_ever_is_said() {
        let rule = read("at: 1s\nfor: ever\nall_of: [kill: { node: n1 }]").unwrap();
        assert_eq!(rule.steps[0].lasts, Lasts::Ever);
    }
}

//! The fault schedule: what is done to the system, and when. All that is left to chance is drawn here; what depends on the moment
//! is a cue that is waited for, or a target that is resolved when its fault is applied.

use std::time::Duration;

use super::random::{Random, stream};
use crate::workload::{
    Choice, Fault, FaultRule, Lasts, Moment, RuleStep, Trigger, Weighted, When, Workload,
};

/// Everything that will be done to the system.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) occurrences: Vec<Occurrence>,
}

/// One occurrence of a rule: steps, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Occurrence {
    /// When it begins, counted from the beginning of the drive phase.
    pub(crate) at: Duration,
    pub(crate) steps: Vec<Step>,
}

/// Some faults, from their beginning to their end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// What it waits for.
    pub(crate) cue: Option<Cue>,
    /// Whether the run proves nothing if its cue never comes.
    pub(crate) required: bool,
    /// What is done; nothing, and it only waits.
    pub(crate) faults: Vec<PlannedFault>,
    /// How long they are in force.
    pub(crate) lasts: Lasts,
    /// What ends them earlier.
    pub(crate) until: Option<Cue>,
    /// How long after its beginning the next step begins; without it, when it ends.
    pub(crate) next: Option<Duration>,
}

/// A moment that is not known before it is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cue {
    /// Something happens.
    On(Trigger),
    /// The run has come as far as an earlier run had.
    Again(Moment),
}

/// A fault as it is planned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedFault {
    /// `f1`, `f2`, … by time; what waits for something comes last.
    pub(crate) id: String,
    pub(crate) fault: Fault,
    /// Decides what the fault leaves to chance (`any`, `halves`).
    pub(crate) seed: u64,
}

impl Schedule {
    /// The schedule of a workload. Rules do not disturb each other: each draws from its own stream.
    pub(crate) fn new(workload: &Workload, seed: u64) -> Self {
        let mut occurrences = Vec::new();
        for (number, rule) in workload.faults.iter().enumerate() {
            let mut random = stream(seed, &format!("faults {number}"));
            for at in begins(rule, workload.duration, &mut random) {
                occurrences.push(Occurrence { at, steps: steps(rule, &mut random) });
            }
        }
        occurrences.sort_by_key(|occurrence| (occurrence.waits(), occurrence.at));
        let faults = occurrences.iter_mut().flat_map(|occurrence| &mut occurrence.steps);
        for (number, fault) in faults.flat_map(|step| &mut step.faults).enumerate() {
            fault.id = format!("f{}", number + 1);
        }
        Self { occurrences }
    }

    /// All faults, in the order of their names.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &PlannedFault> {
        let steps = self.occurrences.iter().flat_map(|occurrence| &occurrence.steps);
        steps.flat_map(|step| &step.faults)
    }
}

impl Occurrence {
    fn waits(&self) -> bool {
        self.steps.first().is_some_and(|step| step.cue.is_some())
    }
}

/// When the occurrences of a rule begin. A repeated one begins once in each slot of its period, somewhere such that it ends within the slot. What waits
/// for something waits from the beginning on.
fn begins(rule: &FaultRule, duration: Duration, random: &mut Random) -> Vec<Duration> {
    match &rule.when {
        When::At(at) => vec![*at],
        When::On(..) => vec![Duration::ZERO],
        When::Every(period) => {
            let slots = (duration.as_nanos() / period.as_nanos()) as u32;
            let room = period.saturating_sub(rule.length()).as_nanos().max(1) as u64;
            let offset = |slot| *period * slot + Duration::from_nanos(random.below(room));
            (0..slots).map(offset).collect()
        }
    }
}

/// The steps of one occurrence. One that waits for something several times has its steps as often.
fn steps(rule: &FaultRule, random: &mut Random) -> Vec<Step> {
    let When::On(trigger, times) = &rule.when else {
        return rule.steps.iter().map(|step| planned(step, random)).collect();
    };
    let mut steps = Vec::new();
    for time in 0..*times {
        for (place, step) in rule.steps.iter().enumerate() {
            let mut step = planned(step, random);
            step.required = time == 0;
            if place == 0 {
                step.cue = Some(Cue::On(trigger.clone()));
            }
            steps.push(step);
        }
    }
    steps
}

fn planned(step: &RuleStep, random: &mut Random) -> Step {
    let faults = chosen(step, random).into_iter();
    let faults = faults.map(|fault| PlannedFault { id: String::new(), fault, seed: random.next() });
    Step {
        faults: faults.collect(),
        cue: step.on.clone().map(Cue::On),
        required: true,
        lasts: step.lasts,
        until: step.until.clone().map(Cue::On),
        next: step.next,
    }
}

fn chosen(step: &RuleStep, random: &mut Random) -> Vec<Fault> {
    match step.choice {
        Choice::OneOf => weighed(&step.faults, random).cloned().into_iter().collect(),
        Choice::AllOf => step.faults.iter().map(|weighted| weighted.fault.clone()).collect(),
    }
}

/// One of several, each as often as its weight says.
fn weighed<'a>(faults: &'a [Weighted], random: &mut Random) -> Option<&'a Fault> {
    let sum: u64 = faults.iter().map(|fault| u64::from(fault.weight)).sum();
    let mut drawn = if sum == 0 { return None } else { random.below(sum) };
    for Weighted { weight, fault } in faults {
        match drawn.checked_sub(u64::from(*weight)) {
            None => return Some(fault),
            Some(rest) => drawn = rest,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::with_faults;

    #[test]
    fn occurrences_of_a_rule_never_overlap_and_end_within_the_run() {
        let workload = with_faults(
            "\n  - every: 3s\n    for: 2s\n    one_of: [{ kill: { node: leader } }, { pause: { node: any } }]",
        );
        for seed in 0..200 {
            let occurrences = Schedule::new(&workload, seed).occurrences;
            assert_eq!(occurrences.len(), 10); // 30 s
            let lasts = Duration::from_secs(2);
            for pair in occurrences.windows(2) {
                assert!(pair[0].at + lasts <= pair[1].at, "seed {seed}: {pair:?}");
            }
            assert!(occurrences.iter().all(|each| each.at + lasts <= workload.duration));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_every_choice_is_made_as_often_as_it_weighs() {
        let workload = with_faults(
            "\n  - every: 100ms\n    for: 50ms\n    one_of: [{ weight: 3, kill: { node: leader } }, { pause: { node: any } }]",
        );
        assert_eq!(Schedule::new(&workload, 7), Schedule::new(&workload, 7));
        assert_ne!(Schedule::new(&workload, 7), Schedule::new(&workload, 8));
        let schedule = Schedule::new(&workload, 7);
        let kills = schedule.faults().filter(|each| matches!(each.fault, Fault::Kill(_))).count();
        assert!((195..255).contains(&kills), "{kills} of 300");
    }

    #[test]
    fn a_script_is_kept_and_all_of_means_at_once() {
        let workload = with_faults(
            "\n  - at: 4s\n    for: 1s\n    all_of: [{ kill: { node: n1 } }, { pause: { node: n2 } }]",
        );
        let occurrences = Schedule::new(&workload, 7).occurrences;
        assert_eq!((occurrences.len(), occurrences[0].at), (1, Duration::from_secs(4)));
        let ids: Vec<_> = occurrences[0].steps[0].faults.iter().map(|each| &each.id).collect();
        assert_eq!(ids, ["f1", "f2"]);
    }

    #[test]
    fn what_waits_for_something_is_planned_as_often_as_it_may_come() {
        let workload = with_faults(
            "\n  - on: { leader: elected }\n    times: 2\n    sequence:\n      - { for: 1s, all_of: [pause: { node: leader }] }\n      - { wait: 1s }\n  \
             - { at: 1s, for: 1s, all_of: [kill: { node: n1 }] }",
        );
        let occurrences = Schedule::new(&workload, 7).occurrences;
        assert_eq!(occurrences[0].steps[0].faults[0].id, "f1", "the kill, which has a time");
        let steps = &occurrences[1].steps;
        let shape: Vec<_> = steps
            .iter()
            .map(|step| (step.cue.is_some(), step.required, step.faults.len()))
            .collect();
        assert_eq!(shape, [(true, true, 1), (false, true, 0), (true, false, 1), (false, false, 0)]);
    }
}

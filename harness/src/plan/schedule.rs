//! The fault schedule: when which fault is in force.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::random::{Random, stream};
use crate::workload::{Choice, Fault, FaultRule, When, Workload};

/// Everything that will be done to the system, by time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Schedule {
    pub(crate) steps: Vec<Step>,
}

/// One fault, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Step {
    /// `f1`, `f2`, … by time.
    pub(crate) id: String,
    /// When it begins, counted from the beginning of the drive phase.
    #[serde(serialize_with = "nanoseconds")]
    pub(crate) at: Duration,
    /// How long it lasts.
    #[serde(serialize_with = "nanoseconds")]
    pub(crate) lasts: Duration,
    /// What is done.
    pub(crate) fault: Fault,
    /// Decides what the fault leaves to chance (`any`, `halves`).
    pub(crate) seed: u64,
}

fn nanoseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_nanos() as u64)
}

impl Schedule {
    /// The schedule of a workload. Rules do not disturb each other: each draws from its own stream.
    pub(crate) fn new(workload: &Workload, seed: u64) -> Self {
        let mut steps = Vec::new();
        for (number, rule) in workload.faults.iter().enumerate() {
            let mut random = stream(seed, &format!("faults {number}"));
            for at in occurrences(rule, workload.duration, &mut random) {
                for fault in chosen(rule, &mut random) {
                    let (id, seed) = (String::new(), random.next());
                    steps.push(Step { id, at, lasts: rule.lasts, fault, seed });
                }
            }
        }
        steps.sort_by_key(|step| step.at);
        for (number, step) in steps.iter_mut().enumerate() {
            step.id = format!("f{}", number + 1);
        }
        Self { steps }
    }
}

/// When a rule's fault begins. A repeated one begins once in each slot of its period, somewhere such that it ends within the slot.
fn occurrences(rule: &FaultRule, duration: Duration, random: &mut Random) -> Vec<Duration> {
    match rule.when {
        When::At(at) => vec![at],
        When::Every(period) => {
            let slots = (duration.as_nanos() / period.as_nanos()) as u32;
            let room = (period - rule.lasts).as_nanos().max(1) as u64;
            let offset = |slot| period * slot + Duration::from_nanos(random.below(room));
            (0..slots).map(offset).collect()
        }
    }
}

fn chosen(rule: &FaultRule, random: &mut Random) -> Vec<Fault> {
    match rule.choice {
        Choice::OneOf => random.pick(&rule.faults).cloned().into_iter().collect(),
        Choice::AllOf => rule.faults.clone(),
    }
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
            let steps = Schedule::new(&workload, seed).steps;
            assert_eq!(steps.len(), 10); // 30 s
            for pair in steps.windows(2) {
                assert!(pair[0].at + pair[0].lasts <= pair[1].at, "seed {seed}: {pair:?}");
            }
            assert!(steps.iter().all(|step| step.at + step.lasts <= workload.duration));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_every_choice_is_made_sometimes() {
        let workload = with_faults(
            "\n  - every: 3s\n    for: 1s\n    one_of: [{ kill: { node: leader } }, { pause: { node: any } }]",
        );
        assert_eq!(Schedule::new(&workload, 7), Schedule::new(&workload, 7));
        assert_ne!(Schedule::new(&workload, 7), Schedule::new(&workload, 8));
        let steps = Schedule::new(&workload, 7).steps;
        let kills = steps.iter().filter(|step| matches!(step.fault, Fault::Kill(_))).count();
        assert!((1..10).contains(&kills), "{kills}");
    }

    #[test]
    fn a_script_is_kept_and_all_of_means_at_once() {
        let workload = with_faults(
            "\n  - at: 4s\n    for: 1s\n    all_of: [{ kill: { node: n1 } }, { pause: { node: n2 } }]",
        );
        let steps = Schedule::new(&workload, 7).steps;
        let times: Vec<_> =
            steps.iter().map(|step| (step.id.as_str(), step.at.as_secs())).collect();
        assert_eq!(times, [("f1", 4), ("f2", 4)]);
    }
}

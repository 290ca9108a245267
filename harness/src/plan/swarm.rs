//! Swarm testing: each run draws which of the workload's faults are on, and how hard they are.
//!
//! A run in which everything happens at once hides what only some of it would show (Groce and others, *Swarm Testing*, 2012): one fault can keep another
//! from doing harm. So every rule is kept or left out by chance, every alternative of it too, and periods, lengths, shares and delays are made
//! smaller or larger.

use std::time::Duration;

use super::random::{Random, stream};
use crate::workload::{Choice, Fault, FaultRule, Lasts, Packets, Starve, When, Workload};

/// The faults of a workload as this seed has them, and what was left out, in words.
pub(crate) fn swarm(workload: &Workload, seed: u64) -> (Vec<FaultRule>, Vec<String>) {
    let mut random = stream(seed, "swarm");
    let mut rules: Vec<_> =
        workload.faults.iter().map(|rule| (random.chance(0.5), vary(rule, &mut random))).collect();
    // A run without any fault is no swarm run.
    if let Some(place) = place_of_one(rules.len(), &mut random)
        && rules.iter().all(|(kept, _)| !kept)
    {
        rules[place].0 = true;
    }
    let mut left_out = Vec::new();
    let mut faults = Vec::new();
    for (number, (kept, (rule, dropped))) in rules.into_iter().enumerate() {
        if kept {
            left_out
                .extend(dropped.into_iter().map(|kind| format!("{kind} of rule {}", number + 1)));
            faults.push(fitted(rule, workload.duration));
        } else {
            left_out.push(format!("rule {}", number + 1));
        }
    }
    (faults, left_out)
}

fn place_of_one(count: usize, random: &mut Random) -> Option<usize> {
    if count == 0 { None } else { Some(random.below(count as u64) as usize) }
}

/// A rule with some of its alternatives, and harder or softer. Says what was left out.
fn vary(rule: &FaultRule, random: &mut Random) -> (FaultRule, Vec<&'static str>) {
    let mut rule = rule.clone();
    let mut dropped = Vec::new();
    if let When::Every(period) = &mut rule.when {
        *period = scaled(*period, random);
    }
    for step in &mut rule.steps {
        if let Lasts::For(duration) = &mut step.lasts {
            *duration = scaled(*duration, random);
        }
        if step.choice == Choice::OneOf && step.faults.len() > 1 {
            let keeper = random.below(step.faults.len() as u64) as usize;
            let mut kept = Vec::new();
            for (place, fault) in step.faults.drain(..).enumerate() {
                if place == keeper || random.chance(0.5) {
                    kept.push(fault);
                } else {
                    dropped.push(fault.fault.kind());
                }
            }
            step.faults = kept;
        }
        for fault in &mut step.faults {
            harden(&mut fault.fault, random);
        }
    }
    (rule, dropped)
}

/// Shares, delays and limits of a fault, half to twice of what they are.
fn harden(fault: &mut Fault, random: &mut Random) {
    match fault {
        Fault::Messages(messages) => {
            for share in [&mut messages.drop, &mut messages.duplicate, &mut messages.reorder] {
                *share = self::share(*share, random);
            }
            for delay in [&mut messages.delay, &mut messages.jitter] {
                *delay = scaled(*delay, random);
            }
        }
        Fault::Packets(packets) => harden_packets(packets, random),
        Fault::Restart(restart) => {
            restart.every = restart.every.map(|every| scaled(every, random));
        }
        Fault::Starve(starve) => {
            let (least, most) = (*Starve::CPU.start(), *Starve::CPU.end());
            starve.cpu = share(starve.cpu, random).clamp(least, most);
            starve.cycle = scaled(starve.cycle, random).max(Starve::CYCLE_MIN);
        }
        Fault::Limit(limit) => {
            limit.open_files = (limit.open_files as f64 * factor(random)).round().max(1.0) as u64;
        }
        _ => {}
    }
}

/// What happens to packets, half to twice as often and as much. Marks, sizes and source ports are as they are.
fn harden_packets(packets: &mut Packets, random: &mut Random) {
    let Packets { loss, reorder, duplicate, corrupt, .. } = packets;
    for share in [loss, reorder, duplicate, corrupt] {
        *share = self::share(*share, random);
    }
    if let Some(bursts) = &mut packets.loss_bursts {
        bursts.begin = share(bursts.begin, random);
        bursts.end = share(bursts.end, random);
    }
    for late in [&mut packets.delay, &mut packets.jitter, &mut packets.reorder_by] {
        *late = scaled(*late, random);
    }
    packets.rate = packets.rate.map(|rate| ((rate as f64 * factor(random)) as u64).max(1));
}

/// Half to twice as much, at most all, to a hundredth of a percent, and something where it was something.
fn share(of: f64, random: &mut Random) -> f64 {
    let least = if of > 0.0 { 1e-4 } else { 0.0 };
    ((of * factor(random) * 1e4).round() / 1e4).clamp(least, 1.0)
}

/// Half to twice as much, and something where it was something.
fn scaled(duration: Duration, random: &mut Random) -> Duration {
    let milliseconds = duration.as_millis() as f64 * factor(random);
    let least = u64::from(!duration.is_zero());
    Duration::from_millis((milliseconds as u64).max(least))
}

/// From a half to two, each doubling as likely.
fn factor(random: &mut Random) -> f64 {
    let exponent = random.below(2_001) as f64 / 1_000.0 - 1.0;
    exponent.exp2()
}

/// What was made longer must still fit into its period, and into the run.
fn fitted(mut rule: FaultRule, duration: Duration) -> FaultRule {
    let length = rule.length();
    match &mut rule.when {
        When::Every(period) => {
            *period = (*period).max(length + Duration::from_millis(1)).min(duration);
        }
        When::At(at) => *at = (*at).min(duration.saturating_sub(length)),
        When::On(..) => {}
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Schedule;
    use crate::workload::tests::with_faults;

    const RULES: &str = "\n  - every: 3s\n    for: 1s\n    one_of: [{ kill: { node: leader } }, { pause: { node: any } }]\n  \
                         - every: 2s\n    for: 1s\n    all_of: [partition: { isolate: leader }]\n  \
                         - at: 25s\n    for: 4s\n    all_of: [messages: { drop: 60%, delay: 10ms }]";

    #[test]
    fn every_seed_has_some_of_it_and_the_same_seed_the_same() {
        let workload = with_faults(RULES);
        let (mut shapes, mut all, mut none) = (std::collections::BTreeSet::new(), 0, 0);
        for seed in 0..200 {
            let mut drawn = with_faults(RULES);
            let left_out;
            (drawn.faults, left_out) = swarm(&workload, seed);
            assert_eq!(swarm(&workload, seed).0, drawn.faults);
            let schedule = Schedule::new(&drawn, seed);
            for occurrence in &schedule.occurrences {
                let length: Duration =
                    occurrence.steps.iter().map(|step| step.lasts.duration()).sum();
                assert!(occurrence.at + length <= workload.duration, "seed {seed}");
            }
            none += usize::from(drawn.faults.is_empty());
            all += usize::from(left_out.is_empty());
            shapes.insert(left_out);
        }
        assert_eq!(none, 0, "a run without a fault");
        assert!((1..100).contains(&all), "all of it in {all} of 200 runs");
        assert!(shapes.len() >= 7, "{shapes:?}");
    }

    #[test]
    fn packets_fare_better_or_worse_and_never_in_an_impossible_way() {
        let workload = with_faults(
            "\n  - at: 1s\n    for: 1s\n    all_of: [packets: { loss: 60%, reorder: 10%, reorder_by: 1ms, rate: 1MB/s }]\n  \
             - at: 5s\n    for: 1s\n    all_of: [packets: { loss_bursts: { begin: 2%, end: 70% }, delay: 10ms }]",
        );
        let (mut losses, mut rates) = (Vec::new(), Vec::new());
        for seed in 0..200 {
            for rule in swarm(&workload, seed).0 {
                let Some(Fault::Packets(packets)) = rule.faults().next() else {
                    panic!("{rule:?}")
                };
                if let Some(bursts) = packets.loss_bursts {
                    assert!((0.01..=0.04).contains(&bursts.begin), "{packets:?}");
                    assert!((0.35..=1.0).contains(&bursts.end), "{packets:?}");
                    assert!((5..=20).contains(&packets.delay.as_millis()), "{packets:?}");
                } else {
                    assert!(!packets.reorder_by.is_zero() && packets.reorder > 0.0, "{packets:?}");
                    losses.push(packets.loss);
                    rates.extend(packets.rate);
                }
            }
        }
        assert!(losses.iter().all(|loss| (0.3..=1.0).contains(loss)), "{losses:?}");
        assert!(losses.iter().any(|loss| *loss < 0.5) && losses.contains(&1.0), "{losses:?}");
        assert!(rates.iter().any(|rate| *rate < 800_000), "{rates:?}");
        assert!(rates.iter().any(|rate| *rate > 1_250_000), "{rates:?}");
    }

    #[test]
    fn shares_stay_shares() {
        for seed in 0..200 {
            for rule in swarm(&with_faults(RULES), seed).0 {
                for fault in rule.faults() {
                    if let Fault::Messages(messages) = fault {
                        assert!((0.3..=1.0).contains(&messages.drop), "{messages:?}");
                    }
                }
            }
        }
    }
}

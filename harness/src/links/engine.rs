//! What becomes of a datagram on a directed link. Pure: the rules in force, the link's own randomness, the answer.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::plan::Random;

/// What a fault does to the datagrams of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// Nothing passes.
    Cut,
    /// Some are lost, the others are late.
    Impair {
        /// Share of the datagrams that are lost, 0 to 1.
        loss: f64,
        /// How late each is, at least.
        delay: Duration,
        /// How much later than that, at most; drawn evenly. More than the gap between two datagrams reorders them.
        jitter: Duration,
    },
}

/// What a fault did on one link: the evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counters {
    /// Datagrams that came by while the fault was in force.
    pub(crate) seen: u64,
    /// Those that it dropped.
    pub(crate) dropped: u64,
    /// Those that it delayed.
    pub(crate) delayed: u64,
    /// Those that were passed on though it should have stopped them. Must be 0.
    pub(crate) leaked: u64,
}

impl Counters {
    pub(crate) fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.dropped += other.dropped;
        self.delayed += other.delayed;
        self.leaked += other.leaked;
    }
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Drop,
    /// Passed on after this time; zero is at once.
    Pass(Duration),
}

/// One directed link.
#[derive(Debug)]
pub(crate) struct Link {
    random: Random,
    /// The faults in force, by id.
    faults: BTreeMap<String, (Rule, Counters)>,
    /// Datagrams passed on, ever.
    passed: u64,
}

impl Link {
    /// A link without faults. Its losses depend on the seed and the datagrams alone.
    pub(crate) fn new(random: Random) -> Self {
        Self { random, faults: BTreeMap::new(), passed: 0 }
    }

    pub(crate) fn begin(&mut self, fault: &str, rule: Rule) {
        self.faults.insert(fault.to_string(), (rule, Counters::default()));
    }

    /// What a fault in force has done so far.
    #[cfg(test)]
    pub(super) fn counters(&self, fault: &str) -> Counters {
        self.faults.get(fault).map(|(_, counters)| *counters).unwrap_or_default()
    }

    pub(crate) fn end(&mut self, fault: &str) -> Option<Counters> {
        self.faults.remove(fault).map(|(_, counters)| counters)
    }

    /// Decides about a datagram that came in.
    pub(crate) fn decide(&mut self) -> Fate {
        let mut late = Duration::ZERO;
        let mut dropped = false;
        for (rule, counters) in self.faults.values_mut() {
            counters.seen += 1;
            let fate = match rule {
                Rule::Cut => Fate::Drop,
                Rule::Impair { loss, .. } if self.random.chance(*loss) => Fate::Drop,
                Rule::Impair { delay, jitter, .. } => {
                    Fate::Pass(*delay + share(*jitter, &mut self.random))
                }
            };
            match fate {
                Fate::Drop => {
                    counters.dropped += 1;
                    dropped = true;
                }
                Fate::Pass(Duration::ZERO) => {}
                Fate::Pass(delay) => {
                    counters.delayed += 1;
                    late += delay;
                }
            }
        }
        if dropped { Fate::Drop } else { Fate::Pass(late) }
    }

    /// Decides about a datagram whose delay is over: what was cut meanwhile does not pass.
    pub(crate) fn release(&mut self) -> Fate {
        let mut fate = Fate::Pass(Duration::ZERO);
        for (rule, counters) in self.faults.values_mut() {
            if *rule == Rule::Cut {
                counters.seen += 1;
                counters.dropped += 1;
                fate = Fate::Drop;
            }
        }
        fate
    }

    /// Notes that a datagram was passed on. While the link is cut that must never happen, and is counted against the fault.
    pub(crate) fn passed_on(&mut self) {
        self.passed += 1;
        for (rule, counters) in self.faults.values_mut() {
            if *rule == Rule::Cut {
                counters.leaked += 1;
            }
        }
    }

    /// Datagrams passed on, ever.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }
}

fn share(whole: Duration, random: &mut Random) -> Duration {
    let nanoseconds = whole.as_nanos() as u64;
    if nanoseconds == 0 { Duration::ZERO } else { Duration::from_nanos(random.below(nanoseconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::stream;

    fn link(seed: u64) -> Link {
        Link::new(stream(seed, "link n1->n2"))
    }

    fn impair(loss: f64, delay_ms: u64, jitter_ms: u64) -> Rule {
        let delay = Duration::from_millis(delay_ms);
        Rule::Impair { loss, delay, jitter: Duration::from_millis(jitter_ms) }
    }

    #[test]
    fn a_link_without_faults_passes_everything_at_once() {
        let mut link = link(1);
        assert!((0..100).all(|_| link.decide() == Fate::Pass(Duration::ZERO)));
    }

    #[test]
    fn a_cut_drops_everything_counts_it_and_ends() {
        let mut link = link(1);
        link.begin("f1", Rule::Cut);
        assert!((0..10).all(|_| link.decide() == Fate::Drop));
        let counters = link.end("f1").unwrap();
        assert_eq!(counters, Counters { seen: 10, dropped: 10, ..Counters::default() });
        assert_eq!(link.decide(), Fate::Pass(Duration::ZERO));
        assert_eq!(link.end("f1"), None);
    }

    #[test]
    fn what_passes_a_cut_link_is_counted_as_leaked() {
        let mut link = link(1);
        link.begin("f1", Rule::Cut);
        link.passed_on();
        assert_eq!(link.end("f1").unwrap().leaked, 1);
    }

    #[test]
    fn a_datagram_under_way_when_the_link_is_cut_is_dropped_on_release() {
        let mut link = link(1);
        link.begin("f1", impair(0.0, 40, 0));
        assert_eq!(link.decide(), Fate::Pass(Duration::from_millis(40)));
        link.begin("f2", Rule::Cut);
        assert_eq!(link.release(), Fate::Drop);
        assert_eq!(link.end("f2").unwrap().dropped, 1);
    }

    #[test]
    fn losses_and_delays_are_those_asked_for_and_the_same_for_the_same_seed() {
        let run = |seed| {
            let mut link = link(seed);
            link.begin("f1", impair(0.2, 40, 20));
            let fates: Vec<_> = (0..10_000).map(|_| link.decide()).collect();
            (fates, link.end("f1").unwrap())
        };
        let (fates, counters) = run(7);
        assert_eq!((fates.clone(), counters), run(7));
        assert_ne!(fates, run(8).0);
        assert!((1_800..2_200).contains(&counters.dropped), "{counters:?}");
        assert_eq!(counters.delayed + counters.dropped, 10_000);
        let within = |fate: &Fate| match fate {
            Fate::Drop => true,
            Fate::Pass(late) => (40..60).contains(&late.as_millis()),
        };
        assert!(fates.iter().all(within));
    }
}

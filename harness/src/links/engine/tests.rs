//! The engine under a virtual clock.

use super::*;

const BYTES: usize = 1_200;
const ECT0: u8 = 0b10;

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A link whose items carry the number of their arrival, from 1; one comes every millisecond.
struct Lane {
    link: Link<u64>,
    now: Duration,
    sent: u64,
    /// What was passed on: when, which, how.
    out: Vec<(u64, u64, Passage)>,
}

impl Lane {
    fn new(seed: u64) -> Self {
        let link = Link::new(seed, "n1", "n2");
        Self { link, now: Duration::ZERO, sent: 0, out: Vec::new() }
    }

    fn with(seed: u64, rule: Rule) -> Self {
        let mut lane = Self::new(seed);
        lane.begin("f1", rule);
        lane
    }

    fn begin(&mut self, id: &str, rule: Rule) {
        self.link.begin(id, rule, self.now);
    }

    fn send(&mut self, count: u64) {
        for _ in 0..count {
            self.send_item(Item { bytes: BYTES, ecn: ECT0, class: 0 });
        }
    }

    fn send_item(&mut self, item: Item) {
        self.advance(milliseconds(1));
        self.sent += 1;
        let number = self.sent;
        if let Ok(passage) = self.link.offer(item, self.now, || number) {
            self.pass(passage, number);
        }
    }

    /// Lets time pass, and everything that comes due meanwhile.
    fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        while let Some(due) = self.link.next_due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            if let Some((passage, number)) = self.link.due(self.now) {
                self.pass(passage, number);
            }
        }
        self.now = until;
    }

    fn pass(&mut self, passage: Passage, number: u64) {
        self.link.passed_on(&passage, self.now);
        self.out.push((self.now.as_millis() as u64, number, passage));
    }

    fn end(&mut self, id: &str) -> Tally {
        let tally = self.link.end(id, self.now).expect("the fault is in force");
        self.advance(Duration::ZERO);
        tally
    }

    fn numbers(&self) -> Vec<u64> {
        self.out.iter().map(|(_, number, _)| *number).collect()
    }
}

fn cut(mode: CutMode) -> Rule {
    Rule::Cut { mode, flapping: None }
}

fn impair(impairment: Impairment) -> Rule {
    Rule::Impair(impairment)
}

fn loss(share: f64) -> Rule {
    impair(Impairment { loss: Some(Loss::Share(share)), ..Impairment::default() })
}

fn delay(base: u64, jitter: u64, distribution: Distribution) -> Rule {
    let delay = Delay { base: milliseconds(base), jitter: milliseconds(jitter), distribution };
    impair(Impairment { delay: Some(delay), ..Impairment::default() })
}

#[test]
fn a_link_without_faults_passes_everything_at_once() {
    let mut lane = Lane::new(1);
    assert!(lane.link.is_idle());
    lane.send(100);
    assert_eq!(lane.numbers(), (1..=100).collect::<Vec<_>>());
    assert_eq!((lane.link.passed(), lane.link.next_due()), (100, None));
}

#[test]
fn a_cut_drops_everything_counts_it_and_ends() {
    let mut lane = Lane::with(1, cut(CutMode::Drop));
    lane.send(10);
    let tally = lane.end("f1");
    let bytes = 10 * BYTES as u64;
    assert_eq!(tally.counters, Counters { seen: 10, bytes, dropped: 10, ..Counters::default() });
    lane.send(1);
    assert_eq!(lane.numbers(), [11]);
    assert_eq!(lane.link.end("f1", lane.now), None);
}

#[test]
fn what_one_fault_drops_no_other_has_touched() {
    let mut lane = Lane::with(1, loss(1.0));
    lane.begin("f2", delay(5, 0, Distribution::Uniform));
    lane.send(10);
    let touched = |tally: Tally| tally.by_class.values().sum::<u64>();
    assert_eq!(touched(lane.end("f1")), 10);
    assert_eq!(touched(lane.end("f2")), 0);
}

#[test]
fn what_is_held_comes_in_order_when_the_last_cut_that_holds_it_ends() {
    let mut lane = Lane::with(1, cut(CutMode::Hold));
    lane.send(2);
    lane.begin("f2", cut(CutMode::Hold));
    lane.send(2);
    assert!(lane.out.is_empty());
    let first = lane.end("f1").counters;
    assert_eq!((first.seen, first.held, first.released), (4, 4, 4));
    // The second cut took hold of them when they came due.
    assert!(lane.out.is_empty());
    let second = lane.end("f2").counters;
    assert_eq!((second.held, second.released, second.leaked), (4, 4, 0));
    lane.send(1);
    assert_eq!(lane.numbers(), [1, 2, 3, 4, 5]);
}

#[test]
fn what_passes_a_cut_link_is_counted_as_leaked() {
    let mut lane = Lane::new(1);
    lane.send(1);
    let passage = lane.out[0].2.clone();
    for mode in [CutMode::Drop, CutMode::Hold] {
        lane.begin("f1", cut(mode));
        lane.link.passed_on(&passage, lane.now);
        assert_eq!(lane.end("f1").counters.leaked, 1);
    }
}

#[test]
fn what_is_under_way_when_the_link_is_cut_is_lost_or_held() {
    for (mode, late) in [(CutMode::Drop, 0), (CutMode::Hold, 1)] {
        let mut lane = Lane::with(1, delay(40, 0, Distribution::Uniform));
        lane.send(1);
        lane.begin("f2", cut(mode));
        lane.advance(milliseconds(100));
        assert!(lane.out.is_empty());
        let counters = lane.end("f2").counters;
        assert_eq!((counters.seen, counters.dropped, counters.held), (1, 1 - late, late));
        assert_eq!(lane.out.len() as u64, late);
    }
}

#[test]
fn a_flapping_link_is_cut_and_whole_in_turn() {
    let flapping = Some(Flapping { up: milliseconds(30), down: milliseconds(20) });
    let mut lane = Lane::with(1, Rule::Cut { mode: CutMode::Drop, flapping });
    lane.send(100);
    // Items come at 1, 2, … ms; the link is down from 0 to 20 and from 50 to 70.
    assert_eq!(lane.numbers(), (20..50).chain(70..=99).collect::<Vec<_>>());
    assert_eq!(lane.end("f1").counters.leaked, 0);

    let mut lane = Lane::with(1, Rule::Cut { mode: CutMode::Hold, flapping });
    lane.send(100);
    assert_eq!(lane.numbers(), (1..100).collect::<Vec<_>>());
    assert_eq!(lane.out[0].0, 20);
    let counters = lane.end("f1").counters;
    assert_eq!((counters.held, counters.released, counters.leaked), (40, 40, 0));
}

#[test]
fn a_pattern_of_losses_is_the_same_for_the_same_seed_and_hangs_on_nothing_else() {
    let losses = |seed, rules: Vec<(&str, Rule)>| {
        let mut lane = Lane::new(seed);
        for (id, rule) in rules {
            lane.begin(id, rule);
        }
        lane.send(2_000);
        lane.advance(milliseconds(1_000));
        let mut passed = lane.numbers();
        passed.sort_unstable();
        passed
    };
    let alone = losses(7, vec![("f1", loss(0.2))]);
    assert!((1_500..1_700).contains(&alone.len()), "{}", alone.len());
    assert_eq!(alone, losses(7, vec![("f1", loss(0.2))]));
    assert_ne!(alone, losses(8, vec![("f1", loss(0.2))]));
    // Neither another fault nor another effect of the same fault shifts it.
    let late = delay(5, 10, Distribution::Normal);
    assert_eq!(alone, losses(7, vec![("f0", late), ("f1", loss(0.2))]));
    let everything = Impairment {
        loss: Some(Loss::Share(0.2)),
        delay: Some(Delay {
            base: milliseconds(1),
            ..Delay {
                base: Duration::ZERO,
                jitter: milliseconds(9),
                distribution: Distribution::Pareto,
            }
        }),
        duplicate: 0.3,
        corrupt: 0.3,
        reorder: Some(Reorder { share: 0.3, by: milliseconds(5) }),
        ..Impairment::default()
    };
    assert_eq!(alone, losses(7, vec![("f1", impair(everything))]));
    assert_eq!(alone[..10], [1, 2, 3, 4, 6, 8, 9, 10, 11, 12]); // The pattern of a seed means the same for ever.
}

#[test]
fn bursts_lose_in_streaks_as_often_as_they_should() {
    let bursts = Bursts { begin: 0.01, end: 0.1, within: 1.0, between: 0.0 };
    let rule = impair(Impairment { loss: Some(Loss::Bursts(bursts)), ..Impairment::default() });
    let mut lane = Lane::with(3, rule);
    lane.send(50_000);
    let dropped = lane.link.counters("f1").dropped;
    // In the long run begin / (begin + end) of the time is within bursts, which last 1 / end items.
    assert!((3_800..5_300).contains(&dropped), "{dropped}");
    let streaks = lane.numbers().windows(2).filter(|pair| pair[1] - pair[0] > 1).count() as u64;
    assert!((8..=12).contains(&(dropped / streaks)), "{dropped} in {streaks} streaks");
}

#[test]
fn correlation_makes_streaks_without_losing_more() {
    let streaks = |correlation| {
        let loss = Some(Loss::Share(0.2));
        let mut lane =
            Lane::with(5, impair(Impairment { loss, correlation, ..Impairment::default() }));
        lane.send(20_000);
        let dropped = lane.link.counters("f1").dropped;
        assert!((3_600..4_400).contains(&dropped), "{dropped}");
        lane.numbers().windows(2).filter(|pair| pair[1] - pair[0] > 1).count() as u64
    };
    // A streak ends with chance (1 - correlation) (1 - share).
    let (alone, together) = (streaks(0.0), streaks(0.75));
    assert!(alone > 3 * together, "{alone} {together}");
}

#[test]
fn delays_spread_as_they_are_asked_to() {
    for (distribution, least, mean, most) in [
        (Distribution::Uniform, 40, 45..=55, 60),
        (Distribution::Normal, 0, 38..=42, 160),
        (Distribution::Pareto, 40, 58..=62, 2_040),
    ] {
        let mut lane = Lane::with(9, delay(40, 20, distribution));
        lane.send(10_000);
        lane.advance(milliseconds(3_000));
        let late: Vec<_> = lane.out.iter().map(|(at, number, _)| at - number).collect();
        let average = late.iter().sum::<u64>() / late.len() as u64;
        assert!(mean.contains(&average), "{distribution:?}: {average}");
        assert!(late.iter().all(|late| (least..=most).contains(late)), "{distribution:?}");
        let tally = lane.end("f1");
        // A normal delay may be none at all.
        assert!((9_700..=10_000).contains(&tally.counters.delayed));
        let median = tally.delay(0.5);
        assert!(
            median < tally.delay(0.99) && median > milliseconds(30),
            "{distribution:?}: {median:?}"
        );
    }
}

#[test]
fn delays_mean_the_same_for_ever() {
    let first = |distribution| {
        let mut lane = Lane::with(1, delay(40, 20, distribution));
        lane.send(4);
        let late = lane
            .link
            .late
            .keys()
            .map(|(due, number)| (*due - milliseconds(*number)).as_nanos() as u64);
        late.collect::<Vec<_>>()
    };
    assert_eq!(first(Distribution::Uniform).len(), 4);
    assert_eq!(
        [first(Distribution::Uniform), first(Distribution::Normal), first(Distribution::Pareto)],
        PINNED
    );
}

const PINNED: [[u64; 4]; 3] = [
    [42_414_439, 40_776_270, 44_521_364, 42_841_049],
    [17_374_463, 15_933_541, 28_412_077, 54_507_981],
    [41_961_181, 40_596_750, 43_969_886, 42_342_766],
];

#[test]
fn constant_delay_keeps_the_order_and_jitter_does_not() {
    let mut lane = Lane::with(1, delay(40, 0, Distribution::Uniform));
    lane.send(100);
    lane.advance(milliseconds(100));
    assert_eq!(lane.numbers(), (1..=100).collect::<Vec<_>>());
    assert_eq!(lane.end("f1").counters.reordered, 0);
    lane.begin("f2", delay(0, 40, Distribution::Uniform));
    lane.send(100);
    lane.advance(milliseconds(100));
    let mut newest = 0;
    let overtaken = lane.numbers().into_iter().filter(|number| {
        newest = newest.max(*number);
        *number < newest
    });
    let overtaken = overtaken.count() as u64;
    assert!(overtaken > 20);
    assert_eq!(lane.end("f2").counters.reordered, overtaken);
}

#[test]
fn some_are_reordered_duplicated_and_corrupted() {
    let rule = impair(Impairment {
        reorder: Some(Reorder { share: 0.1, by: milliseconds(5) }),
        duplicate: 0.2,
        corrupt: 0.3,
        ..Impairment::default()
    });
    let mut lane = Lane::with(2, rule);
    lane.send(1_000);
    lane.advance(milliseconds(10));
    let counters = lane.end("f1").counters;
    let twice = lane.out.iter().filter(|(_, _, passage)| passage.times == 2).count() as u64;
    let flipped = lane.out.iter().filter(|(_, _, passage)| passage.flipped_bit.is_some()).count();
    assert_eq!((counters.duplicated, counters.corrupted), (twice, flipped as u64));
    assert!((150..250).contains(&twice) && (250..350).contains(&flipped), "{counters:?}");
    assert!((60..140).contains(&counters.reordered), "{counters:?}");
    assert!(counters.delayed >= counters.reordered && counters.dropped == 0);
    let in_bounds = |bit: usize| bit < 8 * BYTES;
    assert!(lane.out.iter().filter_map(|(_, _, passage)| passage.flipped_bit).all(in_bounds));
}

#[test]
fn a_slow_link_sends_at_its_rate_and_loses_what_its_queue_cannot_take() {
    // A datagram takes 2 ms, one comes every millisecond, ten fit into the queue.
    let rate = Rate { bytes_per_second: 600_000, queue_bytes: 10 * BYTES as u64 };
    let mut lane = Lane::with(1, impair(Impairment { rate: Some(rate), ..Impairment::default() }));
    lane.send(101);
    let counters = lane.link.counters("f1");
    assert!((40..=45).contains(&counters.dropped), "{counters:?}");
    lane.advance(milliseconds(100));
    assert_eq!(lane.out.len() as u64 + counters.dropped, 101);
    assert!(lane.out.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 2));
    assert!(lane.out.iter().all(|(at, number, _)| at - number <= 20));
    assert_eq!(lane.end("f1").counters.reordered, 0);
}

#[test]
fn what_is_too_large_is_lost_and_marks_are_changed() {
    let mut lane = Lane::with(1, impair(Impairment { mtu: Some(1_300), ..Impairment::default() }));
    for bytes in [1_299, 1_300, 1_301, 9_000] {
        lane.send_item(Item { bytes, ecn: ECT0, class: 0 });
    }
    assert_eq!(lane.numbers(), [1, 2]);
    assert_eq!(lane.end("f1").counters.dropped, 2);
    for (mark, marks) in [
        (EcnMark::Bleach, [(0, 0), (0b01, 0), (0b10, 0), (0b11, 0)]),
        (EcnMark::CongestionExperienced, [(0, 0), (0b01, 0b11), (0b10, 0b11), (0b11, 0b11)]),
    ] {
        let mut lane =
            Lane::with(1, impair(Impairment { ecn: Some(mark), ..Impairment::default() }));
        for (ecn, _) in marks {
            lane.send_item(Item { bytes: BYTES, ecn, class: 0 });
        }
        let passed: Vec<_> = lane.out.iter().map(|(_, _, passage)| passage.ecn).collect();
        assert_eq!(passed, marks.map(|(_, passed)| passed));
        let changed = marks.iter().filter(|(ecn, passed)| ecn != passed).count() as u64;
        assert_eq!(lane.end("f1").counters.remarked, changed);
    }
}

#[test]
fn overlapping_faults_count_their_own_only() {
    let mut lane = Lane::with(1, loss(0.5));
    lane.begin("f2", delay(5, 0, Distribution::Uniform));
    lane.send(1_000);
    lane.advance(milliseconds(5));
    let (lossy, late) = (lane.end("f1").counters, lane.end("f2").counters);
    assert_eq!((lossy.seen, late.seen), (1_000, 1_000));
    assert_eq!((lossy.delayed, late.dropped), (0, 0));
    assert_eq!(late.delayed, 1_000 - lossy.dropped);
}

#[test]
fn what_waits_is_bounded() {
    let mut lane = Lane::with(1, cut(CutMode::Hold));
    lane.send(WAITING_MAX as u64 + 5);
    let counters = lane.end("f1").counters;
    assert_eq!((counters.held, counters.dropped), (WAITING_MAX as u64, 5));
}

//! A fault in force on one link, and what it makes of an item.

use std::time::Duration;

use super::counters::Tally;
use super::luck::{Chain, Luck};
use super::rule::{Concern, CutMode, EcnMark, Impairment, Loss, Rule};
use super::{Item, Passage};
use crate::plan::{Random, stream};

/// ECN-capable transport, congestion experienced (RFC 3168, section 5).
const ECN_CE: u8 = 0b11;

/// A fault in force.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) id: String,
    /// Its place among all faults that ever began on the link.
    pub(super) number: u64,
    pub(super) tally: Tally,
    began: Duration,
    concern: Concern,
    rule: Rule,
    lucks: Lucks,
    /// When a link of limited speed has sent all that it has taken.
    busy_until: Duration,
}

/// Every effect draws from a stream of its own, whatever the others do: what is lost does not hang on whether it would have been late.
#[derive(Debug)]
struct Lucks {
    loss: Luck<bool>,
    bursts: Chain,
    delay: Luck<Duration>,
    duplicate: Luck<bool>,
    reorder: Luck<bool>,
    corrupt: Luck<bool>,
    bit: Random,
}

/// What a fault makes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    Lose,
    Hold,
    Change(Change),
}

/// What a fault does to an item that it lets pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) late: Duration,
    /// How much later a copy comes, if there is one.
    copy: Option<Duration>,
    flipped_bit: Option<usize>,
    /// When a link of limited speed is through with it.
    busy_until: Option<Duration>,
}

impl Opinion {
    /// Whether anything is done to the item.
    pub(super) fn touches(&self) -> bool {
        *self != Self::Change(Change::default())
    }

    /// What becomes of it where no more can be kept: what would wait is lost, and no copy follows.
    pub(super) fn without_room(self) -> Self {
        match self {
            Self::Hold => Self::Lose,
            Self::Change(change) if !change.late.is_zero() => Self::Lose,
            Self::Change(change) => {
                let copy = change.copy.filter(Duration::is_zero);
                Self::Change(Change { copy, ..change })
            }
            Self::Lose => Self::Lose,
        }
    }
}

impl Fault {
    /// `component` names the streams that the fault draws from.
    pub(super) fn new(
        id: &str,
        number: u64,
        (concern, rule): (Concern, Rule),
        seed: u64,
        component: &str,
        now: Duration,
    ) -> Self {
        let correlation = match &rule {
            Rule::Impair(impairment) => impairment.correlation,
            Rule::Cut { .. } => 0.0,
        };
        let of = |effect: &str| format!("{component} {effect}");
        let lucks = Lucks {
            loss: Luck::new(seed, &of("loss"), correlation),
            bursts: Chain::new(seed, &of("bursts")),
            delay: Luck::new(seed, &of("delay"), correlation),
            duplicate: Luck::new(seed, &of("duplicate"), correlation),
            reorder: Luck::new(seed, &of("reorder"), correlation),
            corrupt: Luck::new(seed, &of("corrupt"), correlation),
            bit: stream(seed, &of("bit")),
        };
        let (id, tally) = (id.to_string(), Tally::default());
        Self { id, number, tally, began: now, concern, rule, lucks, busy_until: Duration::ZERO }
    }

    pub(super) fn is_cut(&self) -> bool {
        matches!(self.rule, Rule::Cut { .. })
    }

    /// Whether nothing may pass now.
    pub(super) fn stops_all(&self, now: Duration) -> bool {
        self.concern == Concern::default() && self.stops(now)
    }

    fn stops(&self, now: Duration) -> bool {
        match &self.rule {
            Rule::Cut { flapping, .. } => flapping.is_none_or(|flapping| {
                !flapping.down_for(now.saturating_sub(self.began)).is_zero()
            }),
            Rule::Impair(_) => false,
        }
    }

    /// Judges an item that came in.
    pub(super) fn judge(&mut self, item: Item, now: Duration) -> Opinion {
        if !self.concern.includes(item.class) {
            return Opinion::Change(Change::default());
        }
        self.tally.counters.seen += 1;
        self.tally.counters.bytes += item.bytes as u64;
        if self.concern.nth.is_some_and(|nth| nth != self.tally.counters.seen) {
            return Opinion::Change(Change::default());
        }
        match &self.rule {
            Rule::Cut { .. } => self.cut(now),
            Rule::Impair(impairment) => {
                impair(impairment, &mut self.lucks, self.busy_until, item, now)
            }
        }
    }

    /// Counts an item that the fault has done something to, when it judged it first.
    pub(super) fn touched(&mut self, item: Item) {
        *self.tally.by_class.entry(item.class).or_default() += 1;
    }

    /// Judges an item that waited. Nothing if a cut that had judged it before has nothing to add.
    pub(super) fn judge_late(
        &mut self,
        item: Item,
        is_new: bool,
        now: Duration,
    ) -> Option<Opinion> {
        if is_new {
            return Some(self.judge(item, now));
        }
        (self.concern.includes(item.class) && self.stops(now)).then(|| self.cut(now))
    }

    fn cut(&self, now: Duration) -> Opinion {
        let Rule::Cut { mode, flapping } = &self.rule else {
            return Opinion::Change(Change::default());
        };
        let down_for = flapping.map(|flapping| flapping.down_for(now.saturating_sub(self.began)));
        match (mode, down_for) {
            (_, Some(Duration::ZERO)) => Opinion::Change(Change::default()),
            (CutMode::Drop, _) => Opinion::Lose,
            (CutMode::Hold, None) => Opinion::Hold,
            (CutMode::Hold, Some(late)) => Opinion::Change(Change { late, ..Change::default() }),
        }
    }

    /// Carries out what the fault thought of an item that nobody drops. Returns how late that makes it, and how much later than that a copy comes.
    pub(super) fn apply(
        &mut self,
        change: &Change,
        passage: &mut Passage,
    ) -> (Duration, Option<Duration>) {
        let counters = &mut self.tally.counters;
        counters.duplicated += u64::from(change.copy.is_some());
        passage.times += u32::from(change.copy == Some(Duration::ZERO));
        let copy = change.copy.filter(|behind| !behind.is_zero());
        if let (Some(bit), None) = (change.flipped_bit, passage.flipped_bit) {
            counters.corrupted += 1;
            passage.flipped_bit = Some(bit);
        }
        if let Rule::Impair(Impairment { ecn: Some(mark), .. }) = &self.rule {
            let marked = remark(*mark, passage.ecn);
            counters.remarked += u64::from(marked != passage.ecn);
            passage.ecn = marked;
        }
        if let Some(busy_until) = change.busy_until {
            self.busy_until = busy_until;
        }
        if !change.late.is_zero() {
            // What waits for a flapping link is held, and let go.
            if let Rule::Cut { .. } = self.rule {
                counters.held += 1;
                counters.released += 1;
            } else {
                self.tally.delayed(change.late);
                passage.late_by.push(self.number);
            }
        }
        (change.late, copy)
    }
}

fn impair(
    impairment: &Impairment,
    lucks: &mut Lucks,
    busy_until: Duration,
    item: Item,
    now: Duration,
) -> Opinion {
    let Impairment { loss, delay, duplicate, reorder, corrupt, rate, mtu, .. } = impairment;
    // Everything is drawn, whatever comes of it: the next item's luck must not hang on this one's.
    let lost = match loss {
        Some(Loss::Share(share)) => lucks.loss.chance(*share),
        Some(Loss::Bursts(bursts)) => lucks.bursts.loses(bursts),
        None => false,
    };
    let mut late = delay.map_or(Duration::ZERO, |delay| lucks.delay.delay(&delay));
    if let Some(reorder) = reorder
        && lucks.reorder.chance(reorder.share)
    {
        late += reorder.by;
    }
    let duplicate = *duplicate > 0.0 && lucks.duplicate.chance(*duplicate);
    let copy = duplicate.then_some(impairment.copies_behind);
    let flipped = *corrupt > 0.0 && lucks.corrupt.chance(*corrupt);
    let bits = item.bytes as u64 * 8;
    let flipped_bit = (flipped && bits > 0).then(|| lucks.bit.below(bits) as usize);

    if lost || mtu.is_some_and(|mtu| item.bytes > mtu) {
        return Opinion::Lose;
    }
    let mut change = Change { late, copy, flipped_bit, busy_until: None };
    if let Some(rate) = rate {
        let speed = rate.bytes_per_second.max(1);
        let starts = busy_until.max(now);
        let queued = (starts - now).as_nanos() * u128::from(speed) / 1_000_000_000;
        if queued + item.bytes as u128 > u128::from(rate.queue_bytes) {
            return Opinion::Lose;
        }
        let nanoseconds = item.bytes as u64 * 1_000_000_000 / speed;
        let leaves = starts + Duration::from_nanos(nanoseconds);
        change.busy_until = Some(leaves);
        change.late += leaves - now;
    }
    Opinion::Change(change)
}

fn remark(mark: EcnMark, ecn: u8) -> u8 {
    match (mark, ecn) {
        (EcnMark::Bleach, _) => 0,
        (EcnMark::CongestionExperienced, 0) => 0,
        (EcnMark::CongestionExperienced, _) => ECN_CE,
    }
}

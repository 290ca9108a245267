//! What becomes of what travels a directed link. Pure: the rules in force, the link's own randomness, the time as an argument.
//!
//! A link knows *items*: a size, and for packets an ECN mark. What they carry (`T`) it only keeps while they wait, so the same engine
//! judges datagrams and messages.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod counters;
mod luck;
mod rule;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) use self::counters::{Counters, Tally};
pub(crate) use self::rule::{
    Bursts, Concern, CutMode, Delay, Distribution, EcnMark, Flapping, Impairment, Loss, Rate,
    Reorder, Rule,
};
use self::trouble::{Fault, Opinion};

/// What may wait on one link at a time, delayed or held. Beyond it is lost, as in any router.
const WAITING_MAX: usize = 10_000;

/// What the engine must know of something that travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its size.
    pub(crate) bytes: usize,
    /// The two bits of explicit congestion notification (RFC 3168, section 5); 0 for what is no packet.
    pub(crate) ecn: u8,
    /// What kind of item it is, below 32; 0 for packets, which are all alike.
    pub(crate) class: u8,
}

/// Why an item does not pass at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It never will.
    Lost,
    /// It will when its time comes.
    Late,
    /// It will when a fault ends.
    Held,
}

/// How an item is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The mark that it carries from here on.
    pub(crate) ecn: u8,
    /// The bit of it that is flipped, if any.
    pub(crate) flipped_bit: Option<usize>,
    /// How often it is sent at once.
    pub(crate) times: u32,
    /// Whether it was duplicated: sent more than once at once, or followed by a copy.
    pub(crate) duplicated: bool,
    /// Its place among all that came to the link.
    arrival: u64,
    /// The faults that made it late.
    late_by: Vec<u64>,
}

/// Something that waits.
#[derive(Debug)]
struct Waiting<T> {
    passage: Passage,
    item: Item,
    /// Faults that began later have not judged it yet.
    judged_until: u64,
    /// The cuts that hold it.
    held_by: Vec<u64>,
    content: T,
}

/// What becomes of an item that is not lost.
#[derive(Default)]
struct Outcome {
    late: Duration,
    /// The cuts that hold it.
    held_by: Vec<u64>,
    /// How long after it each copy comes.
    copies: Vec<Duration>,
}

/// One directed link.
#[derive(Debug)]
pub(crate) struct Link<T> {
    seed: u64,
    name: String,
    /// In the order in which they began.
    faults: Vec<Fault>,
    /// How many faults have begun: the number of the next.
    begun: u64,
    /// What is late, by the time when it is due and by arrival, so that equal times keep their order.
    late: BTreeMap<(Duration, u64), Waiting<T>>,
    /// What is held until a fault ends, in order.
    held: VecDeque<Waiting<T>>,
    arrivals: u64,
    passed: u64,
    /// The latest arrival that was passed on.
    newest_passed: u64,
}

impl<T> Link<T> {
    /// A link without faults. What it does depends on the seed, its name, the faults' names and what travels it alone.
    pub(crate) fn new(seed: u64, from: &str, to: &str) -> Self {
        Self {
            seed,
            name: format!("link {from}->{to}"),
            faults: Vec::new(),
            begun: 0,
            late: BTreeMap::new(),
            held: VecDeque::new(),
            arrivals: 0,
            passed: 0,
            newest_passed: 0,
        }
    }

    /// Puts a fault in force for everything that travels the link.
    pub(crate) fn begin(&mut self, id: &str, rule: Rule, now: Duration) {
        self.begin_for(Concern::default(), id, rule, now);
    }

    /// Puts a fault in force for some of what travels the link.
    pub(crate) fn begin_for(&mut self, concern: Concern, id: &str, rule: Rule, now: Duration) {
        let component = format!("{} {id}", self.name);
        let rule = (concern, rule);
        self.faults.push(Fault::new(id, self.begun, rule, self.seed, &component, now));
        self.begun += 1;
    }

    /// Ends a fault and says what it did. What it held is due at once, in order.
    pub(crate) fn end(&mut self, id: &str, now: Duration) -> Option<Tally> {
        let place = self.faults.iter().position(|fault| fault.id == id)?;
        let fault = self.faults.remove(place);
        let mut tally = fault.tally;
        for mut waiting in std::mem::take(&mut self.held) {
            if waiting.held_by.contains(&fault.number) {
                waiting.held_by.retain(|number| *number != fault.number);
                tally.counters.released += 1;
            }
            if waiting.held_by.is_empty() {
                self.late.insert((now, waiting.passage.arrival), waiting);
            } else {
                self.held.push_back(waiting);
            }
        }
        Some(tally)
    }

    /// What a fault in force has done so far.
    #[cfg(test)]
    pub(crate) fn counters(&self, id: &str) -> Counters {
        let fault = self.faults.iter().find(|fault| fault.id == id);
        fault.map(|fault| fault.tally.counters).unwrap_or_default()
    }

    /// Whether everything passes at once and unjudged: no fault is in force, and nothing waits that must go first.
    pub(crate) fn is_idle(&self) -> bool {
        self.faults.is_empty() && self.late.is_empty()
    }

    /// Notes that items were passed on unjudged, which is right on an idle link only. Where a fault is in force, it has leaked.
    pub(crate) fn pass_unjudged(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        self.arrivals += count;
        self.newest_passed = self.arrivals;
        self.passed += count;
        for fault in &mut self.faults {
            fault.tally.counters.leaked += count;
        }
    }

    /// Judges an item that came in. One that passes at once is returned, and must be sent under the lock under which it was judged. Otherwise it is lost,
    /// or waits; `keep` makes what is kept of it, or of its copy.
    pub(crate) fn offer(
        &mut self,
        item: Item,
        now: Duration,
        keep: impl Fn() -> T,
    ) -> Result<Passage, Gone> {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let is_full = self.late.len() + self.held.len() >= WAITING_MAX;
        let judge = |fault: &mut Fault| match fault.judge(item, now) {
            opinion if is_full => opinion.without_room(),
            opinion => opinion,
        };
        let opinions: Vec<_> = self.faults.iter_mut().map(judge).collect();
        let is_lost = opinions.contains(&Opinion::Lose);
        let mut passage = Passage {
            ecn: item.ecn,
            flipped_bit: None,
            times: 1,
            duplicated: false,
            arrival,
            late_by: Vec::new(),
        };
        let Outcome { late, held_by, copies } = self.carry_out(opinions, item, &mut passage);
        if is_lost {
            return Err(Gone::Lost);
        }
        passage.duplicated = passage.times > 1 || !copies.is_empty();
        let judged_until = self.begun;
        for behind in copies {
            self.copy(&passage, item, now + late + behind, keep());
        }
        if late.is_zero() && held_by.is_empty() {
            return Ok(passage);
        }
        let waiting = Waiting { passage, item, judged_until, held_by, content: keep() };
        if waiting.held_by.is_empty() {
            self.late.insert((now + late, arrival), waiting);
            Err(Gone::Late)
        } else {
            self.held.push_back(waiting);
            Err(Gone::Held)
        }
    }

    /// Does to an item what the faults thought of it, and counts that.
    fn carry_out(&mut self, opinions: Vec<Opinion>, item: Item, passage: &mut Passage) -> Outcome {
        let is_lost = opinions.contains(&Opinion::Lose);
        let mut outcome = Outcome::default();
        for (fault, opinion) in self.faults.iter_mut().zip(opinions) {
            // What one fault drops, no other changes.
            if is_lost && opinion != Opinion::Lose {
                continue;
            }
            if opinion.touches() {
                fault.touched(item);
            }
            match opinion {
                Opinion::Lose => fault.tally.counters.dropped += 1,
                Opinion::Hold => {
                    fault.tally.counters.held += 1;
                    outcome.held_by.push(fault.number);
                }
                Opinion::Change(change) => {
                    let (delay, copy) = fault.apply(&change, passage);
                    outcome.late += delay;
                    outcome.copies.extend(copy);
                }
            }
        }
        outcome
    }

    /// Lets a copy follow, as if it had come now.
    fn copy(&mut self, original: &Passage, item: Item, due: Duration, content: T) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let passage = Passage { times: 1, arrival, late_by: Vec::new(), ..original.clone() };
        let (judged_until, held_by) = (self.begun, Vec::new());
        self.late.insert((due, arrival), Waiting { passage, item, judged_until, held_by, content });
    }

    /// When the next late item is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.late.first_key_value().map(|((due, _), _)| *due)
    }

    /// The next late item whose time has come. What was cut since it came does not pass: it is lost, or held.
    pub(crate) fn due(&mut self, now: Duration) -> Option<(Passage, T)> {
        while let Some(entry) = self.late.first_entry() {
            if entry.key().0 > now {
                return None;
            }
            let waiting = entry.remove();
            if let Some(waiting) = self.judge_again(waiting, now) {
                return Some((waiting.passage, waiting.content));
            }
        }
        None
    }

    /// Judges what waited by the cuts that began since.
    fn judge_again(&mut self, mut waiting: Waiting<T>, now: Duration) -> Option<Waiting<T>> {
        let item = Item { ecn: waiting.passage.ecn, ..waiting.item };
        let mut until = None;
        let mut lost = false;
        for fault in self.faults.iter_mut().filter(|fault| fault.is_cut()) {
            let is_new = fault.number >= waiting.judged_until;
            let opinion = fault.judge_late(item, is_new, now);
            if is_new && opinion.as_ref().is_some_and(Opinion::touches) {
                fault.touched(item);
            }
            match opinion {
                Some(Opinion::Lose) => {
                    fault.tally.counters.dropped += 1;
                    lost = true;
                }
                Some(Opinion::Hold) => {
                    fault.tally.counters.held += 1;
                    waiting.held_by.push(fault.number);
                }
                Some(Opinion::Change(change)) => {
                    let (late, _) = fault.apply(&change, &mut waiting.passage);
                    until = until.max(Some(now + late));
                }
                None => {}
            }
        }
        waiting.judged_until = self.begun;
        if lost {
            return None;
        }
        if !waiting.held_by.is_empty() {
            self.held.push_back(waiting);
            return None;
        }
        match until.filter(|until| *until > now) {
            Some(until) => {
                self.late.insert((until, waiting.passage.arrival), waiting);
                None
            }
            None => Some(waiting),
        }
    }

    /// Notes that an item was passed on. While the link is cut that must never happen, and is counted against the fault.
    pub(crate) fn passed_on(&mut self, passage: &Passage, now: Duration) {
        self.passed += 1;
        let overtaken = passage.arrival < self.newest_passed;
        self.newest_passed = self.newest_passed.max(passage.arrival);
        for fault in &mut self.faults {
            if fault.stops_all(now) {
                fault.tally.counters.leaked += 1;
            } else if overtaken && passage.late_by.contains(&fault.number) {
                fault.tally.counters.reordered += 1;
            }
        }
    }

    /// Items passed on, ever.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }
}

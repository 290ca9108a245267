//! Just-in-time search (Lowe 2017) for an order of the operations on any object that has a sequential specification.
//!
//! Events are taken in order. A *configuration* is one situation that explains all events so far: a state of the object, and which of the open
//! operations have taken effect. Only when an operation completes are the steps explored that let it have taken effect by then. If no
//! configuration survives a completion, there is no order, and this event proves it. Memory is that of the configurations and of the
//! states that they are in, never of the history.
//!
//! What keeps the configurations few (each is exact; the argument in a sentence):
//!
//! * *Observers first.* Whatever only looks takes effect as soon as the state satisfies it: looking changes nothing.
//! * *The same among the same.* Of open operations that do the same, the one that completes first goes first: exchange them.
//! * *Hidden changes are free.* When a change takes effect that hides others (a `put` hides all before it), each of these may have done so just
//!   before it without a trace. It is *free*: it may complete without more ado, or still take effect visibly later.
//! * *Only useful steps.* What a specification declares to be of no use before the completion can always follow later.
//! * *What can follow later does.* A configuration that is one open step from another is superfluous.
//! * *Dominance.* So is one that differs from another only in having more left to do, or less to choose from.
//! * *Info operations are counted classes.* They never complete, so those that do the same differ in nothing but number. When nobody is left
//!   who could tell that they happened, they are forgotten.
//!
//! Where there are info operations, three *passes* share the work. The first keeps few configurations, those that have spent the fewest info
//! operations: if any survive, the history is linearizable, for each is a real explanation. If none do it keeps more. The second lets
//! info operations take effect any number of times: if nothing survives even so, it is not. Only what is between the two needs the third, which
//! forgets nothing and allows nothing.

mod demands;
mod frontier;
mod judge;
mod shrink;
mod states;
mod window;

#[cfg(test)]
mod oracle;

use self::demands::Demands;
use self::frontier::Frontier;
pub(super) use self::judge::Judge;
use self::window::Window;
use super::budget::{Budget, Exhausted};
use super::configuration::Reached;
use super::timeline::{Event, timeline};
use crate::models::specification::Specification;

/// The budget is looked at once in so many steps.
const STEPS_PER_CHECK: u64 = 1024;
/// When states take so many bytes, those that no configuration is in are forgotten. Few enough to stay in the cache.
/// Tests forget all the time, for their histories are small.
const STATES_BYTES_MAX: u64 = if cfg!(test) { 1 } else { 4 << 20 };
/// How many configurations the first pass keeps, and when that is not enough.
const BEAMS: [usize; 2] = [64, 1_024];
/// The second pass gives up when so many situations lead to one completion: info operations that may be repeated lead anywhere.
const UNLIMITED_MAX: usize = 512;
/// So many info operations of one kind can be counted.
const CLASS_MAX: usize = u16::MAX as usize - 1;

/// The end of a search.
enum Found<S: Specification> {
    /// There is an order: the demands in it, by place, if one was asked for.
    Linearizable(Vec<u32>),
    /// There is none.
    Stuck {
        /// The demand whose completion nothing explains, by its place.
        at: u32,
        /// The states that the object may have been in just before.
        possible: Vec<S::State>,
    },
}

/// Searches for an order of all demands on an object.
fn search<S: Specification>(
    whole: &Demands<S>,
    budget: &Budget,
    with_order: bool,
) -> Result<Found<S>, Exhausted> {
    let intervals = whole.demands.iter().map(|demand| (demand.invoked, demand.completed));
    let (events, open) = timeline(intervals);
    let mut counted = vec![0; whole.kinds.len()];
    for demand in whole.demands.iter().filter(|demand| !demand.is_certain()) {
        counted[demand.kind as usize] += 1;
    }
    if counted.iter().any(|count| *count > CLASS_MAX) {
        return Err(Exhausted::Concurrency { limit: CLASS_MAX as u32, decided: 0 });
    }
    match open {
        0..=64 => passes::<S, 1>(whole, &events, budget, with_order),
        65..=128 => passes::<S, 2>(whole, &events, budget, with_order),
        129..=1024 => passes::<S, 16>(whole, &events, budget, with_order),
        _ => Err(Exhausted::Concurrency { limit: 1024, decided: 0 }),
    }
}

fn passes<S: Specification, const W: usize>(
    whole: &Demands<S>,
    events: &[Event],
    budget: &Budget,
    with_order: bool,
) -> Result<Found<S>, Exhausted> {
    if whole.demands.iter().any(|demand| !demand.is_certain()) {
        for pass in BEAMS.map(|beam| Pass::Under { beam }).into_iter().chain([Pass::Over]) {
            let sure = Search::<S, W>::new(whole, budget, pass, with_order).run(events)?;
            if let Some(found) = sure {
                return Ok(found);
            }
        }
    }
    let sure = Search::<S, W>::new(whole, budget, Pass::Exact, with_order).run(events)?;
    Ok(sure.expect("what forgets and allows nothing is sure"))
}

/// What each pass alone is sure of: whether there is an order, or nothing.
#[cfg(test)]
fn each_pass<S: Specification>(whole: &Demands<S>, budget: &Budget) -> [Option<bool>; 3] {
    let intervals = whole.demands.iter().map(|demand| (demand.invoked, demand.completed));
    let (events, _) = timeline(intervals);
    // As few as can be, so that small histories show what happens when some are forgotten.
    [Pass::Under { beam: 1 }, Pass::Over, Pass::Exact].map(|pass| {
        let found = Search::<S, 1>::new(whole, budget, pass, true).run(&events).unwrap();
        found.map(|found| matches!(found, Found::Linearizable(_)))
    })
}

/// What a pass forgets or allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// It forgets all but so many configurations, those that have spent more info operations than others: survival proves.
    Under {
        /// How many it keeps.
        beam: usize,
    },
    /// It lets info operations take effect any number of times: extinction proves.
    Over,
    /// Neither.
    Exact,
}

struct Search<'a, S: Specification, const W: usize> {
    whole: &'a Demands<S>,
    budget: &'a Budget,
    pass: Pass,
    window: Window<'a, S, W>,
    /// What explains everything so far.
    frontier: Vec<Reached<W>>,
    /// What explained everything before this event.
    before: Vec<Reached<W>>,
    /// What explains this event too.
    next: Frontier<W>,
    /// What was met on the way.
    seen: Frontier<W>,
    queue: Vec<Reached<W>>,
    /// Whether one was left out that might have been able to do more than those that were kept.
    has_dropped: bool,
    /// What the demand's own step leads to.
    goals: Vec<Reached<W>>,
    steps: u64,
    /// The bytes of states at which those in no configuration are forgotten.
    states_bytes_max: u64,
}

impl<'a, S: Specification, const W: usize> Search<'a, S, W> {
    fn new(whole: &'a Demands<S>, budget: &'a Budget, pass: Pass, with_order: bool) -> Self {
        let frontier = || Frontier::new(matches!(pass, Pass::Under { .. }));
        Self {
            whole,
            budget,
            pass,
            window: Window::new(whole, with_order && pass != Pass::Over, pass == Pass::Over),
            frontier: vec![Window::<S, W>::start()],
            before: Vec::new(),
            next: frontier(),
            seen: frontier(),
            queue: Vec::new(),
            has_dropped: false,
            goals: Vec::new(),
            steps: 0,
            states_bytes_max: STATES_BYTES_MAX,
        }
    }

    /// What is found, if this pass can be sure of it.
    fn run(mut self, events: &[Event]) -> Result<Option<Found<S>>, Exhausted> {
        for event in events {
            if !event.completes {
                self.window.begin(event.demand, &mut self.frontier);
                continue;
            }
            std::mem::swap(&mut self.frontier, &mut self.before);
            self.complete(*event)?;
            if self.pass == Pass::Over && self.has_dropped {
                return Ok(None);
            }
            if self.frontier.is_empty() {
                self.has_dropped |= self.next.has_dropped() || self.seen.has_dropped();
                let is_sure = !self.has_dropped;
                let stuck = || Found::Stuck { at: event.demand, possible: self.possible() };
                return Ok(is_sure.then(stuck));
            }
            self.forget(event.position);
        }
        if self.pass == Pass::Over {
            return Ok(None);
        }
        let hides =
            |later: u32, earlier: u32| S::hides(self.whole.step(later), self.whole.step(earlier));
        let order = self.window.trail.order(self.frontier[0].trail, hides);
        Ok(Some(Found::Linearizable(order)))
    }

    /// Keeps what explains that the demand has taken effect by now.
    fn complete(&mut self, event: Event) -> Result<(), Exhausted> {
        let Self { window, before, next, queue, seen, .. } = self;
        let bit = window.slot(event.demand);
        next.clear();
        seen.clear();
        for reached in before {
            if reached.at.used.intersects(bit) {
                next.insert(&reached.without(bit), &window.counts);
                continue;
            }
            if reached.at.free.intersects(bit) {
                let mut hidden = reached.without(bit);
                hidden.trail = window.trail.hidden(hidden.trail, event.demand);
                next.insert(&hidden, &window.counts);
            }
            queue.push(*reached);
        }
        self.explore(event)?;
        self.window.release(event.demand);
        self.next.prune_into(&mut self.window, &mut self.frontier);
        if let Pass::Under { beam } = self.pass
            && self.frontier.len() > beam
        {
            self.frontier.sort_unstable_by_key(|reached| {
                let done = (reached.at.used | reached.at.free).count();
                (self.window.counts.total(reached.at.spent), std::cmp::Reverse(done))
            });
            self.frontier.truncate(beam);
            self.has_dropped = true;
        }
        Ok(())
    }

    /// Follows all useful steps from what is in the queue until the demand has taken effect, those that spend few info operations first.
    fn explore(&mut self, event: Event) -> Result<(), Exhausted> {
        // Of those seen, the first so many have spent what they can.
        let mut spent = 0;
        loop {
            self.explore_open(event)?;
            if !self.window.has_info() || spent == self.seen.len() {
                return Ok(());
            }
            let is_enough = match self.pass {
                Pass::Under { beam } => self.next.len() >= beam,
                Pass::Over => self.seen.len() > UNLIMITED_MAX,
                Pass::Exact => false,
            };
            if is_enough {
                self.has_dropped = true;
                return Ok(());
            }
            let Self { window, seen, queue, .. } = self;
            for reached in &seen.all()[spent..] {
                window.info_steps(reached, event.demand, |to| queue.push(to));
            }
            spent = seen.len();
        }
    }

    fn explore_open(&mut self, event: Event) -> Result<(), Exhausted> {
        let bit = self.window.slot(event.demand);
        while let Some(reached) = self.queue.pop() {
            self.check_budget(event)?;
            let Self { window, next, seen, queue, goals, .. } = self;
            if reached.at.used.intersects(bit) {
                // An observer was satisfied on the way.
                next.insert(&reached.without(bit), &window.counts);
            } else if seen.insert(&reached, &window.counts) {
                window.open_steps(&reached, event.demand, |to, is_goal| match is_goal {
                    true => goals.push(to),
                    false => queue.push(to),
                });
                for goal in goals.drain(..) {
                    next.insert(&goal.without(bit), &window.counts);
                }
            }
        }
        Ok(())
    }

    /// The states that the object may have been in before this event, each once.
    fn possible(&self) -> Vec<S::State> {
        let mut states: Vec<_> = self.before.iter().map(|reached| reached.at.state).collect();
        states.sort_unstable();
        states.dedup();
        states.into_iter().map(|state| self.window.states.get(state).clone()).collect()
    }

    /// Forgets what cannot matter after an event.
    fn forget(&mut self, event: u32) {
        self.window.retire(event, &mut self.frontier);
        if self.window.states.bytes() > self.states_bytes_max {
            self.window.forget_states(event, &mut self.frontier);
            self.states_bytes_max = STATES_BYTES_MAX.max(2 * self.window.states.bytes());
        }
    }

    fn check_budget(&mut self, event: Event) -> Result<(), Exhausted> {
        let is_due = self.steps.is_multiple_of(STEPS_PER_CHECK);
        self.steps += 1;
        if !is_due {
            return Ok(());
        }
        let held = self.next.len() + self.seen.len() + self.queue.len();
        let configurations = (held * 2 * (size_of::<Reached<W>>() + 16)) as u64;
        let bytes = configurations + self.window.bytes();
        self.budget.check(self.steps, bytes, event.position as usize)
    }
}

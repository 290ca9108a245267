//! Just-in-time search (Lowe 2017) over the situations that a register may be in: for registers whose values repeat.
//!
//! Events are taken in order. A *configuration* is one situation that explains all events so far: the value, and which of the open operations
//! have taken effect. Nothing takes effect before it must: only when an operation completes are the steps explored that let it have taken effect.
//! If no configuration survives a completion, there is no order, and this event proves it. Memory is that of the
//! configurations, never of the history.
//!
//! What keeps the configurations few (each is exact; the argument in a sentence):
//!
//! * *Observers first.* Whatever only looks takes effect as soon as the value satisfies it: looking changes nothing.
//! * *Hidden writes are free.* When a write takes effect, every other open write may have done so just before it without a trace. It is
//!   *free*: it may complete without more ado, or still take effect visibly later.
//! * *The same among the same.* Of open operations that do the same, the one that completes first goes first: exchange them.
//! * *Only useful steps.* A write takes effect before it must only if somebody open wants its value, or to make others free.
//! * *Dominance.* A configuration that can do all that another can makes the other superfluous.
//! * *Info operations are counted classes.* They never complete, so those that do the same differ in nothing but number.
//!
//! Three *passes* share the work, from the cheapest on. The first keeps only the most promising configurations: if some survive, the
//! history is linearizable, for each of them is a real explanation. If none do it begins again at an earlier point and
//! keeps more. The second lets *info* operations take effect any number of times: if nothing survives even so, the history is not
//! linearizable. Only what is between the two needs the third, which forgets nothing and allows nothing.

mod frontier;
mod moves;

use self::frontier::Frontier;
use self::moves::Window;
use super::super::budget::{Budget, Exhausted};
use super::super::configuration::Reached;
use super::super::counts::Counts;
use super::super::timeline::{Event, timeline};
use super::super::trail::Trail;
use super::demands::{Dense, Register, Step as Demanded};

/// The budget is looked at once in so many steps.
const STEPS_PER_CHECK: u64 = 1024;
/// How many configurations the first pass keeps at first, and at most.
const BEAM: (usize, usize) = (16, 4_096);
/// The first pass remembers where it was so often, in events.
const EVENTS_PER_CHECKPOINT: usize = 256;

/// The end of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is an order: the demands in it, by place, if one was asked for.
    Linearizable(Vec<u32>),
    /// There is none.
    Stuck {
        /// The demand whose completion nothing explains, by its place.
        at: usize,
        /// The values that the register may have had just before, in order.
        possible: Vec<Dense>,
    },
}

/// Searches for an order of all demands on a register: all passes, one after another.
pub(super) fn search(
    register: &Register,
    budget: &Budget,
    witness: bool,
) -> Result<Found, Exhausted> {
    match try_few(register, budget, witness)? {
        Tried::Found(found) => Ok(found),
        Tried::Unsure { .. } => search_all(register, budget, witness),
    }
}

/// What the first pass says.
pub(super) enum Tried {
    /// It is sure.
    Found(Found),
    /// Nothing of what it kept survived the completion of this demand.
    Unsure { at: usize },
}

/// The first pass: keeps few configurations.
pub(super) fn try_few(
    register: &Register,
    budget: &Budget,
    witness: bool,
) -> Result<Tried, Exhausted> {
    let (events, open) = events(register);
    match words(open)? {
        1 => few::<1>(register, &events, budget, witness),
        2 => few::<2>(register, &events, budget, witness),
        8 => few::<8>(register, &events, budget, witness),
        _ => few::<64>(register, &events, budget, witness),
    }
}

/// The other passes: they are sure, and may take long.
pub(super) fn search_all(
    register: &Register,
    budget: &Budget,
    witness: bool,
) -> Result<Found, Exhausted> {
    let (events, open) = events(register);
    match words(open)? {
        1 => all::<1>(register, &events, budget, witness),
        2 => all::<2>(register, &events, budget, witness),
        8 => all::<8>(register, &events, budget, witness),
        _ => all::<64>(register, &events, budget, witness),
    }
}

/// How many words hold a set of so many slots.
fn words(open: usize) -> Result<usize, Exhausted> {
    match open {
        0..=64 => Ok(1),
        65..=128 => Ok(2),
        129..=512 => Ok(8),
        513..=4096 => Ok(64),
        _ => Err(Exhausted::Concurrency { limit: 4096, decided: 0 }),
    }
}

fn events(register: &Register) -> (Vec<Event>, usize) {
    timeline(register.demands.iter().map(|demand| (demand.invoked, demand.completed)))
}

fn few<const W: usize>(
    register: &Register,
    events: &[Event],
    budget: &Budget,
    witness: bool,
) -> Result<Tried, Exhausted> {
    let mut under = Pass::<W>::new(register, events, budget, Mode::Under, witness);
    Ok(match under.run_widening()? {
        End::Alive(order) => Tried::Found(Found::Linearizable(order)),
        End::Dead { at, possible, is_exact: true } => Tried::Found(Found::Stuck { at, possible }),
        End::Dead { at, .. } => Tried::Unsure { at },
    })
}

fn all<const W: usize>(
    register: &Register,
    events: &[Event],
    budget: &Budget,
    witness: bool,
) -> Result<Found, Exhausted> {
    let has_info = register.demands.iter().any(|demand| !demand.is_certain());
    if has_info {
        let mut over = Pass::<W>::new(register, events, budget, Mode::Over, false);
        if let End::Dead { at, possible, .. } = over.run()? {
            return Ok(Found::Stuck { at, possible });
        }
    }
    let mut exact = Pass::<W>::new(register, events, budget, Mode::Exact, witness);
    Ok(match exact.run()? {
        End::Alive(order) => Found::Linearizable(order),
        End::Dead { at, possible, .. } => Found::Stuck { at, possible },
    })
}

/// What a pass forgets or allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It forgets configurations: survival proves.
    Under,
    /// It lets info operations take effect any number of times: extinction proves.
    Over,
    /// Neither.
    Exact,
}

enum End {
    Alive(Vec<u32>),
    Dead {
        /// The demand whose completion nothing explains.
        at: usize,
        /// The values just before.
        possible: Vec<Dense>,
        /// Whether nothing was forgotten.
        is_exact: bool,
    },
}

struct Pass<'a, const W: usize> {
    register: &'a Register,
    events: &'a [Event],
    budget: &'a Budget,
    mode: Mode,
    state: State<'a, W>,
    trail: Trail,
    counts: Counts,
    steps: u64,
    scratch: Scratch<W>,
}

/// Lists that are filled anew at each event.
struct Scratch<const W: usize> {
    before: Vec<Reached<W>>,
    next: Frontier<W>,
    seen: Frontier<W>,
    queue: Vec<Reached<W>>,
    /// What is one step further than the queue.
    further: Vec<Reached<W>>,
}

/// What changes from event to event.
#[derive(Clone)]
struct State<'a, const W: usize> {
    /// The next event.
    next: usize,
    window: Window<'a, W>,
    frontier: Vec<Reached<W>>,
    /// Whether nothing was forgotten so far.
    is_exact: bool,
}

/// A place to begin again, lighter than a [`State`]: the window is built again from the events.
struct Checkpoint<const W: usize> {
    next: usize,
    frontier: Vec<Reached<W>>,
    is_exact: bool,
}

impl<'a, const W: usize> Pass<'a, W> {
    fn new(
        register: &'a Register,
        events: &'a [Event],
        budget: &'a Budget,
        mode: Mode,
        witness: bool,
    ) -> Self {
        let state = State {
            next: 0,
            window: Window::new(register, mode == Mode::Over),
            frontier: vec![Window::start()],
            is_exact: true,
        };
        let scratch = Scratch {
            before: Vec::new(),
            next: Frontier::new(),
            seen: Frontier::new(),
            queue: Vec::new(),
            further: Vec::new(),
        };
        let (trail, counts) = (Trail::new(witness), Counts::new());
        Self { register, events, budget, mode, state, trail, counts, steps: 0, scratch }
    }

    fn run(&mut self) -> Result<End, Exhausted> {
        while self.state.next < self.events.len() {
            if let Some(end) = self.advance(usize::MAX)? {
                return Ok(end);
            }
        }
        Ok(self.alive())
    }

    /// Runs with few configurations; where none is left, goes back and keeps more for a while.
    fn run_widening(&mut self) -> Result<End, Exhausted> {
        let mut checkpoints: Vec<Checkpoint<W>> = Vec::new();
        let mut beam = BEAM.0;
        // Beyond this event the beam is narrow again.
        let mut wide_until = 0;
        let mut died_at = 0;
        while self.state.next < self.events.len() {
            let at = self.state.next;
            if at >= wide_until {
                beam = BEAM.0;
            }
            if at.is_multiple_of(EVENTS_PER_CHECKPOINT)
                && checkpoints.last().is_none_or(|last| last.next < at)
            {
                let State { frontier, is_exact, .. } = &self.state;
                let frontier = frontier.clone();
                checkpoints.push(Checkpoint { next: at, frontier, is_exact: *is_exact });
            }
            let Some(end) = self.advance(beam)? else { continue };
            let exact = matches!(end, End::Dead { is_exact: true, .. });
            if exact || beam >= BEAM.1 && at <= died_at {
                return Ok(end);
            }
            // Wider at each death around the same event, and from further back.
            beam = if at <= died_at + EVENTS_PER_CHECKPOINT { beam * 4 } else { BEAM.0 * 4 };
            died_at = died_at.max(at);
            wide_until = at + EVENTS_PER_CHECKPOINT;
            let back = (beam / BEAM.0).min(checkpoints.len() - 1);
            checkpoints.truncate(checkpoints.len() - back.min(checkpoints.len() - 1));
            let Some(checkpoint) = checkpoints.last() else { return Ok(end) };
            self.state = self.restore(checkpoint);
        }
        Ok(self.alive())
    }

    fn restore(&self, checkpoint: &Checkpoint<W>) -> State<'a, W> {
        let mut window = Window::new(self.register, false);
        let mut trail = Trail::new(false);
        for event in &self.events[..checkpoint.next] {
            match event.completes {
                false => window.begin(event.demand, &mut [], &mut trail),
                true => window.release(event.demand),
            }
        }
        let frontier = checkpoint.frontier.clone();
        State { next: checkpoint.next, window, frontier, is_exact: checkpoint.is_exact }
    }

    fn alive(&self) -> End {
        let is_write =
            |demand: u32| matches!(self.register.demands[demand as usize].step, Demanded::Write(_));
        let order =
            |reached: &Reached<W>| self.trail.order(reached.trail, |visible, _| is_write(visible));
        End::Alive(self.state.frontier.first().map_or_else(Vec::new, order))
    }

    /// Takes the next event. If nothing explains it, that is the end.
    fn advance(&mut self, beam: usize) -> Result<Option<End>, Exhausted> {
        let event = self.events[self.state.next];
        self.state.next += 1;
        let state = &mut self.state;
        if !event.completes {
            state.window.begin(event.demand, &mut state.frontier, &mut self.trail);
            return Ok(None);
        }
        std::mem::swap(&mut state.frontier, &mut self.scratch.before);
        self.complete(event, beam)?;
        if !self.state.frontier.is_empty() {
            return Ok(None);
        }
        let possible = values(&self.scratch.before);
        let is_exact = self.state.is_exact;
        Ok(Some(End::Dead { at: event.demand as usize, possible, is_exact }))
    }

    /// Keeps what explains that the demand has taken effect by now.
    fn complete(&mut self, event: Event, beam: usize) -> Result<(), Exhausted> {
        let bit = self.state.window.slot(event.demand);
        let Scratch { before, next, queue, .. } = &mut self.scratch;
        next.clear();
        queue.clear();
        for reached in before {
            if reached.at.used.intersects(bit) {
                next.add(reached.without(bit));
                continue;
            }
            if reached.at.free.intersects(bit) {
                let mut hidden = reached.without(bit);
                hidden.trail = self.trail.hidden(hidden.trail, event.demand);
                next.add(hidden);
            }
            queue.push(*reached);
        }
        if !queue.is_empty() {
            self.explore(event, beam)?;
        }
        let state = &mut self.state;
        state.window.release(event.demand);
        let is_under = self.mode == Mode::Under;
        let width = if is_under { beam } else { usize::MAX };
        let next = &mut self.scratch.next;
        let dropped = next.prune(&state.window, &self.counts, width, is_under, &mut state.frontier);
        state.is_exact &= !dropped;
        Ok(())
    }

    /// Follows all useful steps until the demand has taken effect. The first pass spends no more info operations than it must.
    fn explore(&mut self, event: Event, beam: usize) -> Result<(), Exhausted> {
        self.scratch.seen.clear();
        // Of those seen, the first so many have spent what they can.
        let mut spent = 0;
        loop {
            self.explore_open(event, beam)?;
            if !self.state.window.has_info() || spent == self.scratch.seen.len() {
                return Ok(());
            }
            if self.mode == Mode::Under && !self.scratch.next.is_empty() {
                self.state.is_exact = false;
                return Ok(());
            }
            let Self { state, trail, counts, scratch: Scratch { seen, queue, .. }, .. } = self;
            for reached in &seen.all()[spent..] {
                state.window.info_steps(reached, event.demand, counts, trail, |to| queue.push(to));
            }
            spent = seen.len();
        }
    }

    /// Follows all useful steps of open operations from what is in the queue, fewest steps first. The first pass has enough when it has as
    /// many situations as it may keep.
    fn explore_open(&mut self, event: Event, beam: usize) -> Result<(), Exhausted> {
        let bit = self.state.window.slot(event.demand);
        while !self.scratch.queue.is_empty() {
            if self.mode == Mode::Under && self.scratch.next.len() >= beam {
                self.state.is_exact = false;
                break;
            }
            while let Some(reached) = self.scratch.queue.pop() {
                self.check_budget(event)?;
                let Self { state, trail, scratch, .. } = self;
                let Scratch { next, seen, further, .. } = scratch;
                if reached.at.used.intersects(bit) {
                    next.add(reached.without(bit)); // An observer was satisfied on the way.
                } else if seen.insert(&reached) {
                    state.window.open_steps(&reached, event.demand, trail, |step| {
                        match step.is_goal {
                            true => next.add(step.to.without(bit)),
                            false => further.push(step.to),
                        }
                    });
                }
            }
            std::mem::swap(&mut self.scratch.queue, &mut self.scratch.further);
        }
        Ok(())
    }

    fn check_budget(&mut self, event: Event) -> Result<(), Exhausted> {
        let is_due = self.steps.is_multiple_of(STEPS_PER_CHECK);
        self.steps += 1;
        if !is_due {
            return Ok(());
        }
        let Scratch { next, seen, queue, further, .. } = &self.scratch;
        let held = next.len() + seen.len() + queue.len() + further.len();
        let configurations = (held * (size_of::<Reached<W>>() + 16)) as u64;
        let bytes = configurations + self.counts.bytes() + self.trail.bytes();
        self.budget.check(self.steps, bytes, event.position as usize)
    }
}

fn values<const W: usize>(frontier: &[Reached<W>]) -> Vec<Dense> {
    let mut values: Vec<_> = frontier.iter().map(|reached| reached.at.state).collect();
    values.sort_unstable();
    values.dedup();
    values
}

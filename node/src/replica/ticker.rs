//! Raft's time: ticks, laid out on the clock of the run.

use std::ops::Range;
use std::time::Duration;

use crate::trace_file::RunClock;

/// Raft's unit of time. Short against the time-outs, long against a scheduler's slice on a busy machine.
const TICK: Duration = Duration::from_millis(10);
/// 50 ms between heartbeats.
pub(crate) const HEARTBEAT_TICKS: u32 = 5;

/// From the shortest election time-out to twice as much (5.2), in ticks. Never so short that a heartbeat could come too late.
pub(crate) fn election_timeout_ticks(shortest: Duration) -> Range<u32> {
    let ticks = (shortest.as_nanos() / TICK.as_nanos()) as u32;
    let ticks = ticks.max(2 * HEARTBEAT_TICKS);
    ticks..2 * ticks
}

/// When the next tick is due. Ticks that were missed (a paused process, a busy machine) are not made up for: a burst of
/// them would only start elections.
pub(crate) struct Ticker {
    clock: RunClock,
    /// On the run's clock, in nanoseconds.
    next: u64,
    first_election_ticks: Option<u32>,
}

impl Ticker {
    /// With `first_election_at`, the ticks are laid so that one falls on that very instant, on every node.
    pub(crate) fn new(clock: RunClock, first_election_at: Option<u64>) -> Self {
        let tick = TICK.as_nanos() as u64;
        let now = clock.now();
        let ahead = first_election_at.map(|at| at.saturating_sub(now));
        let next = now + ahead.map_or(tick, |ahead| ahead % tick);
        let first_election_ticks = ahead.map(|ahead| (ahead / tick + 1) as u32);
        Self { clock, next, first_election_ticks }
    }

    /// The first election time-out in ticks, where it was fixed.
    pub(crate) fn first_election_ticks(&self) -> Option<u32> {
        self.first_election_ticks
    }

    pub(crate) fn until_next(&self) -> Duration {
        Duration::from_nanos(self.next.saturating_sub(self.clock.now()))
    }

    /// Whether a tick is due; if so, sets the time of the next.
    pub(crate) fn is_due(&mut self) -> bool {
        let (now, tick) = (self.clock.now(), TICK.as_nanos() as u64);
        if now < self.next {
            return false;
        }
        let missed = (now - self.next) / tick;
        self.next += (missed + 1) * tick;
        true
    }
}

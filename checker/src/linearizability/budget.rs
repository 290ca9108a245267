//! How much a search may use. The only place of the checker that looks at a clock, and what it sees can only turn a verdict into *unknown*.

use std::time::{Duration, Instant};

/// What a check may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time from the beginning of the check.
    pub time: Duration,
    /// Memory that all searches together may hold.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), memory_bytes: 4 << 30 }
    }
}

/// The limits, once the clock is running.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    deadline: Instant,
    limits: Limits,
    /// Searches that may run side by side share the memory.
    memory_bytes_each: u64,
    /// Steps that one search may take; no limit of its own for most.
    steps: u64,
}

/// A limit was reached before there was a verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exhausted {
    /// The time is over.
    #[error("the time limit of {} s was reached; linearizable up to event {decided}", limit.as_secs_f64())]
    Time {
        /// The limit.
        limit: Duration,
        /// The events before this one are linearizable.
        decided: usize,
    },
    /// The memory is full.
    #[error("the memory limit of {} MiB was reached; linearizable up to event {decided}", limit >> 20)]
    Memory {
        /// The limit, in bytes.
        limit: u64,
        /// The events before this one are linearizable.
        decided: usize,
    },
    /// It was not worth more steps.
    #[error("the search was given up")]
    Steps,
    /// More operations are open at once on one key than the search has places for.
    #[error("more than {limit} operations were open at once; linearizable up to event {decided}")]
    Concurrency {
        /// How many it has places for.
        limit: u32,
        /// The events before this one are linearizable.
        decided: usize,
    },
}

impl Budget {
    /// Starts the clock.
    pub(super) fn new(limits: &Limits) -> Self {
        let searches = rayon::current_num_threads().max(1) as u64;
        Self {
            deadline: Instant::now() + limits.time,
            limits: *limits,
            memory_bytes_each: limits.memory_bytes / searches,
            steps: u64::MAX,
        }
    }

    /// The same for a search that is only worth so many steps.
    pub(super) fn with_steps(&self, steps: u64) -> Self {
        Self { steps, ..*self }
    }

    /// Whether a search that has taken `steps` and holds `bytes` may go on; `decided` is how far it has come.
    pub(super) fn check(&self, steps: u64, bytes: u64, decided: usize) -> Result<(), Exhausted> {
        if steps > self.steps {
            return Err(Exhausted::Steps);
        }
        if bytes > self.memory_bytes_each {
            return Err(Exhausted::Memory { limit: self.limits.memory_bytes, decided });
        }
        if Instant::now() > self.deadline {
            return Err(Exhausted::Time { limit: self.limits.time, decided });
        }
        Ok(())
    }
}

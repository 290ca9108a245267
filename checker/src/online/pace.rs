//! When to look again at something whose looking costs more the longer it grows.

use std::time::{Duration, Instant};

/// The rest after each look is this many times as long as the look was: what is judged at this pace takes at most a quarter of one thread.
const REST: u32 = 3;

/// Says when the next look is due. What a look finds never depends on it, only when it is found.
#[derive(Debug, Default)]
pub(super) struct Pace {
    rest_until: Option<Instant>,
}

impl Pace {
    /// Whether the rest after the last look is over.
    pub(super) fn is_due(&self) -> bool {
        self.rest_until.is_none_or(|until| Instant::now() >= until)
    }

    /// Looks, and rests in proportion.
    pub(super) fn look<T>(&mut self, look: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let seen = look();
        self.rest_for(begun.elapsed());
        seen
    }

    fn rest_for(&mut self, cost: Duration) {
        self.rest_until = Some(Instant::now() + REST * cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_after_what_was_expensive() {
        let mut pace = Pace::default();
        assert!(pace.is_due());
        assert_eq!(pace.look(|| 7), 7);
        pace.rest_for(Duration::ZERO);
        assert!(pace.is_due());
        pace.rest_for(Duration::from_secs(3_600));
        assert!(!pace.is_due());
    }
}

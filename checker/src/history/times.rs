//! The time of every event in four bytes.

/// Nanoseconds of events in order, never decreasing. Events are kept as distances from the last *mark*; a new mark is set when a distance no
/// longer fits into 32 bits (4.29 s).
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    distances: Vec<u32>,
    /// First event after the mark, and its time.
    marks: Vec<(u32, u64)>,
}

impl Times {
    /// The time of the next event.
    pub(super) fn push(&mut self, time: u64) {
        let base = self.marks.last().map(|(_, base)| *base);
        let distance = base.and_then(|base| u32::try_from(time - base).ok());
        if distance.is_none() {
            self.marks.push((self.distances.len() as u32, time));
        }
        self.distances.push(distance.unwrap_or(0));
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.distances.len()
    }

    /// The time of an event.
    pub(super) fn get(&self, event: usize) -> u64 {
        let after = self.marks.partition_point(|(first, _)| *first as usize <= event);
        self.marks[after - 1].1 + u64::from(self.distances[event])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_silences_and_equal_times_are_kept() {
        let all =
            [0, 0, 5, u64::from(u32::MAX), u64::from(u32::MAX) + 1, 1 << 40, 1 << 40, u64::MAX];
        let mut times = Times::default();
        all.iter().for_each(|time| times.push(*time));
        let back: Vec<_> = (0..all.len()).map(|event| times.get(event)).collect();
        assert_eq!(back, all);
    }
}

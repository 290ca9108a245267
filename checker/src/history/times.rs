//! The time of every event, in the two or three bytes that the distance to the one before takes.

/// Nanoseconds of events in order, never decreasing. Distances are written with seven bits a byte, the lowest first (LEB128); a time is found from the
/// last of the *marks*, which stand at regular events.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    distances: Vec<u8>,
    marks: Vec<Mark>,
    last: u64,
    events: usize,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The time of its event.
    time: u64,
    /// Where the distances after its event begin.
    place: usize,
}

/// From mark to mark, in events.
const STRIDE: usize = 128;

impl Times {
    /// The time of the next event.
    pub(super) fn push(&mut self, time: u64) {
        if self.events.is_multiple_of(STRIDE) {
            self.marks.push(Mark { time, place: self.distances.len() });
        } else {
            let mut distance = time - self.last;
            while distance >= 0x80 {
                self.distances.push(distance as u8 | 0x80);
                distance >>= 7;
            }
            self.distances.push(distance as u8);
        }
        self.last = time;
        self.events += 1;
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.events
    }

    /// The time of an event.
    pub(super) fn get(&self, event: usize) -> u64 {
        let Mark { time, place } = self.marks[event / STRIDE];
        let mut bytes = self.distances[place..].iter();
        (0..event % STRIDE).fold(time, |time, _| time + distance(&mut bytes))
    }
}

/// The next distance.
fn distance<'a>(bytes: &mut impl Iterator<Item = &'a u8>) -> u64 {
    let mut distance = 0;
    for (number, byte) in bytes.enumerate() {
        distance |= u64::from(byte & 0x7f) << (7 * number);
        if byte & 0x80 == 0 {
            break;
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_silences_and_equal_times_are_kept() {
        let mut all = vec![0, 0, 5, 127, 255, 16_383 + 255, 1 << 32, 1 << 40, 1 << 40];
        all.extend((0..3 * STRIDE as u64).map(|number| (1 << 41) + number * number));
        all.push(u64::MAX);
        let mut times = Times::default();
        all.iter().for_each(|time| times.push(*time));
        let back: Vec<_> = (0..all.len()).map(|event| times.get(event)).collect();
        assert_eq!(back, all);
    }
}

//! Blocks of operations that stand in one piece in every order, and which of them contradict each other.
//!
//! The operations on a value, and on the values that cas lead to from it, stand together. A block is known by its *first* completion and its
//! *last* invocation; A must precede B if `first(A) < last(B)`, and there is an order unless two blocks must each precede the other
//! (Gibbons & Korach 1997). While events arrive,
//!
//! * a block appears with its first completion, which is the latest event: blocks stand in the order of `first`, which never changes, and
//!   a new one contradicts nothing;
//! * only `last` grows, so new contradictions are with blocks whose `first` lies between the old and the new `last`. What has no
//!   contradiction there was invoked before this block's first completion: they are no more than were open at once;
//! * blocks whose first completion came before everything that is open (*settled*) are met by every operation to come. A block that must
//!   precede a settled one is therefore *closed*: whatever still joined it would contradict. Of the settled blocks only that with the
//!   greatest `last` matters for this, so nothing else of what is settled and closed need be kept.

use std::collections::VecDeque;

use super::evidence::Operation;

/// The number of a block; blocks are numbered in the order of their first completions.
pub(super) type Number = u64;

/// The block of the initial value.
pub(super) const INITIAL: Number = 0;

/// The blocks of one register.
#[derive(Debug)]
pub(super) struct Blocks {
    zones: VecDeque<Zone>,
    /// The operations whose completion and invocation delimit each block; none for the initial value.
    proofs: VecDeque<Proof>,
    /// The number of the first block in `zones`.
    forgotten: Number,
    /// The first block that is not settled.
    settled: Number,
    /// The settled block with the greatest `last`, and that.
    furthest: Option<(Number, u64)>,
    /// How many closed blocks are kept for the sake of the explanation.
    remembered: usize,
}

#[derive(Clone, Copy, Debug)]
struct Zone {
    first: u64,
    last: u64,
}

/// The operations that delimit a block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// Whose completion is the first.
    pub(super) first: Option<Operation>,
    /// Whose invocation is the last.
    pub(super) last: Option<Operation>,
}

impl Blocks {
    /// Only the initial value, which was there before every event. Events count from 1.
    pub(super) fn new(remembered: usize) -> Self {
        Self {
            zones: VecDeque::from([Zone { first: 0, last: 0 }]),
            proofs: VecDeque::from([Proof::default()]),
            forgotten: INITIAL,
            settled: INITIAL,
            furthest: None,
            remembered,
        }
    }

    /// A new block, which appears with the completion of `proof` at `now`; `last` is the greatest invocation of its operations.
    pub(super) fn add(&mut self, now: u64, last: u64, proof: Operation) -> Number {
        self.zones.push_back(Zone { first: now, last });
        self.proofs.push_back(Proof { first: Some(proof), last: Some(proof) });
        self.forgotten + self.zones.len() as Number - 1
    }

    /// An operation that was invoked at `invoked` joins a block that is not closed. An error is a block that contradicts it.
    pub(super) fn join(
        &mut self,
        block: Number,
        invoked: u64,
        operation: &Operation,
    ) -> Result<(), Number> {
        let place = (block - self.forgotten) as usize;
        let Zone { first, last: before } = self.zones[place];
        if invoked <= before {
            return Ok(());
        }
        self.zones[place].last = invoked;
        self.proofs[place].last = Some(*operation);
        if block < self.settled {
            self.reach(block, invoked);
        }
        let from = self.zones.partition_point(|zone| zone.first < before);
        let between = self.zones.range(from..).take_while(|zone| zone.first < invoked);
        let contradicts =
            |(other, zone): (usize, &Zone)| zone.last > first && from + other != place;
        match between.enumerate().position(contradicts) {
            Some(other) => Err(self.forgotten + (from + other) as Number),
            None => Ok(()),
        }
    }

    /// The settled block because of which nothing can join this one any more, if it is closed. It is gone if the block has been forgotten.
    pub(super) fn closed_by(&self, block: Number) -> Option<Number> {
        let (other, last) = self.furthest?;
        let first = self.zone(block).map(|zone| zone.first);
        (other != block && first.is_none_or(|first| first < last)).then_some(other)
    }

    /// Takes over what has become settled now that everything open was invoked at `first_open` or later, and forgets what nobody needs.
    pub(super) fn settle(&mut self, first_open: u64) {
        while let Some(zone) = self.zone(self.settled).filter(|zone| zone.first < first_open) {
            self.reach(self.settled, zone.last);
            self.settled += 1;
        }
        while self.zones.len() > self.remembered && self.is_superfluous(self.forgotten) {
            self.zones.pop_front();
            self.proofs.pop_front();
            self.forgotten += 1;
        }
    }

    /// Whether a block is no longer known.
    pub(super) fn is_forgotten(&self, block: Number) -> bool {
        block < self.forgotten
    }

    /// The operations that delimit a block; nothing of one that is forgotten.
    pub(super) fn proof(&self, block: Number) -> Proof {
        let place = block.checked_sub(self.forgotten);
        place.and_then(|place| self.proofs.get(place as usize)).copied().unwrap_or_default()
    }

    /// The operations that delimit the blocks that are still known.
    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.proofs.iter().flat_map(|proof| proof.first.iter().chain(&proof.last))
    }

    /// How many blocks something may still join.
    pub(super) fn live(&self) -> usize {
        let end = self.forgotten + self.zones.len() as Number;
        (self.forgotten..end).filter(|block| self.closed_by(*block).is_none()).count()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.zones.len()
    }

    fn zone(&self, block: Number) -> Option<Zone> {
        let place = block.checked_sub(self.forgotten)?;
        self.zones.get(place as usize).copied()
    }

    /// Whether a block is neither open to anything nor the reason why others are not.
    fn is_superfluous(&self, block: Number) -> bool {
        block < self.settled && self.closed_by(block).is_some()
    }

    /// The `last` of a settled block is at least this.
    fn reach(&mut self, block: Number, last: u64) {
        if self.furthest.is_none_or(|(_, furthest)| last > furthest) {
            self.furthest = Some((block, last));
        }
    }
}

//! Clusters with cas: chains of values, each a block that stands in one piece.

use super::super::demands::{Demand, Dense, INITIAL, Register, Step, UNOBSERVED};
use super::Answer;
use super::refuted::place_refuted;
use crate::history::NEVER;

/// No demand.
const NONE: u32 = u32::MAX;

/// Judges a register.
pub(in super::super) fn blocks(register: &Register) -> Answer {
    let mut chains = match Chains::of(register) {
        Ok(chains) => chains,
        Err(answer) => return answer,
    };
    let blocks = match chains.blocks() {
        Ok(blocks) => blocks,
        Err(core) => return Answer::Invalid(core),
    };
    if let Some((a, b)) = conflict(&blocks) {
        return Answer::Invalid(chains.core(&[
            a.proof_of_first,
            a.proof_of_last,
            b.proof_of_first,
            b.proof_of_last,
        ]));
    }
    let runs = blocks.iter().map(|block| &chains.sequence[block.start..block.end]);
    let order: Vec<u32> = runs.flatten().copied().collect();
    if !register.has_refuted {
        return Answer::Valid(order);
    }
    place_refuted(register, &order).map_or(Answer::NotApplicable, Answer::Valid)
}

/// Who wrote what, who saw it, and which cas leads where.
struct Chains<'a> {
    register: &'a Register,
    /// Whether each demand takes part: it certainly happened, or somebody saw what it did.
    happened: Vec<bool>,
    /// The only possible writer of each value; none for the initial one.
    writer: Vec<u32>,
    /// Whether somebody certainly saw each value.
    is_seen: Vec<bool>,
    /// The cas that leads away from each value.
    leaves: Vec<u32>,
    /// Those who saw each value: where they begin in `seers`, by value.
    seers_from: Vec<u32>,
    seers: Vec<u32>,
    /// The demands in the order within their blocks, one block after another.
    sequence: Vec<u32>,
}

/// A piece of the order. Positions are one more than those of events.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// First completion and last invocation, and the demands whose they are.
    first: u32,
    last: u32,
    proof_of_first: u32,
    proof_of_last: u32,
    /// Its part of the sequence.
    start: usize,
    end: usize,
}

impl Block {
    fn left_end(&self) -> (u32, bool) {
        (self.first.min(self.last), self.first < self.last)
    }
}

/// Two blocks that must each precede the other. Blocks are put into the order that is right if there are none.
fn conflict(blocks: &[Block]) -> Option<(Block, Block)> {
    let mut furthest: Option<Block> = None;
    for block in blocks {
        if let Some(other) =
            furthest.filter(|other| other.first < block.last && block.first < other.last)
        {
            return Some((other, *block));
        }
        let is_forward = block.first < block.last;
        if is_forward && furthest.is_none_or(|other| block.last > other.last) {
            furthest = Some(*block);
        }
    }
    None
}

impl<'a> Chains<'a> {
    fn of(register: &'a Register) -> Result<Self, Answer> {
        let (demands, values) = (&register.demands, register.values());
        let mut chains = Self {
            register,
            happened: demands.iter().map(|demand| demand.is_certain()).collect(),
            writer: vec![NONE; values],
            is_seen: vec![false; values],
            leaves: vec![NONE; values],
            seers_from: Vec::new(),
            seers: Vec::new(),
            sequence: Vec::with_capacity(demands.len()),
        };
        let mut writers = vec![0_u8; values];
        writers[INITIAL as usize] = 1;
        for (place, demand) in demands.iter().enumerate() {
            if let Step::Write(value) | Step::Cas(_, value) = demand.step
                && value != UNOBSERVED
            {
                writers[value as usize] = writers[value as usize].saturating_add(1);
                chains.writer[value as usize] = place as u32;
            }
        }
        chains.settle(&writers)?;
        chains.link()?;
        chains.gather();
        Ok(chains)
    }

    /// Who saw a value proves that it was written; and if a cas wrote it, that the cas saw another.
    fn settle(&mut self, writers: &[u8]) -> Result<(), Answer> {
        let demands = &self.register.demands;
        let mut pending: Vec<(Dense, u32)> = Vec::new();
        for (place, demand) in demands.iter().enumerate() {
            if let Step::Is(value) | Step::Cas(value, _) = demand.step
                && demand.is_certain()
            {
                pending.push((value, place as u32));
            }
        }
        while let Some((value, seer)) = pending.pop() {
            if std::mem::replace(&mut self.is_seen[value as usize], true) {
                continue;
            }
            match writers[value as usize] {
                0 => return Err(Answer::Invalid(self.core(&[seer]))),
                1 => {}
                _ => return Err(Answer::NotApplicable),
            }
            let writer = self.writer[value as usize];
            if writer == NONE {
                continue; // The initial value.
            }
            self.happened[writer as usize] = true;
            if let Step::Cas(old, _) = demands[writer as usize].step {
                pending.push((old, writer));
            }
        }
        Ok(())
    }

    /// Whether somebody certainly saw a value.
    fn sees(&self, value: Dense) -> bool {
        value != UNOBSERVED && self.is_seen[value as usize]
    }

    /// At most one cas leads away from a value: there is only one moment at which it is replaced.
    fn link(&mut self) -> Result<(), Answer> {
        for (place, demand) in self.register.demands.iter().enumerate() {
            let Step::Cas(old, _) = demand.step else { continue };
            if !self.happened[place] {
                continue;
            }
            let other = std::mem::replace(&mut self.leaves[old as usize], place as u32);
            if other != NONE {
                return Err(Answer::Invalid(self.core(&[other, place as u32])));
            }
        }
        Ok(())
    }

    /// Sorts those who only look by the value that they saw.
    fn gather(&mut self) {
        let demands = &self.register.demands;
        let looks = |demand: &Demand| match demand.step {
            Step::Is(value) => Some(value as usize),
            _ => None,
        };
        let mut from = vec![0_u32; self.writer.len() + 1];
        for value in demands.iter().filter_map(looks) {
            from[value + 1] += 1;
        }
        for value in 1..from.len() {
            from[value] += from[value - 1];
        }
        let mut next = from.clone();
        self.seers = vec![0; from.last().copied().unwrap_or(0) as usize];
        for (place, demand) in demands.iter().enumerate() {
            if let Some(value) = looks(demand) {
                self.seers[next[value] as usize] = place as u32;
                next[value] += 1;
            }
        }
        self.seers_from = from;
    }

    /// All blocks, in the order of their left ends. An error is a core that shows that there is no order within a block.
    fn blocks(&mut self) -> Result<Vec<Block>, Vec<u32>> {
        let mut blocks = Vec::new();
        for value in 0..self.writer.len() as Dense {
            let writer = self.writer[value as usize];
            let is_written = self.is_seen[value as usize]
                && writer != NONE
                && matches!(self.register.demands[writer as usize].step, Step::Write(_));
            if value == INITIAL || is_written {
                blocks.push(self.block(value)?);
            }
        }
        // Writes that nobody saw stand alone, however many write the same.
        for (place, demand) in self.register.demands.iter().enumerate() {
            if matches!(demand.step, Step::Write(value) if !self.sees(value)) && demand.is_certain()
            {
                blocks.push(self.anonymous(place as u32));
            }
        }
        let looks_or_changes = |step| !matches!(step, Step::IsNot(_));
        let demands = self.register.demands.iter().zip(&self.happened);
        let expected =
            demands.filter(|(demand, happened)| **happened && looks_or_changes(demand.step));
        if expected.count() != self.sequence.len() {
            return Err(self.circle());
        }
        blocks.sort_unstable_by_key(Block::left_end);
        Ok(blocks)
    }

    /// The block that begins with a value: its write, who saw it, the cas that replaced it, who saw that, and so on.
    fn block(&mut self, value: Dense) -> Result<Block, Vec<u32>> {
        let start = self.sequence.len();
        let first = if value == INITIAL { 0 } else { NEVER };
        let mut block =
            Block { first, last: 0, proof_of_first: NONE, proof_of_last: NONE, start, end: start };
        // The last invocation in the groups before the one at hand, and whose it is.
        let mut begun = (0, NONE);
        let mut value = value;
        let mut change = if value == INITIAL { NONE } else { self.writer[value as usize] };
        loop {
            if change != NONE {
                self.append(change, &mut block, &mut begun)?;
            }
            let before = begun;
            let seers = self.seers_from[value as usize] as usize
                ..self.seers_from[value as usize + 1] as usize;
            for place in seers {
                let seer = self.seers[place];
                let mut latest = before;
                self.append(seer, &mut block, &mut latest)?;
                begun = begun.max(latest);
            }
            change = self.leaves[value as usize];
            if change == NONE {
                break;
            }
            let Step::Cas(_, new) = self.register.demands[change as usize].step else { break };
            if !self.sees(new) {
                self.append(change, &mut block, &mut begun)?;
                break;
            }
            value = new;
        }
        block.end = self.sequence.len();
        Ok(block)
    }

    /// Puts a demand at the end of a block. It must not have completed before something began that stands before it.
    fn append(
        &mut self,
        place: u32,
        block: &mut Block,
        begun: &mut (u32, u32),
    ) -> Result<(), Vec<u32>> {
        let demand = &self.register.demands[place as usize];
        let (invoked, completed) = (demand.invoked + 1, demand.completed.saturating_add(1));
        if completed < begun.0 {
            return Err(self.core(&[begun.1, place]));
        }
        if completed < block.first {
            (block.first, block.proof_of_first) = (completed, place);
        }
        if invoked > block.last {
            (block.last, block.proof_of_last) = (invoked, place);
        }
        *begun = (*begun).max((invoked, place));
        self.sequence.push(place);
        Ok(())
    }

    fn anonymous(&mut self, place: u32) -> Block {
        let start = self.sequence.len();
        self.sequence.push(place);
        let demand = &self.register.demands[place as usize];
        let (first, last) = (demand.completed.saturating_add(1), demand.invoked + 1);
        Block { first, last, proof_of_first: place, proof_of_last: place, start, end: start + 1 }
    }

    /// Cas that lead in a circle, which nothing enters.
    fn circle(&self) -> Vec<u32> {
        let mut placed = vec![false; self.happened.len()];
        self.sequence.iter().for_each(|place| placed[*place as usize] = true);
        let demands = self.register.demands.iter().enumerate();
        let left = demands.filter(|(place, demand)| {
            self.happened[*place] && !placed[*place] && matches!(demand.step, Step::Cas(..))
        });
        let mut circle: Vec<u32> = Vec::new();
        let Some((mut place, _)) = left.min_by_key(|(_, demand)| demand.invoked) else {
            return circle;
        };
        while !circle.contains(&(place as u32)) {
            circle.push(place as u32);
            let Step::Cas(old, _) = self.register.demands[place].step else { break };
            place = self.writer[old as usize] as usize;
        }
        let entry = circle.iter().position(|member| *member as usize == place).unwrap_or(0);
        self.core(&circle.split_off(entry))
    }

    /// What proves a conflict between demands: they, what they rest on (the writers of the values that they saw, and so on), and
    /// for a writer whose outcome nobody knows somebody who saw what it wrote.
    fn core(&self, of: &[u32]) -> Vec<u32> {
        let mut core: Vec<u32> = Vec::new();
        let mut pending: Vec<u32> = of.iter().copied().filter(|place| *place != NONE).collect();
        while let Some(place) = pending.pop() {
            if core.contains(&place) {
                continue;
            }
            core.push(place);
            let demand = &self.register.demands[place as usize];
            if let Step::Is(old) | Step::Cas(old, _) = demand.step {
                pending.extend(Some(self.writer[old as usize]).filter(|writer| *writer != NONE));
            }
            if let Step::Write(new) | Step::Cas(_, new) = demand.step
                && !demand.is_certain()
                && new != UNOBSERVED
            {
                pending.extend(self.seer(new));
            }
        }
        core.sort_unstable();
        core
    }

    /// Somebody who saw a value; if possible somebody who did so for certain.
    fn seer(&self, value: Dense) -> Option<u32> {
        let saw = |(place, demand): &(usize, &Demand)| {
            matches!(demand.step, Step::Is(old) | Step::Cas(old, _) if old == value)
                && self.happened[*place]
        };
        let seers = self.register.demands.iter().enumerate().filter(saw);
        seers.min_by_key(|(_, demand)| !demand.is_certain()).map(|(place, _)| place as u32)
    }
}

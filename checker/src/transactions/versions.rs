//! Who wrote which version: (key, value) to a dense number, and from there to the writer.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::micro::Transactions;
use crate::history::{Outcome, ValueId};

/// No version, no transaction, no position.
pub(super) const NONE: u32 = u32::MAX;

/// The versions that somebody wrote.
pub(super) struct Versions {
    numbering: Numbering,
    /// The writer of each version; [`NONE`] for numbers that stand for nothing.
    writers: Vec<u32>,
    /// Whether the writer overwrote the version itself.
    intermediate: Vec<bool>,
}

/// Tables as wide as the values of a key are, or a map where that would waste memory.
enum Numbering {
    Dense { first_value: Vec<u32>, first_version: Vec<u32> },
    Sparse(HashMap<(u32, ValueId), u32, FxBuildHasher>),
}

/// Two transactions that may both have taken effect wrote the same value to the same key: what was read cannot be told apart.
#[derive(Debug)]
pub(super) struct WrittenTwice {
    pub(super) key: u32,
    pub(super) value: ValueId,
    pub(super) writers: [u32; 2],
}

impl Versions {
    pub(super) fn of(transactions: &Transactions<'_>) -> Result<Self, WrittenTwice> {
        let numbering = Numbering::of(transactions);
        let count = numbering.count();
        let mut versions =
            Self { numbering, writers: vec![NONE; count], intermediate: vec![false; count] };
        for place in 0..transactions.len() as u32 {
            versions.enter(transactions, place)?;
        }
        Ok(versions)
    }

    fn enter(&mut self, transactions: &Transactions<'_>, place: u32) -> Result<(), WrittenTwice> {
        use super::micro::Action;
        let micros = transactions.micros(place);
        let failed = |place: u32| transactions.outcome(place) == Outcome::Fail;
        for (at, micro) in micros.iter().enumerate() {
            if micro.action != Action::Write {
                continue;
            }
            let version = self.numbering.number(micro.key, micro.value).unwrap_or(NONE) as usize;
            let known = self.writers[version];
            if known != NONE && failed(place) {
                continue;
            }
            if known != NONE && !failed(known) {
                let (key, value) = (micro.key, micro.value);
                return Err(WrittenTwice { key, value, writers: [known, place] });
            }
            self.writers[version] = place;
            let again = |later: &super::micro::Micro| {
                later.action == Action::Write && later.key == micro.key
            };
            self.intermediate[version] = micros[at + 1..].iter().any(again);
        }
        Ok(())
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.writers.len()
    }

    /// The number of a version; nothing if nobody wrote it.
    pub(super) fn number(&self, key: u32, value: ValueId) -> Option<u32> {
        let version = self.numbering.number(key, value)?;
        (self.writers[version as usize] != NONE).then_some(version)
    }

    /// Who wrote a version.
    pub(super) fn writer(&self, version: u32) -> u32 {
        self.writers[version as usize]
    }

    /// Who wrote it, from key and value.
    pub(super) fn writer_of(&self, key: u32, value: ValueId) -> Option<u32> {
        self.number(key, value).map(|version| self.writer(version))
    }

    /// Whether its writer overwrote it itself.
    pub(super) fn is_intermediate(&self, version: u32) -> bool {
        self.intermediate[version as usize]
    }
}

impl Numbering {
    fn of(transactions: &Transactions<'_>) -> Self {
        let mut spans = vec![(NONE, 0); transactions.keys.len()];
        let mut writes = 0_u64;
        for (_, micro) in transactions.writes() {
            let (first, last) = &mut spans[micro.key as usize];
            *first = micro.value.number().min(*first);
            *last = micro.value.number().max(*last);
            writes += 1;
        }
        let width = |(first, last): &(u32, u32)| u64::from((last + 1).saturating_sub(*first));
        if spans.iter().map(width).sum::<u64>() > 4 * writes + 1024 {
            return Self::sparse(transactions);
        }
        let mut next = 0;
        let mut first_version: Vec<_> = Vec::with_capacity(spans.len() + 1);
        for span in &spans {
            first_version.push(next);
            next += width(span) as u32;
        }
        first_version.push(next);
        Self::Dense { first_value: spans.iter().map(|span| span.0).collect(), first_version }
    }

    fn sparse(transactions: &Transactions<'_>) -> Self {
        let mut map = HashMap::default();
        for (_, micro) in transactions.writes() {
            let next = map.len() as u32;
            map.entry((micro.key, micro.value)).or_insert(next);
        }
        Self::Sparse(map)
    }

    fn count(&self) -> usize {
        match self {
            Self::Dense { first_version, .. } => {
                first_version.last().map_or(0, |end| *end as usize)
            }
            Self::Sparse(map) => map.len(),
        }
    }

    fn number(&self, key: u32, value: ValueId) -> Option<u32> {
        match self {
            Self::Dense { first_value, first_version } => {
                let key = key as usize;
                let version = value
                    .number()
                    .checked_sub(first_value[key])?
                    .checked_add(first_version[key])?;
                (version < first_version[key + 1]).then_some(version)
            }
            Self::Sparse(map) => map.get(&(key, value)).copied(),
        }
    }
}

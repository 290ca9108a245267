//! How a leader makes sure that it may answer a read.

use std::fmt;
use std::str::FromStr;

/// The two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// It asks a majority, each time (ReadIndex; dissertation, 6.4). Rests on no clock.
    #[default]
    ReadIndex,
    /// It need not ask for a while after a majority has answered. Rests on ticks, which stand still while the process is stopped: a leader that was stopped and
    /// deposed meanwhile answers with old values until its lease runs out.
    Lease,
}

impl Reads {
    const ALL: [Self; 2] = [Self::ReadIndex, Self::Lease];

    /// The name used on the command line and in workloads.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadIndex => "read-index",
            Self::Lease => "lease",
        }
    }

    /// How long a lease runs where elections take so many ticks at the least: a tenth less, for clocks that differ in speed, and one tick less, for
    /// the question was asked somewhere within a tick.
    pub(crate) fn lease_ticks(self, shortest_election_ticks: u32) -> Option<u32> {
        match self {
            Self::ReadIndex => None,
            Self::Lease => Some(shortest_election_ticks - shortest_election_ticks.div_ceil(10) - 1),
        }
    }
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reads {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|reads| reads.name() == name);
        known.ok_or_else(|| format!("`{name}` is no way to read: expected read-index or lease"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_shorter_than_any_election_time_out() {
        for (shortest, lease) in [(10, 8), (25, 21), (100, 89)] {
            assert_eq!(Reads::Lease.lease_ticks(shortest), Some(lease));
            assert_eq!(Reads::ReadIndex.lease_ticks(shortest), None);
        }
    }

    #[test]
    fn every_name_parses_back_and_others_are_refused() {
        for reads in Reads::ALL {
            assert_eq!(reads.name().parse(), Ok(reads));
        }
        assert!("leases".parse::<Reads>().unwrap_err().contains("expected read-index or lease"));
    }
}

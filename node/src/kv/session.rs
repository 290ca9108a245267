//! The sessions of clients: what each was answered, so that a repeated command is answered again and not carried out again.
//!
//! All of it is bounded, and all that is forgotten is forgotten at the same entry of the log on every replica. At most [`SESSIONS_MAX`]
//! sessions are kept: a new one takes the place of the one whose last entry is the oldest. At most [`RESULTS_MAX`] answers are kept for each: a
//! client acknowledges what it has, and whoever does not is refused. A command of a forgotten session is refused and not carried out,
//! because nobody knows whether it was.
//!
//! Turned down: expiry by time. The log would have to carry the leader's clock, and a session could end while its client waits for a fault to
//! end; with a limit on their number it ends only where thousands of others are busier.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Outcome, Refusal};

/// So many sessions are kept: as many as a workload may have clients, and some for registrations whose answer was missed.
pub const SESSIONS_MAX: usize = 4_096;
/// So many answers are kept for a session. Our clients wait for each before they ask again, and need one.
pub const RESULTS_MAX: usize = 64;

/// All sessions, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sessions {
    by_id: BTreeMap<u64, Session>,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    /// Index of its last entry. No two sessions have the same.
    used: u64,
    /// The client has its answers to all numbers below.
    answered: u64,
    /// What it was answered, by number.
    results: BTreeMap<u64, Outcome>,
}

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is carried out.
    New,
    /// It was carried out, and this came of it.
    Known(Outcome),
    /// It is not carried out.
    Refused(Refusal),
}

impl Sessions {
    /// Opens a session, whose id is the index of this entry.
    pub(super) fn register(&mut self, index: u64) -> u64 {
        if self.by_id.len() >= SESSIONS_MAX {
            let oldest = self.by_id.iter().min_by_key(|(_, session)| session.used);
            if let Some(id) = oldest.map(|(id, _)| *id) {
                self.by_id.remove(&id);
            }
        }
        self.by_id.insert(index, Session { used: index, ..Session::default() });
        index
    }

    /// Decides about a command, and forgets the answers below `answered`.
    pub(super) fn turn(&mut self, id: u64, sequence: u64, answered: u64, index: u64) -> Turn {
        let Some(session) = self.by_id.get_mut(&id) else {
            return Turn::Refused(Refusal::NoSession);
        };
        session.used = index;
        if answered > session.answered {
            session.answered = answered;
            session.results = session.results.split_off(&answered);
        }
        if sequence < session.answered {
            return Turn::Refused(Refusal::Answered);
        }
        match session.results.get(&sequence) {
            Some(outcome) => Turn::Known(outcome.clone()),
            None if session.results.len() >= RESULTS_MAX => Turn::Refused(Refusal::Unacknowledged),
            None => Turn::New,
        }
    }

    /// Keeps what came of a command.
    pub(super) fn remember(&mut self, id: u64, sequence: u64, outcome: Outcome) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.results.insert(sequence, outcome);
        }
    }
}

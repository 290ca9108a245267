//! Judges recordings of replicated systems.
//!
//! The crate reads files and nothing else: a *history* (what clients saw), *traces* (what nodes did) and the plan of
//! the run, and gives a *verdict*. It knows nothing of processes, sockets or the system under test.
#![warn(missing_docs)]

pub mod history;
pub mod trace;
pub mod verdict;

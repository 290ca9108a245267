//! Judges recordings of replicated systems.
//!
//! The crate reads files and nothing else: a *history* (what clients saw), *traces* (what nodes did) and the plan of
//! the run, and gives a *verdict*. It knows nothing of processes, sockets or the system under test.
//!
//! [`judge::judge_run`] judges a run directory and [`judge::judge_history`] a bare history.
#![warn(missing_docs)]

pub mod certificate;
mod explain;
pub mod history;
pub mod judge;
pub mod linearizability;
pub mod models;
pub mod online;
pub mod properties;
pub mod trace;
pub mod verdict;

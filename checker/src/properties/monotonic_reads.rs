//! Monotonic reads: no process sees a value go back. One of the session guarantees, judged by itself.
//!
//! `versions.rs` says in which order the values of a key are taken to have come.

use super::session_guarantees::{Guarantee, judge};
use crate::history::History;
use crate::verdict::CheckReport;

/// Name of the check.
pub const NAME: &str = "monotonic-reads";

/// Judges a history.
pub fn check(history: &History) -> CheckReport {
    judge(NAME, history, &[Guarantee::MonotonicReads])
}

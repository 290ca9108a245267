//! What must hold of a run beside the promises of its objects: one file a property.
//!
//! Each judges recordings alone, needs no order across nodes, and is *unknown*, never valid, when it saw nothing to judge.

pub mod faults_effective;
pub mod final_reads;
pub mod nodes_alive;
pub mod operations;
pub mod raft;
pub mod recovery;
pub mod run_complete;
pub mod split_votes;

use crate::verdict::{CheckReport, Verdict, Violation};

/// A report without violations.
fn report(name: &str, verdict: Verdict, detail: impl Into<String>) -> CheckReport {
    CheckReport { name: name.into(), verdict, detail: detail.into(), violations: Vec::new() }
}

/// A report of violations.
fn invalid(name: &str, detail: impl Into<String>, violations: Vec<Violation>) -> CheckReport {
    CheckReport { name: name.into(), verdict: Verdict::Invalid, detail: detail.into(), violations }
}

/// `1 leader`, `3 leaders`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

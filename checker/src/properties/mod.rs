//! What must hold of a run beside the promises of its objects: one file a property.
//!
//! Each judges recordings alone, needs no order across nodes, and is *unknown*, never valid, when it saw nothing to judge. `docs/checks.md` says
//! of each what it means.

pub mod availability;
pub mod bank;
pub mod counter_bounds;
pub mod faults_effective;
pub mod final_reads;
pub mod follower_reads;
pub mod host;
pub mod latency;
pub mod long_fork;
pub mod monotonic_reads;
pub mod nodes_alive;
pub mod operations;
pub mod raft;
pub mod recovery;
pub mod run_complete;
pub mod session_guarantees;
pub mod set_full;
pub mod split_votes;
pub mod state_digests;
pub mod total_queue;
pub mod unique_ids;
pub mod wire_leaders;

mod elements;
mod findings;
mod options;
mod quantiles;
mod versions;

pub use self::options::Options;
use crate::explain::counted;
use crate::history::History;
use crate::models::Model;
use crate::verdict::{CheckReport, Verdict};

/// Judges a property of a history. A model of another family is no property: undecided.
pub fn check(history: &History, property: Model, options: &Options) -> CheckReport {
    match property {
        Model::SetFull => set_full::check(history, options.linearizable),
        Model::TotalQueue => total_queue::check(history),
        Model::CounterBounds => counter_bounds::check(history),
        Model::Bank => bank::check(history, options.total, options.negative_balances),
        Model::UniqueIds => unique_ids::check(history),
        Model::LongFork => long_fork::check(history),
        Model::MonotonicReads => monotonic_reads::check(history),
        Model::SessionGuarantees => session_guarantees::check(history),
        Model::Availability => availability::check(history, options),
        Model::Latency => latency::check(history, &options.latency_max),
        Model::StateDigests => state_digests::check(history, &[]),
        other => {
            CheckReport::new(other.name(), Verdict::Unknown, "this is not a property of a history")
        }
    }
}

/// Judges a history that goes on: what convicts here convicts the whole, whatever follows. Nothing for what only the end can show (quantiles, and
/// gaps that are not over); that something is lost is not said either, as it may still turn up.
pub(crate) fn check_so_far(
    history: &History,
    property: Model,
    options: &Options,
) -> Option<CheckReport> {
    match property {
        Model::SetFull => Some(set_full::check_so_far(history, options.linearizable)),
        Model::TotalQueue => Some(total_queue::check_so_far(history)),
        Model::Availability | Model::Latency | Model::StateDigests => None,
        other => Some(check(history, other, options)),
    }
}

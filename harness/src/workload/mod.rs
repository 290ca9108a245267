//! The workload: the only configuration of a run, and the only place that parses YAML.
//!
//! `shape.rs`, `work.rs`, `check.rs`, `fault.rs` and `rule.rs` are what a workload can say, `load.rs` reads one, `validate.rs` checks that it makes sense. Everything that is
//! wrong comes with its line, its column and, where there is one, the nearest thing that would have been right.

mod check;
mod diagnostics;
mod fault;
mod load;
mod rule;
mod shape;
mod spans;
mod units;
mod validate;
mod work;

pub(crate) use fault::{Direction, Fault, Packets, Partition, Shape, Target};
pub(crate) use load::load;
pub(crate) use rule::{Choice, FaultRule, When};
pub(crate) use shape::{Routing, Workload};
pub(crate) use work::{Work, WorkKind};

#[cfg(test)]
pub(crate) mod tests;

//! The workload: the only configuration of a run, and the only place that parses YAML.
//!
//! `shape.rs`, `work.rs`, `check.rs`, `fault.rs`, `rule.rs` and `trigger.rs` are what a workload can say, `load.rs` reads one, `validate.rs` checks that it makes sense. Everything that is
//! wrong comes with its line, its column and, where there is one, the nearest thing that would have been right.

mod check;
mod diagnostics;
mod fault;
mod load;
mod message_kind;
mod rule;
mod shape;
mod spans;
mod trigger;
mod units;
mod validate;
mod work;

pub(crate) use fault::{Direction, Fault, Messages, Packets, Partition, Shape, Target};
pub(crate) use load::load;
pub(crate) use message_kind::MessageKind;
pub(crate) use rule::{Choice, FaultRule, Lasts, RuleStep, Weighted, When};
pub(crate) use shape::{Budget, Routing, Workload};
pub(crate) use trigger::{Behind, MessageEvent, Moment, Trigger};
pub(crate) use work::{Work, WorkKind};

#[cfg(test)]
pub(crate) mod tests;

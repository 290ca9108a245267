//! The workload: the only configuration of a run, and the only place that parses YAML.
//!
//! `shape.rs`, `work.rs`, `check.rs`, `rule.rs`, `trigger.rs`, and for faults `fault.rs`, `target.rs`, `process.rs`, `membership.rs`, `partition.rs`, `packets.rs` and `messages.rs` are what a workload can say, `load.rs` reads one,
//! `validate/` checks that it makes sense. Everything that is
//! wrong comes with its line, its column and, where there is one, the nearest thing that would have been right.

mod check;
mod diagnostics;
mod fault;
mod load;
mod membership;
mod message_kind;
mod messages;
mod objection;
mod packets;
mod partition;
mod process;
mod rule;
mod shape;
mod spans;
mod target;
mod trigger;
mod units;
mod validate;
mod work;

pub(crate) use diagnostics::Diagnostics;
pub(crate) use fault::{Fault, Target};
pub(crate) use load::load;
pub(crate) use membership::{Members, Transfer};
pub(crate) use message_kind::MessageKind;
pub(crate) use messages::Messages;
pub(crate) use objection::object;
pub(crate) use packets::Packets;
pub(crate) use partition::{Cut, Direction, Mode, Partition, Shape};
pub(crate) use process::{EndedBy, Limit, Restart, Starve};
pub(crate) use rule::{Choice, FaultRule, Lasts, RuleStep, Weighted, When};
pub(crate) use shape::{Budget, ReadPath, Routing, Workload};
pub(crate) use trigger::{Behind, MessageEvent, Moment, Trigger};
pub(crate) use units::{duration_words, share_words};
pub(crate) use validate::{objection_to, objection_to_name};
pub(crate) use work::{Work, WorkKind};

#[cfg(test)]
pub(crate) mod tests;

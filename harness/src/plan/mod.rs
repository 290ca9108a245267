//! What will be done: workload and seed give the operations of every client and the fault schedule. Pure.
//!
//! What depends on the moment (who leads, who is up) is left open until it is known, and then resolved here as well.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod budget;
mod deed;
mod frame;
mod operation;
mod operations;
mod partition;
mod random;
mod resolve;
mod schedule;
mod swarm;

pub(crate) use budget::Damage;
pub(crate) use deed::{Began, Deed};
pub(crate) use frame::{FinalStep, final_steps, preparations};
pub(crate) use operation::{Action, Micro, Operation};
pub(crate) use operations::OperationStream;
pub(crate) use partition::partition;
pub(crate) use random::{Random, stream};
pub(crate) use resolve::{CLIENTS, Surroundings, links_between, packet_links, targets};
pub(crate) use schedule::{Cue, Occurrence, PlannedFault, Schedule, Step};
pub(crate) use swarm::swarm;

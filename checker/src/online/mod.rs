//! Judging a recording while it is being written.
//!
//! [`Judge`] takes a history event by event. What it finds convicts the whole history, whatever follows; a pass is only ever given by the judge
//! of the whole. There are two ways:
//!
//! * [`Registers`] whose values do not repeat while they may still be read, with and without cas, are judged at every event: the order of a
//!   register's values is known from who read what, and *blocks* of operations are all that has to be kept (`blocks.rs`; CHECKER.md, section
//!   3.5). What can no longer be read without a violation is forgotten, so that memory is that of the operations that are open, of *info* writes
//!   that nobody has seen, and of a fixed number of operations per key that serve the explanation. A failed cas that reports a mismatch demands
//!   nothing here; the final judge knows what it demands.
//! * Everything else, registers whose values repeat included, is judged by the judge of whole histories, again and again, on what there is so far (`prefix.rs`): the same
//!   algorithms, the same words. That costs memory in proportion to the history, and at most a quarter of the time.
//!
//! What cannot be followed either way is said ([`Followed`]).
//!
//! The traces of a run's nodes are judged the second way (`traces.rs`).

mod blocks;
mod evidence;
mod judge;
mod names;
mod open;
mod pace;
mod prefix;
mod register;
mod registers;
mod traces;

#[cfg(test)]
mod oracle;

pub use judge::{Followed, Judge};
pub use registers::Registers;

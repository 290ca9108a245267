//! Judging a history while it is being written.
//!
//! [`Judge`] takes event by event and reports a violation at the first event whose prefix no order of operations explains. It follows
//! registers, with and without cas, whose values do not repeat while they may still be read: there the order of a register's values is
//! known from who read what, and *blocks* of operations are all that has to be kept (`blocks.rs`; CHECKER.md, section 3.5). What can no
//! longer be read without a violation is forgotten, so that memory is that of the operations that are open, of *info* writes that nobody
//! has seen, and of a fixed number of operations per key that serve the explanation.
//!
//! What it cannot follow it says ([`Followed`]): a pass is only ever given by the judge of the whole history. A failed cas that reports
//! a mismatch demands nothing here; the final judge knows what it demands.

mod blocks;
mod evidence;
mod judge;
mod names;
mod open;
mod register;

#[cfg(test)]
mod oracle;

pub use judge::{Followed, Judge};

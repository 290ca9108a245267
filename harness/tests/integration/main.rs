//! The binary as a user runs it, on real processes.

mod bad_input;
mod inspect;
mod left_behind;
mod recordings;
mod runs;
mod standing_alone;
mod support;

//! The binary as a user runs it, on real processes.

mod bad_input;
mod capabilities;
mod cluster;
mod disks;
mod inspect;
mod left_behind;
mod planted;
mod processes;
mod recordings;
mod runs;
mod standing_alone;
mod support;

//! The binary as a user runs it, on real processes.

mod bad_input;
mod cluster;
mod disks;
mod inspect;
mod planted;
mod processes;
mod recordings;
mod runs;
mod standing_alone;
mod support;

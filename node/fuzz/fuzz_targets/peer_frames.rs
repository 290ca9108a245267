//! See `frames::peer_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frames::peer_frames(bytes));

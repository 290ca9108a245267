//! See `frames::client_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frames::client_frames(bytes));

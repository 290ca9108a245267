//! See `readers::jepsen_log`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::jepsen_log(bytes));

//! See `readers::json_lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::json_lines(bytes));

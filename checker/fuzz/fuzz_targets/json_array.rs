//! See `readers::json_array`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::json_array(bytes));

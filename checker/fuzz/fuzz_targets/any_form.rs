//! See `readers::any_form`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::any_form(bytes));

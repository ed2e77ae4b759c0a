//! See `readers::pickle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::pickle(bytes));

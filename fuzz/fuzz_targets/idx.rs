//! See `readers::idx`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::idx(bytes));

//! See `readers::mat`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::mat(bytes));

//! See `readers::checkpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::checkpoint(bytes));

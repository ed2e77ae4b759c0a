//! See `readers::hub`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::hub(bytes));

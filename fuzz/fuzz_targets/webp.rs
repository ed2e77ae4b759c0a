//! See `readers::webp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::webp(bytes));

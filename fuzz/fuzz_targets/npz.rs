//! See `readers::npz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::npz(bytes));

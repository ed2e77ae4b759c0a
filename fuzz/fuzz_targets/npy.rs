//! See `readers::npy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::npy(bytes));

//! See `readers::parquet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::parquet(bytes));

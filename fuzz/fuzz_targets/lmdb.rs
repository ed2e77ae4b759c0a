//! See `readers::lmdb`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::lmdb(bytes));

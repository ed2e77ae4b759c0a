//! See `readers::jpeg`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::jpeg(bytes));

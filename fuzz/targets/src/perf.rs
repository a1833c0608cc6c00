#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::recorded::text(bytes));

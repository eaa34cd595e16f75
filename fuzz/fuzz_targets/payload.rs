#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| alertbridge_fuzz::run(data));

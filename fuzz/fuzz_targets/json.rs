#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sansal::fuzzing::json(data));

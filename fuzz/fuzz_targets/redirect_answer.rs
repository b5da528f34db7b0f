#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sansal::fuzzing::redirect_answer(data));

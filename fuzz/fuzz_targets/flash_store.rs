#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sansal_embedded::fuzzing::flash_store(data));

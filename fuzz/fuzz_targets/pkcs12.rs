#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sansal_std::fuzzing::pkcs12(data));

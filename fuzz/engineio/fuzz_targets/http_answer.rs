//! The head of an answer as the client reads it, and the body behind it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::http_answer(data));

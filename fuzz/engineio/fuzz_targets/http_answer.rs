//! The head of a response as the client parses it, and the body after it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::http_answer(data));

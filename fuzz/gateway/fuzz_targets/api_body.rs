//! Calls of the HTTP API.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway::fuzzing::api_body(data));

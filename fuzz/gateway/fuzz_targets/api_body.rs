//! Calls of the HTTP API.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_gateway::fuzzing::api_body(data));

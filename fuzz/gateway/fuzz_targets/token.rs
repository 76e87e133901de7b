//! Tokens and key sets.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_gateway::fuzzing::token(data));

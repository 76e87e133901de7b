//! Settings, from files, variables and flags.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_gateway::fuzzing::config(data));

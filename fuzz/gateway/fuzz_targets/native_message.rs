//! Native messages, in both directions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_gateway::fuzzing::native_message(data));

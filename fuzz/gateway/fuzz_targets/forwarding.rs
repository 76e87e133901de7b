//! Headers that name the client address of a request.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_gateway::fuzzing::forwarding(data));

//! The bytes of a NATS server.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_nats::fuzzing::stream(data));

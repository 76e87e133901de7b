//! What a NATS server sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_nats::fuzzing::stream(data));

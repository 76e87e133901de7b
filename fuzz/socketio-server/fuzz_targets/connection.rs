//! Clients that join namespaces, send events, answer and stall.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_server::fuzzing::connection(data));

//! The data of an entry of a stream, or a kept session.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_cluster::fuzzing::streams(data));

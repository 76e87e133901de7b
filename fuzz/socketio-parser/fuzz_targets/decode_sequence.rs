//! Messages of one connection, text and binary.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_parser::fuzzing::decode_sequence(data));

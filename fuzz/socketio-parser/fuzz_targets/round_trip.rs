//! A value through both encoders and decoders.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_parser::fuzzing::round_trip(data));

//! The offers of a client for compression.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::ws_negotiation(data));

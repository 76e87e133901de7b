//! Polling bodies of protocol version 3, as text and as bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::payload_v3(data));

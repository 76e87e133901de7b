//! Polling bodies of protocol version 4, plain and as JSONP.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::payload_v4(data));

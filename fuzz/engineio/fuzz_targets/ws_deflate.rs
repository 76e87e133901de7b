//! A WebSocket stream with compressed messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::ws_deflate(data));

//! A WebSocket stream, whole and in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::ws_inbound(data));

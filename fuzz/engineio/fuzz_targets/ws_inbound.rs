//! A WebSocket stream, as a whole and in fragments.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::ws_inbound(data));

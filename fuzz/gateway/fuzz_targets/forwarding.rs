//! What requests say of where they come from.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway::fuzzing::forwarding(data));

//! Headers of a request that name its origin address.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway::fuzzing::forwarding(data));

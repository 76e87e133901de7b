//! Whole connections of a server, with clients that stall.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::connection(data));

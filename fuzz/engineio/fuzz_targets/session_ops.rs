//! Events and times for the session machine.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::session_ops(data));

//! One packet, as text and as binary, in both revisions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::packet(data));

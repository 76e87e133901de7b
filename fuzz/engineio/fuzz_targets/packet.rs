//! One packet, as text and as binary, in protocol versions 3 and 4.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::packet(data));

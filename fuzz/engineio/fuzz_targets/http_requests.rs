//! Requests over one HTTP/1.1 connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::fuzzing::http_requests(data));

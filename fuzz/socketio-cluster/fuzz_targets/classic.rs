//! One message of the classic Redis adapter: a broadcast, a request or an answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_cluster::fuzzing::classic(data));

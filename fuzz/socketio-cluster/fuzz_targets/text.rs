//! A notification of Postgres, or a message of python-socketio.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_cluster::fuzzing::text(data));

//! A message between a process and the broker of its host.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_ipc::fuzzing::message(data));

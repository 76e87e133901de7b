//! One message of the cluster adapter, in JSON or msgpack.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_cluster::fuzzing::cluster(data));

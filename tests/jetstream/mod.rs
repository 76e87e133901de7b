//! Clusters on NATS servers with JetStream: the same operations as on core NATS, and recovery on any server.

mod emitter;
mod faults;
#[path = "../nats/operations.rs"]
mod operations;
// The same as at a broker of one host.
#[path = "../ipc/recovery.rs"]
mod recovery;
mod support;

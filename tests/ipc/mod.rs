//! Clusters of servers at one broker of this host.

mod faults;
// The same operations as on NATS.
#[path = "../nats/operations.rs"]
mod operations;
mod recovery;
mod support;
mod values;

//! Clusters on a real NATS server.

mod access;
mod emitter;
mod faults;
// The same recorder as for PostgreSQL.
#[path = "../postgres/log.rs"]
mod log;
mod members;
mod operations;
mod outages;
mod servers;
mod sizes;
mod support;
mod tls;

//! Clusters on a real NATS server.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

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

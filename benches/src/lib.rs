//! Shared code of the benchmarks: a transport in memory, minimal clients, and sample messages.
//!
//! `cargo bench -p benches` runs the criterion benches, `cargo xtask instructions` counts the instructions of
//! the hot paths.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot continue panics; there is no caller for an error"
)]

pub mod client;
pub mod samples;
pub mod wire;

use std::time::Duration;

use tokio::runtime::Runtime;

/// A runtime with one thread, so that no task moves between threads during a measurement.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Longer than any measurement, so that no heartbeat interferes.
pub const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

//! What the benchmarks share: a transport in memory, clients that speak just enough, and samples of what they say.
//!
//! `cargo bench -p benches` runs the criterion benches, `cargo xtask instructions` counts the instructions of the hot
//! paths.

// A benchmark that cannot go on panics; there is nobody to hand an error to.
#![allow(clippy::unwrap_used)]

pub mod client;
pub mod samples;
pub mod wire;

use std::time::Duration;

use tokio::runtime::Runtime;

/// A runtime with one thread, so that nothing moves between threads while the clock runs.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Longer than any measurement: no heartbeat comes in between.
pub const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

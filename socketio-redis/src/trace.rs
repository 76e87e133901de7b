//! Log events that only Redis has, empty without the feature `tracing`. Those of all brokers are in `socketio-broker`.

#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "the functions are empty"))]

use std::fmt::Display;

/// The name of the broker in log events.
pub(crate) const BROKER: &str = "Redis";

/// The sentinels name this server as the master.
pub(crate) fn master(service: &str, address: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::info!(service, %address, "the sentinels have named the master");
}

//! Log events: all of the crate's, empty without the feature `tracing`.

#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "the functions are empty"))]

use std::fmt::Display;
#[cfg(feature = "adapter")]
use std::time::Duration;

/// A connection is open.
pub(crate) fn connected(purpose: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(purpose, "connected to Redis");
}

/// A connection is lost.
pub(crate) fn disconnected(purpose: &str, reason: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(purpose, reason, "the connection to Redis is lost");
}

/// A connection cannot be opened.
pub(crate) fn not_connected(purpose: &str, error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(purpose, %error, "Redis cannot be reached");
}

/// The sentinels name this server as the master.
pub(crate) fn master(service: &str, address: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::info!(service, %address, "the sentinels have named the master");
}

/// Redis has refused a message.
pub(crate) fn refused(reason: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(reason, "Redis has refused a message");
}

/// Redis has refused a subscription.
#[cfg(feature = "adapter")]
pub(crate) fn subscription_refused() {
    #[cfg(feature = "tracing")]
    tracing::warn!("Redis has refused a subscription");
}

/// This node may have missed messages.
#[cfg(feature = "adapter")]
pub(crate) fn gap(lasted: Duration) {
    #[cfg(feature = "tracing")]
    tracing::warn!(seconds = lasted.as_secs_f64(), "messages of other nodes may have been missed");
}

/// Received messages were dropped.
#[cfg(feature = "adapter")]
pub(crate) fn overflow(lost: u64) {
    #[cfg(feature = "tracing")]
    tracing::warn!(lost, "received messages were dropped, since too many waited");
}

/// A received message cannot be read.
#[cfg(feature = "adapter")]
pub(crate) fn bad_message(namespace: &str, channel: &[u8], error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(namespace, channel = %channel.escape_ascii(), %error, "a message on Redis cannot be read; further ones are only counted");
}

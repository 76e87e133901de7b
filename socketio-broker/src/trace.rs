//! Log events of the connections, empty without the feature `tracing`. `broker` is the name of the broker.

#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "the functions are empty"))]

use std::fmt::Display;
#[cfg(feature = "adapter")]
use std::time::Duration;

/// A connection is open.
pub fn connected(broker: &str, purpose: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(purpose, "connected to {broker}");
}

/// A connection is lost.
pub fn disconnected(broker: &str, purpose: &str, reason: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(purpose, reason, "the connection to {broker} is lost");
}

/// A connection cannot be opened.
pub fn not_connected(broker: &str, purpose: &str, error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(purpose, %error, "{broker} cannot be reached");
}

/// The broker has refused a message, or something else that was asked of it.
pub fn refused(broker: &str, reason: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(reason, "{broker} has refused a message");
}

/// The broker has refused a subscription.
#[cfg(feature = "adapter")]
pub(crate) fn subscription_refused(broker: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!("{broker} has refused a subscription");
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
pub(crate) fn bad_message(broker: &str, namespace: &str, channel: &[u8], error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(namespace, channel = %channel.escape_ascii(), %error, "a message on {broker} cannot be read; further ones are only counted");
}

/// A queued change of a value is given up.
#[cfg(feature = "adapter")]
pub(crate) fn not_changed(broker: &str, bucket: &str, error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(bucket, %error, "a value at {broker} was not changed");
}

//! Events of connections to other nodes, with the feature `tracing`. Without it these functions do nothing.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nothing is done with them"))]

use std::io;
#[cfg(feature = "tracing")]
use std::time::Instant;

use super::super::PeerId;
#[cfg(feature = "tracing")]
use crate::log_limit::LogLimit;

/// A node that is away is tried again all the time.
#[cfg(feature = "tracing")]
static UNREACHABLE: LogLimit = LogLimit::new();
/// Every process that reaches the port can fail to greet.
#[cfg(feature = "tracing")]
static REFUSED: LogLimit = LogLimit::new();

/// A connection to a node is open, or one from it.
pub(super) fn connected(peer: &PeerId) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "engineio::peers", peer = peer.as_str(), "node connected");
}

pub(super) fn disconnected(peer: &PeerId, error: Option<&io::Error>) {
    #[cfg(feature = "tracing")]
    {
        let reason = error.map(ToString::to_string).unwrap_or_default();
        tracing::info!(target: "engineio::peers", peer = peer.as_str(), reason, "node disconnected");
    }
}

/// No connection to an address, or no address of a name.
pub(super) fn unreachable(address: &str, error: &io::Error) {
    // The Unix socket does not exist: its node has not started, or has left in an orderly way.
    #[cfg(feature = "tracing")]
    if error.kind() == io::ErrorKind::NotFound {
        return tracing::debug!(target: "engineio::peers", address, %error, "node not there");
    }
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = UNREACHABLE.admits(Instant::now()) {
        tracing::warn!(target: "engineio::peers", address, %error, suppressed, "node not reached");
    }
}

/// A connection to this node was not greeted as a node greets.
pub(super) fn refused(error: &io::Error) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = REFUSED.admits(Instant::now()) {
        tracing::warn!(target: "engineio::peers", %error, suppressed, "connection of a node refused");
    }
}

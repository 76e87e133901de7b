//! Events of a client's sessions, with the feature `tracing`. Without it these functions do nothing. The
//! table of targets and levels is docs/tracing.md.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nothing is done with them"))]

use super::error::{Closed, UpgradeError};
use crate::config::Transport;
use crate::protocol::sid::Sid;

/// A session was opened.
pub(super) fn opened(sid: &Sid, transport: Transport) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "engineio::client", ?sid, transport = transport.as_str(), "session opened");
}

/// A session was upgraded to WebSocket.
pub(super) fn upgraded(sid: &Sid) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "engineio::client", ?sid, "session upgraded");
}

/// A session stays on polling after a failed upgrade.
pub(super) fn not_upgraded(sid: &Sid, error: &UpgradeError) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "engineio::client", ?sid, %error, "session not upgraded");
}

/// A session has ended.
pub(super) fn closed(sid: &Sid, closed: &Closed) {
    #[cfg(feature = "tracing")]
    {
        let error = std::error::Error::source(closed).map(ToString::to_string).unwrap_or_default();
        tracing::debug!(target: "engineio::client", ?sid, reason = closed.as_str(), error, "session closed");
    }
}

//! The end of a connection whose token expires.

use std::sync::Arc;

use socketio_server::Socket;
use tokio::task::AbortHandle;
use tracing::debug;

use crate::token::{Claims, until_expiry};

/// Disconnects a socket when its token expires, unless all clones are dropped before. Its task holds the socket, so an
/// expiry that the socket holds has to be removed when the socket disconnects.
#[derive(Clone)]
pub(crate) struct Expiry {
    /// Held for its drop.
    _task: Arc<AbortOnDrop>,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Expiry {
    /// Returns `None` for a token without an expiry.
    pub(crate) fn of(socket: &Socket, claims: &Claims) -> Option<Self> {
        let mut left = until_expiry(claims)?;
        let claims = claims.clone();
        let socket = socket.clone();
        let task = tokio::spawn(async move {
            while !left.is_zero() {
                tokio::time::sleep(left).await;
                // The clock may have been set meanwhile.
                left = until_expiry(&claims).unwrap_or_default();
            }
            debug!(sid = socket.id(), "the token has expired");
            socket.disconnect(false);
        });
        Some(Self { _task: Arc::new(AbortOnDrop(task.abort_handle())) })
    }
}

//! Reconnection after the bus has ended a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socketio_client::{DisconnectReason, Socket};
use tokio::time::sleep;

/// Reconnects when the bus ends the connection, as it does when it stops. The client does not by itself.
pub(super) fn always(socket: &Socket, delay: Duration, is_shut_down: &Arc<AtomicBool>) {
    let is_shut_down = Arc::clone(is_shut_down);
    socket.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        let is_shut_down = Arc::clone(&is_shut_down);
        async move {
            if matches!(reason, DisconnectReason::ServerDisconnect) {
                sleep(delay).await;
                if !is_shut_down.load(Ordering::Relaxed) {
                    socket.connect();
                }
            }
        }
    });
}

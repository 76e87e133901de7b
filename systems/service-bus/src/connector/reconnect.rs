//! Reconnection after the bus has ended a connection, and the state that is restored then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engineio::sync::Mutex;
use serde_json::json;
use socketio_client::{ConnectError, DisconnectReason, Socket};
use tokio::time::sleep;
use tracing::warn;

use super::subscriptions::Subscriptions;

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

/// Restores the rooms and subscriptions of a service after each connection, and remembers why the bus refuses it.
pub(super) fn restore(
    socket: &Socket,
    rooms: &Arc<Mutex<BTreeSet<String>>>,
    denied: &Arc<Mutex<Option<String>>>,
    subscriptions: &Subscriptions,
    timeout: Duration,
) {
    let (joined, taken, refused) = (Arc::clone(rooms), Arc::clone(denied), Arc::clone(denied));
    let subscribed = subscriptions.clone();
    socket.on_connect_error(move |error: ConnectError| {
        // A restarted bus may have another key.
        if let ConnectError::Refused(refusal) = error {
            warn!(why = refusal.message, "the bus does not take this service");
            *refused.lock() = Some(refusal.message);
        }
        async {}
    });
    socket.on_connect(move |socket: Socket| {
        *taken.lock() = None;
        let (rooms, subscriptions) = (joined.lock().clone(), subscribed.clone());
        async move {
            subscriptions.restore(&socket, timeout).await;
            // The bus has lost the rooms with the previous connection.
            for room in rooms {
                if let Err(error) = socket.emit("join_room", &json!({ "room": room })) {
                    warn!(%error, room, "a room was not joined again");
                }
            }
        }
    });
}

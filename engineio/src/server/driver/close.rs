//! The end of a WebSocket connection: the close frame, and a limited wait for that of the peer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::websocket_carrier::{CloseFrame, Received, WebSocketCarrier};
use crate::server::shared::Shared;
use crate::websocket::inbound::Event;

/// Time limit for the answer to a close frame. The deadline of a drain ends the wait earlier.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// Sends a close frame, with code and reason or empty, and waits for that of the peer. The wait is necessary:
/// dropping a connection with unread bytes resets it, and the peer may then lose the last frames.
pub(crate) fn spawn(mut websocket: WebSocketCarrier, frame: Option<CloseFrame>, server: &Arc<Shared>) {
    // The runtime is shutting down, and no task can send the close frame.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let counted = server.tasks.enter();
    let server = Arc::clone(server);
    websocket.close(frame);
    runtime.spawn(async move {
        let _counted = counted;
        let _ = tokio::time::timeout_at(server.patience(LINGER), exchange_close(websocket)).await;
    });
}

/// Closes a probing WebSocket whose session has ended, after the next packet of the peer.
///
/// A client whose probe and GET were answered leaves polling and sends an upgrade packet. The official client
/// notices the loss of its WebSocket at this stage only when the heartbeat is overdue. So the close frame
/// follows the upgrade packet.
pub(crate) fn spawn_probe(mut websocket: WebSocketCarrier, frame: Option<CloseFrame>, server: &Arc<Shared>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let counted = server.tasks.enter();
    let server = Arc::clone(server);
    runtime.spawn(async move {
        let _counted = counted;
        let _ = tokio::time::timeout_at(server.patience(LINGER), wait_for_peer(&mut websocket)).await;
        websocket.close(frame);
        let _ = tokio::time::timeout_at(server.patience(LINGER), exchange_close(websocket)).await;
    });
}

/// Writes the queued frames, such as the answer to the probe, until a packet arrives or the connection is
/// lost.
async fn wait_for_peer(websocket: &mut WebSocketCarrier) {
    poll_fn(|cx| {
        let mut received_any = false;
        while let Poll::Ready(mut batch) = websocket.poll_receive(cx) {
            while let Some(received) = websocket.next(&mut batch) {
                received_any |= !matches!(received, Received::Event(Event::Ping(_) | Event::Pong));
            }
            if received_any {
                return Poll::Ready(());
            }
        }
        if websocket.poll_flush(None, cx).is_err() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Writes the close frame, reads until the peer closes, and shuts the writing side down.
async fn exchange_close(mut websocket: WebSocketCarrier) {
    let mut open = true;
    let mut written = false;
    poll_fn(|cx| {
        // Reading comes first, because it completes a pending upgrade.
        while open {
            let Poll::Ready(mut batch) = websocket.poll_receive(cx) else { break };
            while let Some(received) = websocket.next(&mut batch) {
                open &= matches!(received, Received::Event(_));
            }
        }
        if !written {
            match websocket.poll_flush(None, cx) {
                Ok(all) => written = all,
                Err(_) => return Poll::Ready(()),
            }
        }
        if written && !open { websocket.poll_shutdown(cx).map(drop) } else { Poll::Pending }
    })
    .await;
}

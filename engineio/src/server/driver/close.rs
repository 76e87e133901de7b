//! The end of a WebSocket connection whose session is over, or that lost its trial: the close frame, and time for
//! the peer to take it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::websocket_carrier::{CloseFrame, Received, WebSocketCarrier};
use crate::server::shared::Shared;
use crate::websocket::inbound::Event;

/// How long a peer may take to answer a close frame. What it does later meets a closed port.
/// A drain ends it at its deadline.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// Sends a close frame, with code and reason or empty, and waits for the peer's. A connection that is dropped with unread
/// bytes in it is reset, and a reset can overtake what was written last.
pub(crate) fn spawn(mut websocket: WebSocketCarrier, frame: Option<CloseFrame>, server: &Arc<Shared>) {
    // Without a runtime (it is shutting down) there is nobody left to say goodbye for.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let counted = server.tasks.enter();
    let server = Arc::clone(server);
    websocket.close(frame);
    runtime.spawn(async move {
        let _counted = counted;
        let _ = tokio::time::timeout_at(server.patience(LINGER), exchange_close(websocket)).await;
    });
}

/// The same for a WebSocket on trial whose session ends: the peer gets the close frame when it has said something.
///
/// It may just be leaving polling, because its probe and its GET were answered. A client that loses the WebSocket then
/// goes nowhere: the official one has stopped polling, and notices only when the heartbeat is overdue. So it may come
/// over first, which is the next thing that it says.
pub(crate) fn spawn_on_trial(
    mut websocket: WebSocketCarrier,
    frame: Option<CloseFrame>,
    server: &Arc<Shared>,
) {
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

/// Writes what waits, such as the answer to the probe, until the peer says something or is gone.
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

async fn exchange_close(mut websocket: WebSocketCarrier) {
    let mut open = true;
    let mut written = false;
    poll_fn(|cx| {
        // Reading comes first: it is what completes an upgrade that is still under way.
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

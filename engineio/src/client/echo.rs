//! A client of bare WebSockets, for conformance tests.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

use super::builder::ClientBuilder;
use super::error::TransportError;
use super::http::route::Route;
use super::websocket::frames::{Frames, Incoming};
use crate::config::SlowConsumer;
use crate::outbox::Outbox;
use crate::protocol::packet::Message;
use crate::protocol::prepared::Prepared;

/// Opens a WebSocket at the client's path and sends the result of `answer` for each message, until the server
/// closes it.
pub async fn visit(
    client: &ClientBuilder,
    mut answer: impl FnMut(Message) -> Option<Message>,
) -> Result<(), TransportError> {
    let route = Route::new(Arc::new(client.url().clone()), Arc::new(client.config().clone()));
    let mut frames = Frames::open(&route, None).await?;
    let outbox = Outbox::new(usize::MAX, SlowConsumer::Refuse);
    let ended = poll_fn(|cx| {
        loop {
            // The outbox is written before the next read, so it never holds more than the responses to one
            // read.
            if !frames.has_received() && !frames.poll_flush(Some(&outbox), cx) {
                return Poll::Pending;
            }
            let message = match ready!(frames.poll_receive(cx)) {
                Ok(Incoming::Text(text)) => Message::Text(text),
                Ok(Incoming::Binary(data)) => Message::Binary(data),
                Ok(Incoming::Closed(_)) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            };
            if let Some(answer) = answer(message) {
                let _ = outbox.push(Prepared::bare(answer));
            }
        }
    })
    .await;
    // Writes the close frame.
    poll_fn(|cx| if frames.poll_flush(None, cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    ended
}

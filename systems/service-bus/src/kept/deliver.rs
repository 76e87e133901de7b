//! The task that delivers the events of a subscription.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use socketio_parser::Value;
use socketio_server::{AckError, Socket};
use tracing::debug;

use super::subscription::{KeptEvent, Subscription, Work};
use crate::event::Event;

/// Event of a service's connection with an event of a subscription.
const EVENT: &str = "bus:event";
/// Event of a service's connection with the number of dropped events.
const DROPPED: &str = "bus:dropped";
/// Maximum number of events that wait for their acknowledgements. Up to this number the futures are polled in order.
const WINDOW: usize = 30;
/// Maximum time of the handler of a service. Then the event is delivered again.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after an attempt that a connection did not take.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Message<'a> {
    subscription: &'a str,
    event: &'a Event,
}

#[derive(Serialize)]
struct Dropped<'a> {
    subscription: &'a str,
    count: u64,
}

pub(super) fn start(subscription: Arc<Subscription>) {
    tokio::spawn(async move {
        loop {
            match subscription.next(WINDOW) {
                Work::End => return,
                Work::Wait => subscription.work.notified().await,
                Work::Deliver { socket, dropped, events } => {
                    if !deliver(&subscription, &socket, dropped, &events).await {
                        subscription.failed(socket.id());
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    });
}

/// Delivers events, and returns whether all were acknowledged.
async fn deliver(subscription: &Subscription, socket: &Socket, dropped: u64, events: &[KeptEvent]) -> bool {
    let name = subscription.name.as_str();
    if dropped > 0 {
        let message = Dropped { subscription: name, count: dropped };
        if !is_taken(&socket.timeout(ACK_TIMEOUT).emit_with_ack::<Value>(DROPPED, &message).await) {
            return false;
        }
        subscription.told(dropped);
    }
    let messages: Vec<Message<'_>> =
        events.iter().map(|kept| Message { subscription: name, event: &kept.event }).collect();
    let sent = messages
        .iter()
        .map(|message| async { socket.timeout(ACK_TIMEOUT).emit_with_ack::<Value>(EVENT, message).await });
    let taken = join_all(sent).await.iter().map(is_taken).take_while(|taken| *taken).count();
    if let Some(last) = taken.checked_sub(1).and_then(|last| events.get(last)) {
        subscription.acknowledged(last.number);
    }
    if taken < events.len() {
        debug!(
            service = subscription.service,
            name,
            taken,
            of = events.len(),
            "a connection did not take all events"
        );
    }
    taken == events.len()
}

/// Any answer is an acknowledgement: an event that a handler refuses would be refused again.
fn is_taken(answer: &Result<Value, AckError>) -> bool {
    matches!(answer, Ok(_) | Err(AckError::Remote(_) | AckError::Decode(_)))
}

//! The task of one WebSocket, on either side: reads, writes, pings, and the close.
//!
//! One task reads and writes concurrently, so that a peer that does not read its messages is still read.
//! Received messages go through a short queue to the task that calls the handlers; while the queue is full
//! nothing is read, which applies backpressure to the peer.

use std::future::Future;
use std::pin::Pin;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};

use crate::endpoint::{ConnectionOptions, Endpoint, Outgoing};
use crate::message::{Farewell, Message, from_wire, into_wire};
use crate::state::CloseReason;

/// Number of messages that are written before a flush and a yield to other tasks.
const BATCH: usize = 64;

/// Callback for each written message.
pub(crate) type Sent = Box<dyn Fn(Message) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The settings of tungstenite: its default buffers are too large for many connections.
pub(crate) fn config(options: &ConnectionOptions) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(4096)
        .max_message_size(Some(options.max_message_bytes))
        .max_frame_size(Some(options.max_message_bytes))
}

/// Runs the connection to its end, and returns the reason.
pub(crate) async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    ws: WebSocketStream<S>,
    endpoint: &Endpoint,
    mut outgoing: Outgoing,
    inbox: mpsc::Sender<Message>,
    options: &ConnectionOptions,
    sent: Option<Sent>,
) -> CloseReason {
    endpoint.pulse().heard = Instant::now();
    let (mut sink, mut stream) = ws.split();
    let reason = {
        let read = read(&mut stream, endpoint, &inbox);
        let write = write(&mut sink, endpoint, &mut outgoing, options, sent.as_ref());
        // A slow consumer does not receive the rest of its outbox.
        let cut = async {
            match endpoint.ending().await {
                CloseReason::SlowConsumer => CloseReason::SlowConsumer,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            reason = read => reason,
            reason = write => reason,
            reason = cut => reason,
        }
    };
    // No more messages are queued. If a close was requested earlier, its reason counts.
    endpoint.close(reason);
    let reason = endpoint.ending().await;
    // The handlers receive no more messages, but may still be running.
    drop(inbox);
    let goodbye = async {
        if let Some(farewell) = reason.farewell() {
            sink.send(into_wire(Message::Close(Some(farewell)))).await?;
        } else if !matches!(reason, CloseReason::Remote(_)) {
            return Ok(());
        }
        // The close frame of the peer, or, if the peer closed first, the end of the connection after our
        // close frame.
        while let Some(frame) = stream.next().await {
            frame?;
        }
        Ok::<(), Error>(())
    };
    // Errors are ignored, since the connection ends here in any case.
    let _ = timeout(options.close_timeout, goodbye).await;
    reason
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<S>>,
    endpoint: &Endpoint,
    inbox: &mpsc::Sender<Message>,
) -> CloseReason {
    loop {
        if inbox.capacity() == 0 {
            endpoint.pulse().reading = false;
        }
        let Ok(place) = inbox.reserve().await else {
            return CloseReason::HandlerFailed;
        };
        endpoint.pulse().reading = true;
        let frame = tokio::select! {
            frame = stream.next() => frame,
            () = inbox.closed() => return CloseReason::HandlerFailed,
        };
        let message = match frame {
            None => return CloseReason::Lost,
            Some(Err(error)) => return reason_of(&error),
            Some(Ok(frame)) => from_wire(frame),
        };
        let mut pulse = endpoint.pulse();
        pulse.heard = Instant::now();
        match message {
            None => continue,
            Some(Message::Pong(_)) => {
                if let Some(pinged) = pulse.pinged.take() {
                    pulse.latency = Some(pinged.elapsed());
                }
            }
            Some(_) => {}
        }
        drop(pulse);
        if let Some(message) = message {
            endpoint.received(&message);
            if let Message::Close(farewell) = &message {
                let reason = CloseReason::Remote(farewell.clone());
                place.send(message);
                return reason;
            }
            place.send(message);
        }
    }
}

/// Writes the queued messages, pings a silent peer, and returns when the close is requested and the outbox is
/// written.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<S>, tungstenite::Message>,
    endpoint: &Endpoint,
    outgoing: &mut Outgoing,
    options: &ConnectionOptions,
    sent: Option<&Sent>,
) -> CloseReason {
    let mut waits_since = None;
    let mut wake = Instant::now() + options.ping_interval;
    loop {
        let (first, ending) = tokio::select! {
            biased;
            reason = endpoint.ending() => (outgoing.try_next(), Some(reason)),
            message = outgoing.next() => (message, None),
            () = sleep_until(wake) => {
                match beat(endpoint, waits_since, options) {
                    Beat::Quiet(until) => {
                        (waits_since, wake) = (None, until);
                        continue;
                    }
                    Beat::Dead => return CloseReason::PingTimeout,
                    Beat::Ping => {
                        let now = Instant::now();
                        endpoint.pulse().pinged = Some(now);
                        (waits_since, wake) = (Some(now), now + options.ping_timeout);
                        (Some(Message::Ping(bytes::Bytes::new())), None)
                    }
                }
            }
        };
        let put = async |sink: &mut Sink<S>, first, outgoing: &mut Outgoing, limit| {
            match timeout(limit, put(sink, first, outgoing)).await {
                Err(_) => Err(CloseReason::SlowConsumer),
                Ok(Err(error)) => Err(reason_of(&error)),
                Ok(Ok(Put { farewell, written })) => {
                    // The time spent in handlers does not count as silence of the peer.
                    if let Some(sent) = sent {
                        for message in written {
                            sent(message).await;
                        }
                    }
                    farewell.map_or(Ok(()), |farewell| Err(CloseReason::Local(farewell)))
                }
            }
        };
        let Some(reason) = ending else {
            if let Some(first) = first {
                if let Err(reason) = put(sink, first, outgoing, options.ping_timeout).await {
                    return reason;
                }
            }
            continue;
        };
        // The queued messages are sent too, within the timeout.
        let end = Instant::now() + options.close_timeout;
        let mut next = first;
        while let Some(first) = next {
            let left = end.saturating_duration_since(Instant::now());
            if put(sink, first, outgoing, left).await.is_err() {
                break;
            }
            next = outgoing.try_next();
        }
        return reason;
    }
}

type Sink<S> = SplitSink<WebSocketStream<S>, tungstenite::Message>;

/// The result of writing some messages.
struct Put {
    /// A close frame among them. It is sent at the end of the connection.
    farewell: Option<Farewell>,
    /// The other messages, without those that only keep the connection alive.
    written: Vec<Message>,
}

/// Writes a message and some of the queued ones, with as few system calls as the buffer allows.
async fn put<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut Sink<S>,
    first: Message,
    outgoing: &mut Outgoing,
) -> Result<Put, Error> {
    let mut next = Some(first);
    let mut put = Put { farewell: None, written: Vec::new() };
    for left in (0..BATCH).rev() {
        match next {
            None => break,
            Some(Message::Close(last)) => {
                put.farewell = Some(last.unwrap_or_else(|| Farewell::new(1000, "")));
                break;
            }
            Some(message) => {
                if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                    put.written.push(message.clone());
                }
                sink.feed(into_wire(message)).await?;
            }
        }
        // A message is taken from the queue only if it is written.
        next = if left == 0 { None } else { outgoing.try_next() };
    }
    sink.flush().await?;
    Ok(put)
}

enum Beat {
    /// The peer was active; check again at this time.
    Quiet(Instant),
    /// The peer was silent after a ping.
    Dead,
    /// Send a ping.
    Ping,
}

fn beat(endpoint: &Endpoint, waits_since: Option<Instant>, options: &ConnectionOptions) -> Beat {
    let (heard, reading) = {
        let pulse = endpoint.pulse();
        (pulse.heard, pulse.reading)
    };
    match waits_since {
        // Silence does not count while nothing is read.
        Some(_) if !reading => Beat::Quiet(Instant::now() + options.ping_interval),
        Some(since) if heard < since => Beat::Dead,
        None if heard + options.ping_interval <= Instant::now() => Beat::Ping,
        _ => Beat::Quiet(heard + options.ping_interval),
    }
}

fn reason_of(error: &Error) -> CloseReason {
    match error {
        Error::Capacity(_) => CloseReason::TooLarge,
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => CloseReason::Lost,
        Error::Protocol(_) | Error::Utf8(_) => CloseReason::ProtocolError,
        _ => CloseReason::Lost,
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    #[tokio::test]
    async fn a_queue_that_never_empties_frees_written_messages() {
        let (near, _far) = tokio::io::duplex(1 << 20);
        let ws = WebSocketStream::from_raw_socket(near, Role::Server, None).await;
        let (mut sink, _stream) = ws.split();
        let options = ConnectionOptions::default();
        let (endpoint, mut outgoing) = Endpoint::new(&options, std::sync::Arc::default());
        endpoint.open();
        for number in 0..3 * BATCH {
            endpoint.send(number.to_string().into()).unwrap();
        }
        for batch in 0..3 {
            let first = outgoing.try_next().unwrap();
            let put = put(&mut sink, first, &mut outgoing).await.unwrap();
            assert_eq!(put.written.len(), BATCH);
            assert_eq!(put.written[0], (batch * BATCH).to_string().into());
        }
        assert_eq!(outgoing.try_next(), None);
    }
}

//! The frames of a WebSocket: the opening handshake, messages in both directions, and the close.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::client::error::{FrameError, HttpError, TransportError};
use crate::client::http::dial;
use crate::client::http::route::Route;
use crate::client::http::stream::{Stream, with_scratch};
use crate::client::http::upgrade::upgrade;
use crate::outbox::Outbox;
use crate::protocol::frame::{CloseCode, Role, close_frame, empty_close_frame, pong_frame};
use crate::protocol::prepared::{Dialect, Prepared};
use crate::protocol::text::Text;
use crate::websocket::inbound::{Event, Inbound, Progress};
use crate::websocket::key::answer_to;
use crate::websocket::outbound::{Control, Outbound, Source};

/// An open WebSocket.
pub(crate) struct Frames {
    stream: Stream,
    /// Bytes that were read together with the response to the handshake.
    read: Bytes,
    inbound: Inbound,
    outbound: Outbound,
    dialect: Dialect,
    /// Messages that were read and are not returned yet: those of one read of at most
    /// [`SCRATCH_LEN`](crate::client::http::stream::SCRATCH_LEN) bytes. Usually empty and without memory.
    received: VecDeque<Incoming>,
    /// The error behind the received messages. Until the end is reached, reading may still return messages
    /// before it.
    failure: Option<TransportError>,
    ended: bool,
}

/// An event of the server.
pub(crate) enum Incoming {
    Text(Text),
    Binary(Bytes),
    /// The connection is closed, with a close frame or without.
    Closed(Option<CloseCode>),
}

impl Frames {
    /// Opens a WebSocket, for a new session or for an existing one.
    pub(crate) async fn open(route: &Route, sid: Option<&str>) -> Result<Self, TransportError> {
        let (stream, read) = handshake(route, sid).await.map_err(TransportError::WebSocket)?;
        let config = &route.config;
        Ok(Self {
            stream,
            read,
            inbound: Inbound::with_role(Role::Client, config.max_payload).max_fragments(config.max_fragments),
            outbound: Outbound::client(),
            dialect: Dialect { protocol: config.protocol, base64: config.force_base64 },
            received: VecDeque::new(),
            failure: None,
            ended: false,
        })
    }

    /// The dialect of written messages.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The next message, or the end.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        loop {
            if let Some(received) = self.received.pop_front() {
                if self.received.is_empty() {
                    self.received = VecDeque::new();
                }
                return Poll::Ready(Ok(received));
            }
            if self.ended {
                return Poll::Ready(self.failure.take().map_or(Ok(Incoming::Closed(None)), Err));
            }
            ready!(with_scratch(|scratch| self.poll_read(scratch, cx)));
        }
    }

    /// Whether a message was read and is not returned yet.
    pub(crate) fn has_received(&self) -> bool {
        !self.received.is_empty() || self.ended
    }

    /// Queues a packet in front of the outbox.
    pub(crate) fn send(&mut self, packet: Prepared) {
        self.outbound.packet(packet);
    }

    /// Queues a message that another transport took from the outbox.
    pub(crate) fn send_taken(&mut self, message: Prepared) {
        self.outbound.taken(message, self.dialect);
    }

    /// Queues a close frame, the last frame that is written.
    pub(crate) fn send_close(&mut self) {
        self.outbound.control(empty_close_frame(), Control::Close);
    }

    /// Writes the queue and the outbox. `true` means that nothing is left. A write error is reported by
    /// reading, behind the messages that the server sent before.
    pub(crate) fn poll_flush(&mut self, outbox: Option<&Outbox>, cx: &mut Context<'_>) -> bool {
        if self.failure.is_some() && !self.ended {
            return false;
        }
        let mut ignored = |_: &[Prepared]| {};
        let source = outbox.map(|outbox| Source { outbox, on_take: &mut ignored, translate: None });
        let flushed = match self.outbound.poll_flush(&mut self.stream, source, self.dialect, cx) {
            // TLS holds encrypted bytes back until a flush.
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_flush(cx),
            other => other,
        };
        match flushed {
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
            // After a close frame nothing more is read. The close frame in the buffer says more than this
            // error.
            Poll::Ready(Err(_)) if self.ended => true,
            Poll::Ready(Err(error)) => {
                self.failure = Some(broken(error));
                false
            }
        }
    }

    /// Reads once and decodes the bytes.
    fn poll_read(&mut self, scratch: &mut [u8], cx: &mut Context<'_>) -> Poll<()> {
        let len = if self.read.is_empty() {
            let mut buf = ReadBuf::new(scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) => buf.filled().len(),
                // Many servers end a connection like this, and TLS reports an end without a `close_notify` as
                // an error.
                Err(error) if is_end(&error) => 0,
                Err(error) => {
                    self.fail(broken(error));
                    return Poll::Ready(());
                }
            }
        } else {
            let len = self.read.len().min(scratch.len());
            scratch[..len].copy_from_slice(&self.read.split_to(len));
            len
        };
        // A write error is more precise than the end of the stream.
        self.ended |= len == 0;
        self.decode(&mut scratch[..len]);
        Poll::Ready(())
    }

    fn decode(&mut self, bytes: &mut [u8]) {
        let mut progress = Progress::default();
        loop {
            let Some(event) = self.inbound.decode(bytes, &mut progress).next() else { return };
            match event {
                Ok(Event::Text(text)) => self.received.push_back(Incoming::Text(text)),
                Ok(Event::Binary(data)) => self.received.push_back(Incoming::Binary(data)),
                Ok(Event::Ping(payload)) => self.outbound.control(pong_frame(&payload), Control::Pong),
                Ok(Event::Pong) => {}
                Ok(Event::Close { code, .. }) => {
                    let answer = code.map_or_else(empty_close_frame, |code| close_frame(code, ""));
                    self.outbound.control(answer, Control::Close);
                    self.ended = true;
                    self.received.push_back(Incoming::Closed(code));
                    return;
                }
                Err(error) => {
                    self.outbound.control(close_frame(error.close_code(), ""), Control::Close);
                    return self.fail(TransportError::Frame(error.into()));
                }
            }
        }
    }

    /// Messages that arrived before are returned first.
    fn fail(&mut self, failure: TransportError) {
        self.ended = true;
        self.failure = Some(failure);
    }
}

async fn handshake(route: &Route, sid: Option<&str>) -> Result<(Stream, Bytes), HttpError> {
    let mut key = [0; 16];
    // "The nonce MUST be selected randomly". A predictable key only loses the protection against faulty
    // caches.
    let _ = getrandom::fill(&mut key);
    let key = STANDARD.encode(key);
    let request = route.websocket(sid, &key)?;
    let offered = offered_protocols(request.headers());
    let upgraded = upgrade(dial::open(route, true).await?, request).await?;
    let Some(opened) = upgraded.stream else {
        return Err(HttpError::Status { status: upgraded.status, body: upgraded.body });
    };
    route.store_cookies(&upgraded.headers);
    let answer = upgraded.headers.get(SEC_WEBSOCKET_ACCEPT);
    if answer.is_none_or(|answer| answer.as_bytes().trim_ascii() != answer_to(key.as_bytes()).as_bytes()) {
        return Err(HttpError::NotWebSocket);
    }
    // "If this header field indicates the use of a subprotocol that was not present in the client's
    // handshake, the client MUST _Fail the WebSocket Connection_" (RFC 6455, 4.1).
    let selected =
        upgraded.headers.get(SEC_WEBSOCKET_PROTOCOL).map(|selected| selected.as_bytes().trim_ascii());
    if selected.is_some_and(|selected| !offered.iter().any(|offer| offer == selected)) {
        return Err(HttpError::Subprotocol);
    }
    Ok(opened)
}

/// The subprotocols of a request, of the settings and of headers that the application adds.
fn offered_protocols(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offers = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    offers.map(|offer| offer.trim_ascii().to_vec()).collect()
}

fn broken(error: io::Error) -> TransportError {
    TransportError::Frame(FrameError::Io(Arc::new(error)))
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted
    )
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use futures_util::SinkExt;
    use tokio::net::TcpListener;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;
    use crate::client::config::ClientConfig;
    use crate::client::http::stream::SCRATCH_LEN;

    /// A server that sends faster than the application receives fills the socket, not the client.
    #[tokio::test]
    async fn a_client_holds_the_messages_of_one_read() {
        const MESSAGES: usize = 5000;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = tokio_tungstenite::accept_async(stream).await.unwrap();
            for _ in 0..MESSAGES {
                server.feed(Message::binary(vec![0; 1000])).await.unwrap();
            }
            server.flush().await.unwrap();
            server
        });
        let route = Route::new(Arc::new(url.parse().unwrap()), Arc::new(ClientConfig::default()));
        let receive = async {
            let mut frames = Frames::open(&route, None).await.unwrap();
            for _ in 0..MESSAGES {
                let received = poll_fn(|cx| frames.poll_receive(cx)).await.unwrap();
                assert!(matches!(received, Incoming::Binary(data) if data.len() == 1000));
                assert!(frames.received.len() * 1000 <= SCRATCH_LEN, "{}", frames.received.len());
            }
        };
        tokio::time::timeout(Duration::from_secs(20), receive).await.unwrap();
        drop(server.await.unwrap());
    }
}

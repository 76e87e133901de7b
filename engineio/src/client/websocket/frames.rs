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
use crate::client::http::stream::{SCRATCH_LEN, Stream, with_scratch};
use crate::client::http::upgrade::upgrade;
use crate::deflate::{Agreed, Plan};
use crate::outbox::Outbox;
use crate::protocol::frame::{CloseCode, Role, close_frame, empty_close_frame, pong_frame};
use crate::protocol::prepared::{Dialect, Prepared};
use crate::protocol::text::Text;
use crate::websocket::inbound::{Event, Inbound, Progress};
use crate::websocket::key::answer_to;
use crate::websocket::negotiation::accept_as_client;
use crate::websocket::outbound::{Control, Layout, Outbound, Source};

/// An open WebSocket.
pub(crate) struct Frames {
    stream: Stream,
    /// Bytes that were read together with the response to the handshake.
    read: Bytes,
    inbound: Inbound,
    outbound: Outbound,
    dialect: Dialect,
    /// Messages that were read and are not returned yet: those of one read of at most [`SCRATCH_LEN`] bytes. Usually empty and without memory.
    received: VecDeque<Incoming>,
    /// The number of bytes of these messages.
    held: usize,
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

impl Incoming {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
            Self::Closed(_) => 0,
        }
    }
}

impl Frames {
    /// Opens a WebSocket, for a new session or for an existing one.
    pub(crate) async fn open(route: &Route, sid: Option<&str>) -> Result<Self, TransportError> {
        let (stream, read, deflate) = handshake(route, sid).await.map_err(TransportError::WebSocket)?;
        let config = &route.config;
        Ok(Self {
            stream,
            read,
            inbound: Inbound::with_role(Role::Client, config.max_payload)
                .max_fragments(config.max_fragments)
                .deflate(deflate),
            outbound: Outbound::client().deflate(deflate),
            dialect: config.dialect(),
            received: VecDeque::new(),
            held: 0,
            failure: None,
            ended: false,
        })
    }

    /// The compression of messages before they are queued.
    pub(crate) fn plan_ahead(&self) -> Option<Plan> {
        self.outbound.plan_ahead()
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
                    self.held = 0;
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
        let layout = Layout { dialect: self.dialect, contexts: self.inbound.contexts() };
        self.outbound.taken(message, layout);
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
        let layout = Layout { dialect: self.dialect, contexts: self.inbound.contexts() };
        let flushed = match self.outbound.poll_flush(&mut self.stream, source, layout, cx) {
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
            let message = match event {
                Ok(Event::Text(text)) => Incoming::Text(text),
                Ok(Event::Binary(data)) => Incoming::Binary(data),
                Ok(Event::Ping(payload)) => {
                    self.outbound.control(pong_frame(&payload), Control::Pong);
                    continue;
                }
                Ok(Event::Pong) => continue,
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
            };
            if !self.keep(message, &bytes[progress.consumed()..]) {
                return;
            }
        }
    }

    /// Keeps a message for the application. Returns whether the rest of the read may be decoded now: compressed
    /// messages may be much longer than the read. Otherwise the rest is decoded when these are taken.
    fn keep(&mut self, message: Incoming, rest: &[u8]) -> bool {
        self.held += message.len();
        self.received.push_back(message);
        if self.held <= SCRATCH_LEN || rest.is_empty() {
            return true;
        }
        self.read = [rest, &self.read].concat().into();
        false
    }

    /// Messages that arrived before are returned first.
    fn fail(&mut self, failure: TransportError) {
        self.ended = true;
        self.failure = Some(failure);
    }
}

async fn handshake(route: &Route, sid: Option<&str>) -> Result<(Stream, Bytes, Option<Agreed>), HttpError> {
    let mut key = [0; 16];
    // "The nonce MUST be selected randomly". A predictable key only loses the protection against faulty
    // caches.
    let _ = getrandom::fill(&mut key);
    let key = STANDARD.encode(key);
    let request = route.websocket(sid, &key)?;
    let offered = offered_protocols(request.headers());
    let upgraded = upgrade(dial::open(route, true).await?, request).await?;
    let Some((stream, read)) = upgraded.stream else {
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
    let agreed = accept_as_client(route.config.per_message_deflate, &upgraded.headers);
    Ok((stream, read, agreed.map_err(|_| HttpError::Extension)?))
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
    /// Messages that become much longer than the read that brought them are decompressed one after the other.
    #[cfg(feature = "compression")]
    #[tokio::test]
    async fn long_messages_wait_compressed() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        use crate::deflate::{PerMessageDeflate, deflate};
        use crate::protocol::frame::{Opcode, header_len, write_header};

        const LEN: usize = 500_000;
        let settings = PerMessageDeflate::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
            let mut answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Extensions: permessage-deflate; \
                 server_no_context_takeover\r\n\r\n",
                answer_to(key.as_bytes())
            )
            .into_bytes();
            let message = deflate(settings.plan(15).unwrap(), &[7; LEN]).unwrap();
            for _ in 0..50 {
                let start = answer.len();
                answer.resize(start + header_len(message.len()), 0);
                write_header(&mut answer[start..], Opcode::Binary, message.len());
                answer[start] |= 0x40;
                answer.extend_from_slice(&message);
            }
            stream.write_all(&answer).await.unwrap();
            stream
        });
        let config = ClientConfig { per_message_deflate: Some(settings), ..ClientConfig::default() };
        let route = Route::new(Arc::new(url.parse().unwrap()), Arc::new(config));
        let receive = async {
            let mut frames = Frames::open(&route, None).await.unwrap();
            for _ in 0..50 {
                let received = poll_fn(|cx| frames.poll_receive(cx)).await.unwrap();
                assert!(matches!(received, Incoming::Binary(data) if data == vec![7; LEN]));
                assert!(frames.received.is_empty() && frames.read.len() < 50_000);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), receive).await.unwrap();
        drop(server.await.unwrap());
    }
}

//! The WebSocket of a session: the opening handshake, and frames in and out.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::SEC_WEBSOCKET_ACCEPT;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::dial;
use super::error::{FrameError, HttpError, TransportError};
use super::route::Route;
use super::stream::{Stream, with_scratch};
use super::upgrade::upgrade;
use crate::frame::{CloseCode, Role, close_frame, empty_close_frame, pong_frame};
use crate::outbox::Outbox;
use crate::packet::{Packet, decode_binary, decode_text};
use crate::prepared::{Dialect, Prepared};
use crate::ws::inbound::{Event, Inbound, Progress};
use crate::ws::key::answer_to;
use crate::ws::outbound::{Control, Outbound, Source};

/// A WebSocket that is open.
pub(crate) struct WebSocket {
    stream: Stream,
    /// What was read together with the answer to the handshake.
    read: Bytes,
    inbound: Inbound,
    outbound: Outbound,
    dialect: Dialect,
    /// What was read and not handed out. Empty, and without memory, most of the time.
    received: VecDeque<Received>,
    /// What went wrong behind that.
    failure: Option<TransportError>,
    ended: bool,
}

/// What the server did.
pub(crate) enum Received {
    Packet(Packet),
    /// It closed the connection, with a close frame or without.
    Closed(Option<CloseCode>),
}

impl WebSocket {
    /// Opens one: for a new session, or to probe whether a session can move to it.
    pub(crate) async fn open(route: Arc<Route>, sid: Option<String>) -> Result<Self, TransportError> {
        let (stream, read) = handshake(&route, sid.as_deref()).await.map_err(TransportError::WebSocket)?;
        Ok(Self {
            stream,
            read,
            inbound: Inbound::with_role(Role::Client, route.config.max_payload),
            outbound: Outbound::client(),
            dialect: Dialect { protocol: route.config.protocol, base64: route.config.force_base64 },
            received: VecDeque::new(),
            failure: None,
            ended: false,
        })
    }

    /// The next packet, or the end.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, TransportError>> {
        loop {
            if let Some(received) = self.received.pop_front() {
                if self.received.is_empty() {
                    self.received = VecDeque::new();
                }
                return Poll::Ready(Ok(received));
            }
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Err(failure));
            }
            if self.ended {
                return Poll::Ready(Ok(Received::Closed(None)));
            }
            ready!(with_scratch(|scratch| self.poll_read(scratch, cx)));
        }
    }

    /// Whether something was read and not handed out.
    pub(crate) fn has_received(&self) -> bool {
        !self.received.is_empty() || self.failure.is_some() || self.ended
    }

    /// Queues a packet in front of what the outbox has.
    pub(crate) fn send(&mut self, packet: Prepared) {
        self.outbound.packet(packet);
    }

    /// Queues a message that was taken from the outbox by another transport.
    pub(crate) fn send_taken(&mut self, message: Prepared) {
        self.outbound.taken(message, self.dialect);
    }

    /// Queues a close frame, the last thing that is written.
    pub(crate) fn send_close(&mut self) {
        self.outbound.control(empty_close_frame(), Control::Close);
    }

    /// Writes what waits here and in the outbox. `true` says that nothing is left.
    pub(crate) fn poll_flush(
        &mut self,
        outbox: Option<&Outbox>,
        cx: &mut Context<'_>,
    ) -> Result<bool, TransportError> {
        let mut ignored = |_: &[Prepared]| {};
        let source = outbox.map(|outbox| Source { outbox, on_take: &mut ignored, translate: None });
        let flushed = match self.outbound.poll_flush(&mut self.stream, source, self.dialect, cx) {
            // TLS keeps what it has encrypted until it is told to write it.
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_flush(cx),
            other => other,
        };
        match flushed {
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Pending => Ok(false),
            // Who has said goodbye does not read on; the close frame in the buffer says more than this error.
            Poll::Ready(Err(_)) if self.ended => Ok(true),
            Poll::Ready(Err(error)) => Err(TransportError::Frame(FrameError::Io(Arc::new(error)))),
        }
    }

    /// Reads once, and takes apart what came.
    fn poll_read(&mut self, scratch: &mut [u8], cx: &mut Context<'_>) -> Poll<()> {
        let len = if self.read.is_empty() {
            let mut buf = ReadBuf::new(scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) => buf.filled().len(),
                // Many servers go away like this, and TLS complains about an end without a goodbye.
                Err(error) if is_end(&error) => 0,
                Err(error) => {
                    self.fail(TransportError::Frame(FrameError::Io(Arc::new(error))));
                    return Poll::Ready(());
                }
            }
        } else {
            let len = self.read.len().min(scratch.len());
            scratch[..len].copy_from_slice(&self.read.split_to(len));
            len
        };
        if len == 0 {
            self.ended = true;
            self.received.push_back(Received::Closed(None));
        }
        self.decode(&mut scratch[..len]);
        Poll::Ready(())
    }

    fn decode(&mut self, bytes: &mut [u8]) {
        let mut progress = Progress::default();
        loop {
            let Some(event) = self.inbound.decode(bytes, &mut progress).next() else { return };
            let packet = match event {
                Ok(Event::Text(text)) => decode_text(text, self.dialect.protocol),
                Ok(Event::Binary(data)) => decode_binary(data, self.dialect.protocol),
                Ok(Event::Ping(payload)) => {
                    self.outbound.control(pong_frame(&payload), Control::Pong);
                    continue;
                }
                Ok(Event::Pong) => continue,
                Ok(Event::Close { code, .. }) => {
                    let answer = code.map_or_else(empty_close_frame, |code| close_frame(code, ""));
                    self.outbound.control(answer, Control::Close);
                    self.ended = true;
                    self.received.push_back(Received::Closed(code));
                    return;
                }
                Err(error) => {
                    self.outbound.control(close_frame(error.close_code(), ""), Control::Close);
                    return self.fail(TransportError::Frame(error.into()));
                }
            };
            match packet {
                Ok(packet) => self.received.push_back(Received::Packet(packet)),
                Err(error) => return self.fail(error.into()),
            }
        }
    }

    /// What came before is handed out first.
    fn fail(&mut self, failure: TransportError) {
        self.ended = true;
        self.failure = Some(failure);
    }
}

async fn handshake(route: &Route, sid: Option<&str>) -> Result<(Stream, Bytes), HttpError> {
    let mut key = [0; 16];
    // "The nonce MUST be selected randomly"; one that is not only fails to keep confused caches away.
    let _ = getrandom::fill(&mut key);
    let key = STANDARD.encode(key);
    let request = route.websocket(sid, &key)?;
    let upgraded = upgrade(dial::open(route, true).await?, request).await?;
    route.store_cookies(&upgraded.headers);
    let Some(opened) = upgraded.stream else {
        return Err(HttpError::Status { status: upgraded.status, body: upgraded.body });
    };
    let answer = upgraded.headers.get(SEC_WEBSOCKET_ACCEPT);
    if answer.is_none_or(|answer| answer.as_bytes().trim_ascii() != answer_to(key.as_bytes()).as_bytes()) {
        return Err(HttpError::NotWebSocket);
    }
    Ok(opened)
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted
    )
}

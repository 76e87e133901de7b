//! A WebSocket connection of a session, from the pending upgrade of its request on.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::Config;
use crate::deflate::{Agreed, Plan};
use crate::io::{Io, Scratch, Upgrading};
use crate::outbox::received::ReceivedBytes;
use crate::protocol::frame::{CloseCode, close_frame, empty_close_frame, pong_frame};
use crate::protocol::packet::PacketType;
use crate::protocol::prepared::{Dialect, Prepared};
use crate::websocket::inbound::{Event, Inbound, Progress};
use crate::websocket::outbound::{Control, Layout, Outbound, Source};

/// The code and the reason of a close frame.
pub(crate) type CloseFrame = (CloseCode, &'static str);

/// One WebSocket connection.
pub(crate) struct WebSocketCarrier {
    stream: Stream,
    inbound: Inbound,
    outbound: Outbound,
    dialect: Dialect,
    /// The socket has not accepted everything, and must become writable first.
    blocked: bool,
    /// Writing failed. Bytes that the peer sent before can still be read.
    broken: bool,
    /// The rest of a read that the handler was not ready for.
    rest: Option<Box<Rest>>,
    /// The memory of an incomplete message.
    received: ReceivedBytes,
}

/// The unused part of a batch. It is a copy, because the read buffer belongs to the worker thread.
struct Rest {
    bytes: Vec<u8>,
    progress: Progress,
    last: Option<Received>,
}

enum Stream {
    /// The 101 is being sent, and the HTTP server owns the connection.
    Upgrading(Upgrading),
    /// The upgraded connection, with the bytes that were read behind the request.
    Open(Io, Bytes),
    Failed,
}

/// The bytes of a read, decoded by [`WebSocketCarrier::next`].
pub(crate) struct Batch {
    scratch: Scratch,
    progress: Progress,
    end: usize,
    /// The last result, behind the bytes.
    last: Option<Received>,
}

/// An event of the peer or the end of the connection.
#[derive(Debug)]
pub(crate) enum Received {
    Event(Event),
    /// The peer closed the connection, with a close frame or without. The close frame for the peer repeats
    /// its code.
    Closed(Option<CloseCode>),
    /// The peer violated the protocol. This is the code of the close frame for the peer.
    Violation(CloseCode),
    /// The connection was lost.
    Lost,
    /// The server holds too much received data for the rest of a message.
    ServerFull,
}

impl WebSocketCarrier {
    pub(crate) fn new(
        upgrading: Upgrading,
        dialect: Dialect,
        deflate: Option<Agreed>,
        config: &Config,
        received: ReceivedBytes,
    ) -> Self {
        Self {
            stream: Stream::Upgrading(upgrading),
            inbound: Inbound::new(config.max_payload).max_fragments(config.max_fragments).deflate(deflate),
            outbound: Outbound::default().deflate(deflate),
            dialect,
            blocked: false,
            broken: false,
            rest: None,
            received,
        }
    }

    /// The compression of messages before they are queued.
    pub(crate) fn plan_ahead(&self) -> Option<Plan> {
        self.outbound.plan_ahead()
    }

    /// Reads once, or returns the rest of the last read. A batch has bytes, or the end of the connection.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Batch> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(rest.into_batch());
        }
        if let Stream::Upgrading(upgrading) = &mut self.stream {
            match Pin::new(upgrading).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok((io, read))) => self.stream = Stream::Open(io, read),
                Poll::Ready(Err(_)) => self.stream = Stream::Failed,
            }
        }
        let mut batch = Batch { scratch: Scratch::take(), progress: Progress::default(), end: 0, last: None };
        let Stream::Open(io, read) = &mut self.stream else {
            // The client disconnected before it received the 101.
            batch.last = Some(Received::Closed(None));
            return Poll::Ready(batch);
        };
        if !read.is_empty() {
            let len = read.len().min(batch.scratch.len());
            batch.scratch[..len].copy_from_slice(&read.split_to(len));
            batch.end = len;
            return Poll::Ready(batch);
        }
        let mut buf = ReadBuf::new(&mut batch.scratch);
        match Pin::new(io).poll_read(cx, &mut buf) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => {
                batch.end = buf.filled().len();
                if batch.end == 0 {
                    batch.last = Some(if self.broken { Received::Lost } else { Received::Closed(None) });
                }
            }
            Poll::Ready(Err(error)) => {
                // Many clients close with a reset.
                let closed = error.kind() == io::ErrorKind::ConnectionReset && !self.broken;
                batch.last = Some(if closed { Received::Closed(None) } else { Received::Lost });
            }
        }
        Poll::Ready(batch)
    }

    /// The next event of a batch.
    #[inline]
    pub(crate) fn next(&mut self, batch: &mut Batch) -> Option<Received> {
        match self.inbound.decode(&mut batch.scratch[..batch.end], &mut batch.progress).next() {
            Some(Ok(Event::Close { code, .. })) => Some(Received::Closed(code)),
            Some(Ok(event)) => {
                // The handler may count the message from now on. A lower number is always accepted.
                if self.received.is_counting() {
                    let _ = self.received.set(self.inbound.buffered());
                }
                Some(Received::Event(event))
            }
            Some(Err(error)) => Some(Received::Violation(error.close_code())),
            None if !self.received.set(self.inbound.buffered()) => {
                self.inbound.close();
                Some(Received::ServerFull)
            }
            None => batch.last.take(),
        }
    }

    /// Stores the rest of a batch for the next call of [`poll_receive`](Self::poll_receive). `false` means
    /// that the server holds too much received data for it.
    #[cold]
    #[must_use]
    pub(crate) fn keep(&mut self, batch: Batch) -> bool {
        let bytes = batch.scratch[batch.progress.consumed()..batch.end].to_vec();
        let fits = self.received.set(self.inbound.buffered() + bytes.len());
        if !bytes.is_empty() || batch.last.is_some() {
            self.rest = Some(Box::new(Rest { bytes, progress: batch.progress.rebase(), last: batch.last }));
        }
        fits
    }

    /// Queues a pong with this payload.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.outbound.control(pong_frame(payload), Control::Pong);
    }

    /// Queues a close frame, which is the last frame.
    pub(crate) fn close(&mut self, frame: Option<CloseFrame>) {
        let frame = frame.map_or_else(empty_close_frame, |(code, reason)| close_frame(code, reason));
        self.outbound.control(frame, Control::Close);
    }

    /// Queues the answer to a probe, unless one is queued already. So the memory for a client that sends
    /// probes and does not read is bounded.
    pub(crate) fn answer_probe(&mut self) {
        if !self.outbound.has_packet() {
            self.outbound.packet(Prepared::control(PacketType::Pong, b"probe"));
        }
    }

    /// Notes that writing failed. Reading continues with the bytes that the peer sent before, and its end is
    /// reported as [`Received::Lost`].
    #[cold]
    pub(crate) fn fail(&mut self) {
        self.broken = true;
    }

    /// Whether the response to the opening handshake is still being sent.
    pub(crate) fn is_upgrading(&self) -> bool {
        matches!(self.stream, Stream::Upgrading(_))
    }

    /// Whether a batch of translated messages is accepted before the connection is upgraded.
    pub(crate) fn takes_ahead(&self) -> bool {
        self.is_upgrading() && self.outbound.is_empty()
    }

    /// Whether the socket has accepted everything so far.
    pub(crate) fn is_writable(&self) -> bool {
        matches!(self.stream, Stream::Open(..)) && !self.blocked && !self.broken
    }

    /// Writes the queued frames and the messages of the outbox. Returns `Ok(true)` when everything is
    /// written.
    pub(crate) fn poll_flush(
        &mut self,
        mut source: Option<Source<'_>>,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        let Stream::Open(io, _) = &mut self.stream else {
            if let Some(source) = source.as_mut().filter(|_| matches!(self.stream, Stream::Upgrading(_))) {
                self.outbound.take_ahead(source);
            }
            return Ok(false);
        };
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let was_blocked = self.blocked;
        let outbox = source.as_ref().map(|source| source.outbox);
        let layout = Layout { dialect: self.dialect, contexts: self.inbound.contexts() };
        let result = match self.outbound.poll_flush(io, source, layout, cx) {
            Poll::Ready(Ok(())) => {
                self.blocked = false;
                // A TCP stream has nothing to flush; a TLS stream may.
                match Pin::new(io).poll_flush(cx) {
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Ready(Ok(())) | Poll::Pending => Ok(true),
                }
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => {
                self.blocked = true;
                Ok(false)
            }
        };
        if let Some(outbox) = outbox.filter(|_| was_blocked != self.blocked) {
            outbox.set_blocked(self.blocked);
        }
        result
    }

    /// Shuts the writing side down, so that the peer reads the end of the stream behind the close frame.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Open(io, _) => Pin::new(io).poll_shutdown(cx),
            Stream::Upgrading(_) | Stream::Failed => Poll::Ready(Ok(())),
        }
    }
}

impl Rest {
    fn into_batch(self) -> Batch {
        let mut scratch = Scratch::take();
        let end = self.bytes.len();
        scratch[..end].copy_from_slice(&self.bytes);
        Batch { scratch, progress: self.progress, end, last: self.last }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::outbox::budget::Budget;
    use crate::protocol::packet::Protocol;

    /// A client that sends probes and pings without reading: one answer to its probes waits, and 16 pongs.
    #[tokio::test]
    async fn one_answer_to_all_probes_waits() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut websocket = WebSocketCarrier {
            stream: Stream::Open(Io::new(ours), Bytes::new()),
            inbound: Inbound::new(100),
            outbound: Outbound::default(),
            dialect: Dialect { protocol: Protocol::V4, base64: false },
            blocked: false,
            rest: None,
            broken: false,
            received: ReceivedBytes::new(&Arc::new(Budget::new(0))),
        };
        for _ in 0..10_000 {
            websocket.answer_probe();
            websocket.pong(b"x");
        }
        let flushed = std::future::poll_fn(|cx| Poll::Ready(websocket.poll_flush(None, cx))).await;
        assert!(flushed.unwrap());
        drop(websocket);
        let mut written = Vec::new();
        theirs.read_to_end(&mut written).await.unwrap();
        assert_eq!(written, [&b"\x8a\x01x".repeat(16)[..], b"\x81\x063probe"].concat());
    }
}

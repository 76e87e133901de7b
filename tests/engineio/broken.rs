//! Connections that break while the server writes to them.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use engineio::{CloseReason, Fault, Message, Server};
use tests::raw::{soon, start_echo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const HANDSHAKE: &[u8] =
    b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// Client end of a connection: one message per read; writes fail after the second read.
struct BrokenStream {
    reads: VecDeque<&'static [u8]>,
    /// Error after the last read. `None`: the connection stays open and silent.
    end: Option<io::ErrorKind>,
    written: Vec<u8>,
    read: usize,
    waker: Option<Waker>,
}

impl BrokenStream {
    fn is_open(&self) -> bool {
        self.written.windows(6).any(|bytes| bytes == b"\"sid\":")
    }
}

impl AsyncRead for BrokenStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read > 0 && !self.is_open() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.read += 1;
        match (self.reads.pop_front(), self.end) {
            (Some(bytes), _) => buf.put_slice(bytes),
            (None, Some(end)) => return Poll::Ready(Err(end.into())),
            (None, None) => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BrokenStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.read > 1 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.written.extend_from_slice(buf);
        if self.is_open() {
            self.waker.take().into_iter().for_each(Waker::wake);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Messages that a client sent before a reset are delivered, although writes to the client fail.
#[tokio::test]
async fn messages_before_a_reset_are_delivered() {
    // The heartbeat detects a client that neither reads nor disconnects.
    for (end, reason) in [
        (Some(io::ErrorKind::ConnectionReset), CloseReason::TransportError(Fault::Io)),
        (None, CloseReason::PingTimeout),
    ] {
        let heartbeat = Duration::from_millis(20);
        let builder = Server::builder().ping_timeout(heartbeat);
        let builder = if end.is_none() { builder.ping_interval(heartbeat) } else { builder };
        let mut running = start_echo(builder).await;
        // Masked with zeros: "4a", then "4b" and "4c" in one read, then "4d".
        let reads: [&[u8]; 4] = [
            HANDSHAKE,
            b"\x81\x82\0\0\0\x004a",
            b"\x81\x82\0\0\0\x004b\x81\x82\0\0\0\x004c",
            b"\x81\x82\0\0\0\x004d",
        ];
        let client = BrokenStream { reads: reads.into(), end, written: Vec::new(), read: 0, waker: None };
        running.server.connect(client, ([127, 0, 0, 1], 1).into());
        let session = running.opened().await;
        for text in ["a", "b", "c", "d"] {
            assert_eq!(running.message().await, Message::from(text));
        }
        assert_eq!(running.closed().await, reason);
        drop(session);
        soon(running.emptied()).await;
    }
}

//! Writing of responses, within the time that a client has for them.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::Connection;
use crate::http::BodyEnd;
use crate::io::Io;
use crate::server::http::answering::Stream;

/// The largest body that is copied behind its head and written with it. A larger copy costs more than the
/// second slice of a vectored write.
pub(super) const COPIED: usize = 4 * 1024;
/// The bytes of a response after which the client's time starts anew. With a single byte, a client could hold
/// the rest for as long as it likes.
pub(super) const PACE: usize = 16 * 1024;
/// The time, and the bytes, that a client may go on sending after a refusal. Closing a connection with unread
/// bytes resets it, and the reset can overtake the response.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

impl Connection {
    /// Writes a response. The client may take `patience` for each [`PACE`] bytes of it.
    pub(super) async fn write(
        &mut self,
        head: Vec<u8>,
        mut body: Bytes,
        patience: Duration,
    ) -> io::Result<()> {
        let mut head = head;
        if body.len() <= COPIED {
            head.extend_from_slice(&std::mem::take(&mut body));
        }
        let mut head = &head[..];
        let mut taken = 0;
        self.clock.start(patience);
        poll_fn(|cx| {
            while !(head.is_empty() && body.is_empty()) {
                let io = Pin::new(&mut self.io);
                let written = if body.is_empty() {
                    io.poll_write(cx, head)
                } else {
                    io.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(&body)])
                };
                let written = match written {
                    Poll::Ready(written) => written?,
                    Poll::Pending => {
                        return self.clock.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
                    }
                };
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                let of_head = written.min(head.len());
                head.advance(of_head);
                body.advance(written - of_head);
                taken += written;
                if taken >= PACE {
                    taken = 0;
                    self.clock.start(patience);
                }
            }
            // TCP has nothing to flush. TLS waits here for a client that does not read.
            match Pin::new(&mut self.io).poll_flush(cx) {
                Poll::Pending => self.clock.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
                flushed => flushed,
            }
        })
        .await
    }

    /// Ends the writing side. Dropping a TCP stream has the same effect; TLS needs a `close_notify`.
    pub(super) async fn shutdown(&mut self) {
        if matches!(self.io, Io::Other(_)) {
            let _ = self.end_writing().await;
        }
    }

    /// Ends the writing side, and waits for the client to close.
    pub(super) async fn linger(mut self) {
        if self.end_writing().await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES;
        self.read.clear();
        while let Ok(read @ 1..) = self.fill().await {
            self.read.clear();
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    }

    async fn end_writing(&mut self) -> io::Result<()> {
        // TLS writes its `close_notify` here, which a client that does not read never takes.
        self.clock.start(LINGER);
        poll_fn(|cx| match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Pending => self.clock.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ended => ended,
        })
        .await
    }

    /// Writes a response whose body arrives in pieces. Buffered bytes are written whenever the next piece has
    /// to be awaited.
    pub(super) async fn stream(
        &mut self,
        head: Vec<u8>,
        mut body: Stream,
        end: BodyEnd,
        patience: Duration,
    ) -> io::Result<()> {
        let mut out = head;
        let mut left = if let BodyEnd::Length(length) = end { length } else { u64::MAX };
        loop {
            let frame = poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await;
            let frame = match frame {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    self.write(std::mem::take(&mut out), Bytes::new(), patience).await?;
                    poll_fn(|cx| self.poll_frame(&mut body, cx)).await?
                }
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            let length = data.len() as u64;
            left = left.checked_sub(length).ok_or(io::ErrorKind::InvalidData)?;
            if end == BodyEnd::Chunked {
                out.extend_from_slice(format!("{length:x}\r\n").as_bytes());
            }
            // The end of a small chunk is written together with it.
            if end == BodyEnd::Chunked && data.len() <= COPIED {
                out.extend_from_slice(&data);
                out.extend_from_slice(b"\r\n");
                self.write(std::mem::take(&mut out), Bytes::new(), patience).await?;
                continue;
            }
            self.write(std::mem::take(&mut out), data, patience).await?;
            if end == BodyEnd::Chunked {
                out.extend_from_slice(b"\r\n");
            }
        }
        match end {
            BodyEnd::Length(_) if left > 0 => return Err(io::ErrorKind::InvalidData.into()),
            BodyEnd::Chunked => out.extend_from_slice(b"0\r\n\r\n"),
            BodyEnd::Length(_) | BodyEnd::Close => {}
        }
        self.write(out, Bytes::new(), patience).await
    }

    /// The next piece of a response. An error means that the client has disconnected.
    fn poll_frame(&mut self, body: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<Piece>> {
        if let Poll::Ready(piece) = body.as_mut().poll_frame(cx) {
            return Poll::Ready(Ok(piece));
        }
        match self.poll_ahead(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

type Piece = Option<Result<http_body::Frame<Bytes>, Box<dyn std::error::Error + Send + Sync>>>;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

    use super::*;
    use crate::http::Scanner;
    use crate::server::http::connection::Clock;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Writes 100 KiB to a client that takes `step` bytes every 10 seconds. Returns the number of bytes
    /// taken.
    async fn taken(step: usize) -> (io::Result<()>, usize) {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (scanner, clock) = (Scanner::default(), Clock::default());
        let mut connection = Connection { io: Io::new(ours), read: Vec::new(), scanner, clock };
        let client = tokio::spawn(async move {
            let (mut buffer, mut taken) = (vec![0; step], 0);
            while theirs.read_exact(&mut buffer).await.is_ok() {
                taken += step;
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            taken
        });
        let written = connection.write(vec![b'x'; 100 * 1024], Bytes::new(), PATIENCE).await;
        drop(connection);
        (written, client.await.unwrap_or_default())
    }

    /// A TLS stream whose buffer takes everything, and whose client takes nothing.
    struct Stalled;

    impl AsyncRead for Stalled {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Stalled {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn stalled() -> Connection {
        let (scanner, clock) = (Scanner::default(), Clock::default());
        Connection { io: Io::new(Stalled), read: Vec::new(), scanner, clock }
    }

    #[tokio::test(start_paused = true)]
    async fn flush_and_shutdown_have_a_deadline() {
        let limit = 2 * PATIENCE;
        let mut connection = stalled();
        let written = tokio::time::timeout(limit, connection.write(vec![b'x'; 10], Bytes::new(), PATIENCE));
        assert_eq!(written.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        tokio::time::timeout(limit, stalled().linger()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_slow_but_not_as_slow_as_it_likes() {
        let (written, taken_of_it) = taken(10 * 1024).await;
        assert!(written.is_ok() && taken_of_it == 100 * 1024, "{written:?} {taken_of_it}");
        let (written, taken_of_it) = taken(100).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(taken_of_it < 16 * 1024, "{taken_of_it}");
    }

    /// Bytes after a refusal are read up to a limit of time and size, and not kept.
    #[tokio::test(start_paused = true)]
    async fn what_is_sent_after_a_refusal_has_a_limit() {
        const PIPE: usize = 1024;
        for pause in [Duration::ZERO, LINGER / 10] {
            let (ours, mut theirs) = tokio::io::duplex(PIPE);
            let (scanner, clock) = (Scanner::default(), Clock::default());
            let connection = Connection { io: Io::new(ours), read: Vec::new(), scanner, clock };
            let begun = tokio::time::Instant::now();
            let lingering = tokio::spawn(connection.linger());
            let mut sent = 0;
            while theirs.write_all(&[b'x'; PIPE]).await.is_ok() {
                sent += PIPE;
                tokio::time::sleep(pause).await;
            }
            tokio::time::timeout(PATIENCE, lingering).await.unwrap().unwrap();
            if pause.is_zero() {
                assert!((LINGER_BYTES..=LINGER_BYTES + 2 * PIPE).contains(&sent), "{sent}");
            } else {
                assert!(begun.elapsed() < 2 * LINGER && sent <= 12 * PIPE, "{:?} {sent}", begun.elapsed());
            }
        }
    }
}

//! One HTTP/1.1 connection of a server without a framework: requests in, responses out, one after the other.

#[cfg(test)]
mod tests;
mod upload;
mod write;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Version, header};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::oneshot;

use self::upload::Moved;
use self::write::COPIED;
use super::answering::{Answering, ResponseBody};
use super::clock::Clock;
use super::peer_addr::PeerAddr;
use crate::http::{After, BodyEnd, Framing, Head, HeadError, Scanner, encode};
use crate::io::{Handover, Io, Scratch, Upgrading};
use crate::server::response::status;

/// The bytes that are read ahead from a client that does not wait for its response.
const AHEAD: usize = 16 * 1024;

/// The time limits of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// For the head of a request.
    pub(crate) head: Duration,
    /// For each `PACE` bytes of a response, and of a body that routes read.
    pub(crate) body: Duration,
}

/// Serves the requests of one connection until either side closes it, or `end` resolves. A request in
/// progress is still answered then.
pub(crate) async fn run(
    answering: impl Answering,
    deadlines: Deadlines,
    io: Io,
    peer: SocketAddr,
    end: impl Future<Output = ()>,
) {
    let mut connection =
        Connection { io, read: Vec::new(), scanner: Scanner::default(), clock: Clock::default() };
    let mut end = pin!(end);
    loop {
        // `end` has priority: a client that always has the next request ready must not keep the connection
        // open.
        let head = tokio::select! {
            biased;
            () = end.as_mut() => return,
            head = connection.head(deadlines.head) => head,
        };
        let next = match head {
            Ok(Some(head)) => connection.exchange(&answering, deadlines.body, head, peer).await,
            Ok(None) => return,
            Err(refused) => connection.refuse(refused, deadlines.body).await,
        };
        match next {
            Next::Request => {}
            Next::Upgrade(handover) => {
                // If the session has ended by now, the connection ends too.
                let _ = handover.send((connection.io, connection.read.into()));
                return;
            }
            Next::Shutdown => return connection.shutdown().await,
            Next::Linger => return connection.linger().await,
            Next::Nothing => return,
        }
    }
}

struct Connection {
    io: Io,
    /// Bytes that were read and are not used yet.
    read: Vec<u8>,
    scanner: Scanner,
    /// The deadline of the current wait for the client.
    clock: Clock,
}

/// The next step after a response.
enum Next {
    Request,
    Upgrade(oneshot::Sender<Handover>),
    /// Shut down, for a client that has sent nothing more.
    Shutdown,
    /// Shut down and linger, for a client that may still be sending.
    Linger,
    Nothing,
}

/// The reason why there is no valid head.
enum Refused {
    Head(HeadError),
    /// The head began and was not finished in time.
    TimedOut,
}

impl Connection {
    /// Reads the head of the next request; `None` if the connection ends before.
    async fn head(&mut self, patience: Duration) -> Result<Option<Head>, Refused> {
        self.clock.start(patience);
        loop {
            // "A server that is expecting to receive and parse a request-line SHOULD ignore at least one
            // empty line (CRLF) received prior to the request-line." (RFC 9112, 2.2)
            let blank = empty_lines(&self.read);
            if blank > 0 {
                self.read.drain(..blank);
                self.scanner = Scanner::default();
            }
            if let Some(len) = self.scanner.scan(&self.read).map_err(Refused::Head)? {
                return Head::parse(&self.split(len)).map(Some).map_err(Refused::Head);
            }
            match self.fill().await {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut && !self.read.is_empty() => {
                    return Err(Refused::TimedOut);
                }
                Ok(0) | Err(_) => return Ok(None),
            }
        }
    }

    /// Answers one request.
    async fn exchange(
        &mut self,
        answering: &impl Answering,
        patience: Duration,
        head: Head,
        peer: SocketAddr,
    ) -> Next {
        let Head { mut parts, framing, keep_alive, expects_continue } = head;
        let asked = (parts.method.clone(), parts.version);
        parts.extensions.insert(PeerAddr(peer));
        let asks_upgrade = parts.headers.contains_key(header::UPGRADE);
        // With a body, the beginning of the other protocol's bytes would not be defined.
        let (handover, upgrading) = if asks_upgrade && framing == Framing::Length(0) {
            let (handover, upgrading) = oneshot::channel();
            (Some(handover), Some(Upgrading::Own(upgrading)))
        } else {
            (None, None)
        };
        let (body, mut upload) = self.body(framing, expects_continue);
        upload.patience = limits_body(answering).then_some(patience);

        // A client may end its side behind a request and still read the response. This looks the same as a
        // client that has disconnected. A request with a side effect is answered either way. A GET may wait
        // for minutes, so the end of its client has to be noticed.
        let may_end = !matches!(asked.0, Method::GET | Method::HEAD);
        let mut ended = false;
        let answered = {
            let request = Request::from_parts(parts, body);
            let mut responding = pin!(answering.answer(request, upgrading));
            poll_fn(|cx| {
                loop {
                    if let Poll::Ready(response) = responding.as_mut().poll(cx) {
                        return Poll::Ready(Some(response));
                    }
                    // The response may wait for more of the body. Otherwise this read detects that the client
                    // has disconnected.
                    if ended {
                        return Poll::Pending;
                    }
                    match ready!(self.poll_upload(&mut upload, cx)) {
                        Ok(Moved::On) => {}
                        Ok(Moved::ToTheEnd) if may_end && upload.decoder.is_done() => ended = true,
                        Ok(Moved::ToTheEnd) | Err(_) => return Poll::Ready(None),
                    }
                }
            })
            .await
        };
        let Some(response) = answered else { return Next::Nothing };

        let whole = self.skip(&mut upload.decoder);
        // A proxy that forwards an upgrade may treat the connection as a tunnel before it has seen the
        // response. A connection with a refused upgrade therefore closes.
        let keep_alive = keep_alive
            && whole
            && !asks_upgrade
            && !answering.is_closing()
            && !says_close(response.headers());
        let after = match (response.status(), &handover) {
            (StatusCode::SWITCHING_PROTOCOLS, Some(_)) => After::Upgrade,
            _ if keep_alive => After::KeepAlive,
            _ => After::Close,
        };
        let (end, after) = match response.body() {
            ResponseBody::Whole(body) => (BodyEnd::Length(body.len() as u64), after),
            ResponseBody::Stream(body) => match body.size_hint().exact() {
                Some(length) => (BodyEnd::Length(length), after),
                None if asked.1 == Version::HTTP_11 => (BodyEnd::Chunked, after),
                None => (BodyEnd::Close, After::Close),
            },
        };
        let copied =
            if let BodyEnd::Length(length) = end { length.min(COPIED as u64) as usize } else { COPIED };
        let mut out = Vec::with_capacity(256 + copied);
        let has_body = encode(&response, end, (&asked.0, asked.1), after, &mut out);
        let written = match response.into_body() {
            ResponseBody::Whole(body) if has_body => self.write(out, body.into_bytes(), patience).await,
            ResponseBody::Stream(body) if has_body => self.stream(out, body, end, patience).await,
            _ => self.write(out, Bytes::new(), patience).await,
        };
        match (written, after, handover) {
            (Err(_), ..) => Next::Nothing,
            (Ok(()), After::Upgrade, Some(handover)) => Next::Upgrade(handover),
            (Ok(()), After::KeepAlive, _) => Next::Request,
            (Ok(()), ..) if whole && self.read.is_empty() => Next::Shutdown,
            (Ok(()), ..) => Next::Linger,
        }
    }

    /// Answers bytes that are not a valid request.
    async fn refuse(&mut self, refused: Refused, patience: Duration) -> Next {
        let status = status(match refused {
            Refused::Head(error) => error.status(),
            Refused::TimedOut => StatusCode::REQUEST_TIMEOUT,
        });
        let mut out = Vec::new();
        encode(&status, BodyEnd::Length(0), (&Method::GET, Version::HTTP_11), After::Close, &mut out);
        match self.write(out, Bytes::new(), patience).await {
            Ok(()) => Next::Linger,
            Err(_) => Next::Nothing,
        }
    }

    /// Reads once, within the deadline.
    async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| match self.poll_fill(cx) {
            Poll::Pending => self.clock.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => ready,
        })
        .await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = Scratch::take();
        let mut buf = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
        let filled = buf.filled();
        // Usually these bytes are one whole request, which then needs no other copy.
        self.read.reserve_exact(filled.len());
        self.read.extend_from_slice(filled);
        Poll::Ready(Ok(filled.len()))
    }

    /// Takes the first bytes of the read buffer.
    fn split(&mut self, len: usize) -> Bytes {
        if len == self.read.len() {
            return std::mem::take(&mut self.read).into();
        }
        let first = Bytes::copy_from_slice(self.read.get(..len).unwrap_or_default());
        self.read.drain(..first.len());
        first
    }
}

fn limits_body<A: Answering>(_: &A) -> bool {
    A::LIMITS_BODY
}

/// The length of the leading empty lines in bytes.
fn empty_lines(bytes: &[u8]) -> usize {
    2 * bytes.chunks_exact(2).take_while(|line| line == b"\r\n").count()
}

fn says_close(headers: &HeaderMap) -> bool {
    headers.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

//! One HTTP/1.1 connection of a server without a framework: requests in, responses out, one after the other.

mod write;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Request, StatusCode, Version, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use self::write::{COPIED, PACE};
use super::answering::{Answering, ResponseBody};
use super::clock::Clock;
use super::incoming::{Feed, IncompleteBody, RequestBody};
use super::peer_addr::PeerAddr;
use crate::http::{After, BodyDecoder, BodyEnd, Framing, Head, HeadError, Scanner, continue_100, encode};
use crate::io::{Handover, Io, Scratch, Upgrading};
use crate::server::response::status;

/// The bytes that are read ahead from a client that does not wait for its response.
const AHEAD: usize = 16 * 1024;

/// The time limits of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// For the head of a request.
    pub(crate) head: Duration,
    /// For each [`PACE`] bytes of a response, and of a body that routes read.
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

    /// The body of a request whose head was just read, and the rest of its upload.
    fn body(&mut self, framing: Framing, expects_continue: bool) -> (RequestBody, Upload) {
        let upload = |decoder, feed, unsaid| Upload { decoder, feed, unsaid, patience: None, arrived: PACE };
        let done = upload(BodyDecoder::new(Framing::Length(0)), None, &[][..]);
        match framing {
            Framing::Length(0) => (RequestBody::whole(Bytes::new()), done),
            Framing::Length(length) if length <= self.read.len() as u64 => {
                let length = usize::try_from(length).unwrap_or(self.read.len());
                (RequestBody::whole(self.split(length)), done)
            }
            _ => {
                let (body, feed) = RequestBody::streamed();
                let unsaid = if expects_continue { continue_100() } else { &[] };
                (body, upload(BodyDecoder::new(framing), Some(feed), unsaid))
            }
        }
    }

    /// Reads on for a body that a reader waits for; otherwise reads ahead a little. An error means that the
    /// client has disconnected.
    fn poll_upload(&mut self, upload: &mut Upload, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        loop {
            let Some(feed) = upload.feed.as_ref().filter(|feed| feed.is_wanted()) else {
                return self.poll_ahead(cx).map_ok(|()| Moved::ToTheEnd);
            };
            let mut body = Vec::with_capacity(self.read.len());
            match upload.decoder.decode_into(&self.read, &mut body) {
                Ok(used) => {
                    if !body.is_empty() {
                        feed.push(body.into());
                    }
                    self.read.drain(..used);
                }
                Err(_) => feed.end(Err(IncompleteBody)),
            }
            if upload.decoder.is_done() {
                feed.end(Ok(()));
            }
            if !feed.is_wanted() {
                if upload.decoder.is_done() {
                    upload.feed = None;
                }
                return Poll::Ready(Ok(Moved::On));
            }
            while !upload.unsaid.is_empty() {
                match ready!(Pin::new(&mut self.io).poll_write(cx, upload.unsaid))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => upload.unsaid.advance(written),
                }
            }
            // The deadline starts when a reader waits for the body, and anew with each part that has arrived.
            if let Some(patience) = upload.patience.filter(|_| upload.arrived >= PACE) {
                upload.arrived = 0;
                self.clock.start(patience);
            }
            let filled = match self.poll_fill(cx) {
                Poll::Pending if upload.patience.is_some() => {
                    ready!(self.clock.poll(cx));
                    Err(io::ErrorKind::TimedOut.into())
                }
                filled => ready!(filled),
            };
            match filled {
                Ok(more @ 1..) => upload.arrived += more,
                // The reader of the body gets an error; the client can receive no response any more.
                Ok(0) | Err(_) => feed.end(Err(IncompleteBody)),
            }
        }
    }

    /// Reads ahead a little while the response is being made. Ready when the client has ended its side.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.read.len() < AHEAD {
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Drops the received bytes of an unread body. Returns whether the next request begins behind it.
    fn skip(&mut self, decoder: &mut BodyDecoder) -> bool {
        match decoder.decode_into(&self.read, &mut Vec::new()) {
            Ok(used) => drop(self.read.drain(..used)),
            Err(_) => return false,
        }
        decoder.is_done()
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

/// The unfinished upload of the current request's body.
struct Upload {
    decoder: BodyDecoder,
    /// The receiver of the body; `None` when the body is complete.
    feed: Option<Feed>,
    /// The unsent rest of a `100 Continue`.
    unsaid: &'static [u8],
    /// The time limit of each [`PACE`] bytes, if there is one.
    patience: Option<Duration>,
    /// The bytes that have arrived since the deadline was started.
    arrived: usize,
}

/// The result of reading while a response is awaited.
enum Moved {
    /// The reader of the body can continue.
    On,
    /// The client has ended its side.
    ToTheEnd,
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use http::Response;

    use crate::server::http::routes::Routes;
    use crate::server::response::body::Body;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// The responses that a client receives when it sends these requests and ends its side. Each response
    /// takes a second.
    async fn answers(requests: &str) -> String {
        let routes = Routes::new(|_| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Response::new(Body::from("late"))
        });
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let deadlines = Deadlines { head: PATIENCE, body: PATIENCE };
        let serving = tokio::spawn(run(
            routes,
            deadlines,
            Io::new(ours),
            ([127, 0, 0, 1], 1).into(),
            std::future::pending(),
        ));
        theirs.write_all(requests.as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut answers = String::new();
        tokio::time::timeout(PATIENCE, theirs.read_to_string(&mut answers)).await.unwrap().unwrap();
        tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
        answers
    }

    /// `nc -N` and simple scripts end their side behind the request.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_ends_its_side_behind_a_whole_request_is_answered() {
        let counted = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n4a";
        let chunked = "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        let answers = answers(&format!("{counted}{counted}")).await;
        assert_eq!(answers.matches("late").count(), 2, "{answers}");
        // An incomplete body, and a GET, which may be waiting for a message that would be lost.
        assert_eq!(self::answers(&chunked[..chunked.len() - 2]).await, "");
        assert_eq!(self::answers(&counted[..counted.len() - 1]).await, "");
        assert_eq!(self::answers("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
    }

    /// The memory that a client can occupy by not waiting for its responses: the limit, and the bytes of the
    /// read that exceeds it.
    #[tokio::test(start_paused = true)]
    async fn what_is_sent_ahead_of_an_answer_has_a_limit() {
        const PIPE: usize = 256 * 1024;
        const READ: usize = 64 * 1024;
        let routes = Routes::new(|_| std::future::pending::<Response<Body>>());
        let (ours, mut theirs) = tokio::io::duplex(PIPE);
        let deadlines = Deadlines { head: PATIENCE, body: PATIENCE };
        let peer = ([127, 0, 0, 1], 1).into();
        let end = std::future::pending();
        let serving = tokio::spawn(run(routes, deadlines, Io::new(ours), peer, end));
        theirs.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut sent = 0;
        while let Ok(written) = tokio::time::timeout(PATIENCE, theirs.write(&[b'x'; 1024])).await {
            sent += written.unwrap();
        }
        let held = sent - PIPE;
        assert!((AHEAD..AHEAD + READ).contains(&held), "{held}");
        assert!(!serving.is_finished());
        serving.abort();
    }
}

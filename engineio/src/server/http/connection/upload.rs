//! The body of a request: what has arrived with its head, what is read for its reader, and what is read
//! ahead.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::write::PACE;
use super::{AHEAD, Connection};
use crate::http::{BodyDecoder, Framing, continue_100};
use crate::server::http::incoming::{Feed, IncompleteBody, RequestBody};

/// The unfinished upload of the current request's body.
pub(super) struct Upload {
    pub(super) decoder: BodyDecoder,
    /// The receiver of the body; `None` when the body is complete.
    feed: Option<Feed>,
    /// The unsent rest of a `100 Continue`.
    unsaid: &'static [u8],
    /// The time limit of each [`PACE`] bytes, if there is one.
    pub(super) patience: Option<Duration>,
    /// The bytes that have arrived since the deadline was started.
    arrived: usize,
}

/// The result of reading while a response is awaited.
pub(super) enum Moved {
    /// The reader of the body can continue.
    On,
    /// The client has ended its side.
    ToTheEnd,
}

impl Connection {
    /// The body of a request whose head was just read, and the rest of its upload.
    pub(super) fn body(&mut self, framing: Framing, expects_continue: bool) -> (RequestBody, Upload) {
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
    pub(super) fn poll_upload(
        &mut self,
        upload: &mut Upload,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Moved>> {
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
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.read.len() < AHEAD {
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Drops the received bytes of an unread body. Returns whether the next request begins behind it.
    pub(super) fn skip(&mut self, decoder: &mut BodyDecoder) -> bool {
        match decoder.decode_into(&self.read, &mut Vec::new()) {
            Ok(used) => drop(self.read.drain(..used)),
            Err(_) => return false,
        }
        decoder.is_done()
    }
}

//! Polling: one GET waits for the server's packets, and one POST at a time sends the client's.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::error::{HttpError, TransportError};
use super::http::body::{Body, Packets};
use super::http::connection::Connection;
use super::http::exchange::{Exchange, exchange};
use super::http::route::Route;
use crate::outbox::Outbox;
use crate::protocol::packet::{Packet, PacketType};
use crate::protocol::prepared::{PacketRef, Prepared};
use crate::protocol::text::Text;

/// The polling transport of one session.
pub(crate) struct Polling {
    route: Arc<Route>,
    sid: String,
    /// The largest POST that the server accepts.
    max_payload: Option<usize>,
    get: Option<Exchange>,
    post: Option<Exchange>,
    /// The share of the outbox in the current POST: messages and bytes.
    posted: (usize, usize),
    /// The unread rest of the last response.
    packets: Option<Packets>,
    /// A message that did not fit into the last POST, and the number of its packets already sent.
    held: Option<(Prepared, usize)>,
    idle: Vec<Connection>,
    /// An upgrade is in progress: no further requests.
    pausing: bool,
}

impl Polling {
    /// Opens a session: reads the packets of the first response. [`begin`](Self::begin) then sets the
    /// session's id and limit.
    pub(crate) async fn open(route: Arc<Route>) -> Result<Self, TransportError> {
        let limit = answer_limit(&route);
        let request = route.poll(None, None);
        let (answer, connection) = exchange(Arc::clone(&route), None, request, limit).await;
        let mut polling = Self {
            route,
            sid: String::new(),
            max_payload: None,
            get: None,
            post: None,
            posted: (0, 0),
            packets: None,
            held: None,
            idle: connection.into_iter().collect(),
            pausing: false,
        };
        polling.take_answer(answer)?;
        Ok(polling)
    }

    /// Sets the values of the handshake.
    pub(crate) fn begin(&mut self, sid: String, max_payload: Option<usize>) {
        self.sid = sid;
        self.max_payload = max_payload;
    }

    /// The first packet of the first response.
    pub(crate) fn handshake(&mut self) -> Option<Packet> {
        self.packets.as_mut()?.next()?.ok()
    }

    /// The next packet.
    pub(crate) fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Result<Packet, TransportError>> {
        loop {
            if let Some(packets) = &mut self.packets {
                match packets.next() {
                    Some(packet) => return Poll::Ready(packet.map_err(TransportError::Packet)),
                    None => self.packets = None,
                }
            }
            let Some(get) = &mut self.get else {
                if self.pausing {
                    return Poll::Pending;
                }
                let request = self.route.poll(Some(&self.sid), None);
                let limit = answer_limit(&self.route);
                self.get = Some(exchange(Arc::clone(&self.route), self.idle.pop(), request, limit));
                continue;
            };
            let Poll::Ready((answer, connection)) = get.as_mut().poll(cx) else { return Poll::Pending };
            self.get = None;
            self.idle.extend(connection);
            self.take_answer(answer)?;
        }
    }

    /// Sends the outbox, one POST at a time, each with as many packets as the server accepts. `true` means
    /// that nothing is left.
    pub(crate) fn poll_flush(
        &mut self,
        outbox: &Outbox,
        cx: &mut Context<'_>,
    ) -> Result<bool, TransportError> {
        loop {
            if let Some(post) = &mut self.post {
                let Poll::Ready((answer, connection)) = post.as_mut().poll(cx) else { return Ok(false) };
                self.post = None;
                self.idle.extend(connection);
                answer.map_err(TransportError::Post)?;
                let (messages, bytes) = std::mem::take(&mut self.posted);
                outbox.wrote(messages, bytes);
            }
            // A message that is partly sent is finished on this transport.
            let begun = self.held.as_ref().is_some_and(|(_, sent)| *sent > 0);
            if self.pausing && !begun {
                return Ok(true);
            }
            let Some(body) = self.next_body(outbox) else { return Ok(true) };
            self.post(body);
        }
    }

    /// Sends the close packet, behind everything else.
    pub(crate) fn send_close(&mut self) {
        let mut body = Body::new(self.route.config.protocol);
        body.push(&[PacketType::Close.digit()]);
        self.post(body.finish());
    }

    /// Whether a POST is in progress.
    pub(crate) fn is_posting(&self) -> bool {
        self.post.is_some()
    }

    /// Starts no further requests, so that the session can upgrade.
    pub(crate) fn pause(&mut self) {
        self.pausing = true;
    }

    /// Starts requests again, after a failed upgrade.
    pub(crate) fn resume(&mut self) {
        self.pausing = false;
    }

    /// Whether no request is in progress.
    pub(crate) fn is_quiet(&self) -> bool {
        self.get.is_none() && self.post.is_none() && self.packets.is_none()
    }

    /// A message that was taken out of the outbox and not sent.
    pub(crate) fn take_held(&mut self) -> Option<Prepared> {
        self.held.take().map(|(message, _)| message)
    }

    fn post(&mut self, body: Vec<u8>) {
        let request = self.route.poll(Some(&self.sid), Some(body.into()));
        self.post = Some(exchange(Arc::clone(&self.route), self.idle.pop(), request, 1024));
    }

    /// As many messages as fit into one POST. A packet that exceeds the limit alone is sent, and the server
    /// refuses it.
    fn next_body(&mut self, outbox: &Outbox) -> Option<Vec<u8>> {
        let limit = self.max_payload.unwrap_or(usize::MAX);
        let mut body = Body::new(self.route.config.protocol);
        let mut next = Vec::with_capacity(1);
        let mut left = self.route.config.max_packets_per_request.max(1);
        while left > 0 {
            let (message, sent) = match self.held.take() {
                Some(held) => held,
                None => {
                    outbox.take(1, &mut next);
                    match next.pop() {
                        Some(message) => (message, 0),
                        None => break,
                    }
                }
            };
            let mut fitting = 0;
            for packet in message.packets().skip(sent) {
                let len = match &packet {
                    PacketRef::Text(text) => text.len(),
                    PacketRef::Binary(binary) => binary.base64().len(),
                };
                if left == 0 || (!body.is_empty() && body.len_with(len) > limit) {
                    break;
                }
                left -= 1;
                match &packet {
                    PacketRef::Text(text) => body.push(text),
                    PacketRef::Binary(binary) => body.push_base64(binary.base64()),
                }
                fitting += 1;
            }
            if message.packets().count() > sent + fitting {
                self.held = Some((message, sent + fitting));
                break;
            }
            self.posted.0 += 1;
            self.posted.1 += message.wire_len();
        }
        if body.is_empty() { None } else { Some(body.finish()) }
    }

    fn take_answer(&mut self, answer: Result<bytes::Bytes, HttpError>) -> Result<(), TransportError> {
        let body = answer.map_err(TransportError::Poll)?;
        let body = Text::from_utf8(body).map_err(|_| TransportError::Poll(HttpError::Utf8))?;
        let config = &self.route.config;
        self.packets = Some(Packets::decode(body, config.protocol, config.max_packets_per_payload));
        Ok(())
    }
}

/// The largest response: a server may send many messages in one response, each of them within the limit.
fn answer_limit(route: &Route) -> usize {
    route.config.max_payload.saturating_mul(16)
}

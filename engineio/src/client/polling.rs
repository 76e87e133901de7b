//! Polling: one GET waits for the server's packets, and one POST at a time sends the client's.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::error::{HttpError, TransportError};
use super::http::body::{Body, Packets};
use super::http::connection::Connection;
use super::http::exchange::{Exchange, exchange};
use super::http::route::Route;
use crate::outbox::Outbox;
use crate::protocol::packet::{Packet, PacketType};
use crate::protocol::prepared::{PacketRef, Prepared};
use crate::protocol::text::Text;

/// The largest response to a POST, in bytes. Servers answer `ok`.
const MAX_POST_ANSWER: usize = 1024;

/// The polling transport of one session. The session's machine decides when requests start; each method that
/// starts one requires that none of its kind is in progress.
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
        };
        polling.decode(answer)?;
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

    /// Starts a GET.
    pub(crate) fn start_get(&mut self) {
        let request = self.route.poll(Some(&self.sid), None);
        let limit = answer_limit(&self.route);
        self.get = Some(exchange(Arc::clone(&self.route), self.idle.pop(), request, limit));
    }

    /// The next packet; `None` at the end of a response. Without a GET it stays pending.
    pub(crate) fn poll_packet(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Packet>, TransportError>> {
        loop {
            if let Some(packets) = &mut self.packets {
                let packet = packets.next();
                if packet.is_none() {
                    self.packets = None;
                }
                return Poll::Ready(packet.transpose().map_err(TransportError::Packet));
            }
            let Some(get) = &mut self.get else { return Poll::Pending };
            let (answer, connection) = ready!(get.as_mut().poll(cx));
            self.get = None;
            self.idle.extend(connection);
            self.decode(answer)?;
        }
    }

    /// Whether messages are queued for a POST.
    pub(crate) fn is_waiting(&self, outbox: &Outbox) -> bool {
        self.held.is_some() || !outbox.is_empty()
    }

    /// Starts a POST with as many messages of the outbox as fit. `false` if they have no packets.
    pub(crate) fn start_post(&mut self, outbox: &Outbox) -> bool {
        let body = self.next_body(outbox);
        let has_packets = !body.is_empty();
        if has_packets {
            self.post(body);
        }
        has_packets
    }

    /// Starts a POST with the close packet.
    pub(crate) fn start_close(&mut self) {
        let mut body = Body::new(self.route.config.protocol);
        body.push(&[PacketType::Close.digit()]);
        self.post(body.finish());
    }

    /// The end of the POST: whether its last message is not complete. Without a POST it stays pending.
    pub(crate) fn poll_post(
        &mut self,
        outbox: &Outbox,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, TransportError>> {
        let Some(post) = &mut self.post else { return Poll::Pending };
        let (answer, connection) = ready!(post.as_mut().poll(cx));
        self.post = None;
        self.idle.extend(connection);
        answer.map_err(TransportError::Post)?;
        let (messages, bytes) = std::mem::take(&mut self.posted);
        outbox.wrote(messages, bytes);
        Poll::Ready(Ok(self.held.as_ref().is_some_and(|(_, sent)| *sent > 0)))
    }

    /// A message that was taken out of the outbox and not sent.
    pub(crate) fn take_held(&mut self) -> Option<Prepared> {
        self.held.take().map(|(message, _)| message)
    }

    fn post(&mut self, body: Vec<u8>) {
        let request = self.route.poll(Some(&self.sid), Some(body.into()));
        let connection = self.idle.pop();
        self.post = Some(exchange(Arc::clone(&self.route), connection, request, MAX_POST_ANSWER));
    }

    /// As many messages as fit into one POST. A packet that exceeds the limit alone is sent, and the server
    /// refuses it.
    fn next_body(&mut self, outbox: &Outbox) -> Vec<u8> {
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
        body.finish()
    }

    fn decode(&mut self, answer: Result<bytes::Bytes, HttpError>) -> Result<(), TransportError> {
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

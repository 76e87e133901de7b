//! What the requests of each transport do once they are found to be in order.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::sync::oneshot;

use crate::close_reason::{CloseReason, Fault};
use crate::config::Transport;
use crate::io::Upgrading;
use crate::outbox::Outbox;
use crate::polling::{self, PayloadForm, PollAnswer};
use crate::protocol::open::OpenPacket;
use crate::protocol::packet::{PacketType, Protocol};
use crate::protocol::payload::jsonp;
use crate::protocol::prepared::{Dialect, Prepared};
use crate::protocol::sid::Sid;
use crate::server::Shared;
use crate::server::dispatch::{Checked, mismatch, status};
use crate::server::driver::Driver;
use crate::server::http::address_limit::Place;
use crate::server::request::head::RequestHead;
use crate::server::request::request_error::{BadRequest, RequestError};
use crate::server::response::body::{Body, CollectError, collect};
use crate::server::response::compression;
use crate::server::session::command::{Command, Polled, PostAnswer, PostBody};
use crate::server::session::handle::Session;
use crate::server::session::registry::NotAdded;
use crate::server::session::translator::Translator;
use crate::server::trace;
use crate::session::Machine;
use crate::websocket::accept;

/// Compressing more than this takes long enough for other sessions of the thread to notice.
const COMPRESS_INLINE: usize = 64 * 1024;

impl Shared {
    /// Opens a session.
    pub(crate) async fn open(
        self: &Arc<Self>,
        mut request: Checked<'_>,
    ) -> Result<Response<Body>, RequestError> {
        let Checked { parts, query, transport, .. } = request;
        let protocol = request.handshake.protocol;
        if protocol == Protocol::V3 && !self.config.allow_eio3 {
            return Err(RequestError::UnsupportedProtocolVersion { protocol: 3 });
        }
        let switching = match transport {
            Transport::WebSocket => match accept::accept(parts) {
                Ok(switching) => Some(switching),
                Err(error) => return Ok(error.into_response().map(|()| Body::default())),
            },
            Transport::Polling => None,
        };
        let dialect = Dialect { protocol, base64: request.handshake.base64 };
        let head = RequestHead::of(parts, query.clone());
        let registered = match self.register(parts, head, transport, dialect).await? {
            Ok(registered) => registered,
            Err(answer) => return Ok(answer),
        };
        let session = &registered.session;
        let mut greeting = vec![self.open_packet(session)];
        greeting.extend(self.options.initial_packet.clone().map(Prepared::from));

        let mut response = match switching {
            Some(switching) => {
                for message in greeting {
                    session.outbox().push_control(message);
                }
                switching.map(|()| Body::default())
            }
            None => {
                // Until the client's first GET nothing can be sent.
                session.outbox().set_blocked(true);
                let answer = polling::answer(session.dialect(), &greeting, &[]);
                let mut response = self.poll_response(&request, answer.into()).await;
                if let Some(cookie) = &self.options.cookie {
                    response
                        .headers_mut()
                        .append(header::SET_COOKIE, cookie.serialize(session.id().as_str()));
                }
                response
            }
        };
        self.decorate(parts, &mut response, true);
        self.begin(registered, request.upgrading.take(), None);
        Ok(response)
    }

    /// Makes a session that can be found from now on. If there is no room for it, the inner error is the answer.
    pub(crate) async fn register(
        self: &Arc<Self>,
        parts: &Parts,
        head: RequestHead,
        transport: Transport,
        dialect: Dialect,
    ) -> Result<Result<Registered, Response<Body>>, RequestError> {
        if self.is_closing() {
            return Ok(Err(unavailable()));
        }
        if self.registry.len() >= self.options.max_sessions {
            return Ok(Err(self.full()));
        }
        let peer = parts.extensions.get::<crate::server::PeerAddr>().map(|peer| peer.0);
        let place = match peer.map(|peer| self.options.sessions_per_address.enter(peer.ip())) {
            Some(None) => return Ok(Err(too_many(peer))),
            place => place.flatten(),
        };
        let sid = self.generate_id(parts).await?;

        // The heartbeat counts from here, before the client can have read its open packet.
        let now = tokio::time::Instant::now().into_std();
        let (limit, policy) = (self.config.max_buffered, self.config.slow_consumer);
        let outbox = Outbox::within(limit, policy, Arc::clone(&self.budget));
        let Dialect { protocol, base64 } = dialect;
        let session = Session::new(sid, protocol, transport, base64, head, outbox, self.outboxes.enter());
        // Others may have taken the last places while the id was made.
        let registered = match Registered::insert(self, session, place, now) {
            Ok(registered) => registered,
            Err(NotAdded::Full) => return Ok(Err(self.full())),
            Err(NotAdded::Taken) => {
                return Err(BadRequest::IdGeneration { error: "the id is taken".to_owned() }.into());
            }
        };
        // Who closed the server in the meantime either found the session in the registry, or is seen here.
        if self.is_closing() {
            return Ok(Err(unavailable()));
        }
        Ok(Ok(registered))
    }

    /// Starts the task of a session.
    pub(crate) fn begin(
        self: &Arc<Self>,
        registered: Registered,
        upgrading: Option<Upgrading>,
        translator: Option<Box<dyn Translator>>,
    ) {
        let session = &registered.session;
        let handler = self.accept.accept(session);
        let (protocol, transport) = (session.protocol(), session.transport());
        let machine = Machine::new(Arc::clone(&self.config), protocol, transport, registered.opened);
        let (session, place) = registered.keep();
        trace::opened(&session);
        let span = trace::span(&session);
        let driver = Driver::new(session, machine, handler, Arc::clone(self), upgrading, place, translator);
        tokio::spawn(trace::within(span, driver));
    }

    /// A WebSocket wants to take a polling session over.
    pub(crate) async fn probe(
        &self,
        mut request: Checked<'_>,
        session: &Session,
    ) -> Result<Response<Body>, RequestError> {
        let switching = match accept::accept(request.parts) {
            Ok(switching) => switching,
            Err(error) => return Ok(error.into_response().map(|()| Body::default())),
        };
        let Some(upgrading) = request.upgrading.take() else {
            return Err(BadRequest::TransportHandshake.into());
        };
        let (answer, accepted) = oneshot::channel();
        session.command(Command::Probe(answer, upgrading));
        if accepted.await.is_err() {
            return Err(gone(session));
        }
        let mut response = switching.map(|()| Body::default());
        self.decorate(request.parts, &mut response, false);
        Ok(response)
    }

    /// A GET waits for packets.
    pub(crate) async fn poll(
        &self,
        request: Checked<'_>,
        session: &Session,
    ) -> Result<Response<Body>, RequestError> {
        let (answer, answered) = oneshot::channel();
        session.command(Command::Poll(answer));
        match answered.await {
            Ok(Polled { answer: PollAnswer::Refused, .. }) => Ok(status(StatusCode::BAD_REQUEST)),
            Ok(answer) => {
                let mut response = self.poll_response(&request, answer).await;
                self.decorate(request.parts, &mut response, false);
                Ok(response)
            }
            Err(_) => Err(gone(session)),
        }
    }

    /// A POST brings packets.
    pub(crate) async fn post<B: http_body::Body>(
        &self,
        request: Checked<'_>,
        session: &Session,
        body: B,
    ) -> Result<Response<Body>, RequestError> {
        let headers = &request.parts.headers;
        let binary = is(headers, header::CONTENT_TYPE, "application/octet-stream");
        let form = match (session.protocol(), binary) {
            (Protocol::V3, true) => PayloadForm::BinaryV3,
            (Protocol::V4, true) => {
                session.abort_with(CloseReason::TransportError(Fault::InvalidContent));
                return Ok(status(StatusCode::BAD_REQUEST));
            }
            (protocol, false) => PayloadForm::Text(protocol),
        };
        // No client compresses what it sends, and what we do not decode we must not take for text.
        if headers.contains_key(header::CONTENT_ENCODING)
            && !is(headers, header::CONTENT_ENCODING, "identity")
        {
            session.abort_with(CloseReason::ParseError);
            return Ok(status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let unwrap = |body: Bytes| match (&request.handshake.jsonp, form) {
            // A form that is not UTF-8, or has no payload: nothing that a packet could be read from.
            (Some(_), PayloadForm::Text(_)) => {
                jsonp::decode(&body).ok().flatten().map(crate::Text::into_bytes)
            }
            _ => Some(body),
        };

        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let mut collecting = pin!(collect(body, announced, self.config.max_payload));
        let (answer, mut answered) = oneshot::channel();
        // Mostly the body came with the head; then the session hears of the request once.
        let taken = match poll_fn(|cx| Poll::Ready(collecting.as_mut().poll(cx))).await {
            Poll::Ready(Ok(body)) => {
                let Some(body) = unwrap(body) else { return Ok(self.post_response(&request)) };
                session.command(Command::Post(PostBody::Read(body), form, answer));
                answered.await
            }
            Poll::Ready(Err(CollectError::TooLarge)) => return Ok(status(StatusCode::PAYLOAD_TOO_LARGE)),
            Poll::Ready(Err(CollectError::Aborted)) => {
                session.abort_with(CloseReason::TransportError(Fault::PostAborted));
                return Ok(status(StatusCode::BAD_REQUEST));
            }
            Poll::Pending => {
                let (read, reading) = oneshot::channel();
                session.command(Command::Post(PostBody::Reading(reading), form, answer));
                let collected = tokio::select! {
                    // The session does not want the rest: an overlap, or it ended.
                    _ = &mut answered => return Ok(status(StatusCode::BAD_REQUEST)),
                    collected = tokio::time::timeout(self.options.body_timeout, collecting) => collected,
                };
                match collected {
                    Ok(Ok(body)) => {
                        let Some(body) = unwrap(body) else {
                            let _ = read.send(None);
                            return Ok(self.post_response(&request));
                        };
                        let _ = read.send(Some(body));
                        answered.await
                    }
                    Ok(Err(CollectError::TooLarge)) => {
                        let _ = read.send(None);
                        return Ok(status(StatusCode::PAYLOAD_TOO_LARGE));
                    }
                    // Dropping the sender tells the session that the request was cut.
                    Ok(Err(CollectError::Aborted)) => return Ok(status(StatusCode::BAD_REQUEST)),
                    Err(_) => return Ok(status(StatusCode::REQUEST_TIMEOUT)),
                }
            }
        };
        match taken {
            Ok(PostAnswer::Taken) => Ok(self.post_response(&request)),
            Ok(PostAnswer::Refused) => Ok(status(StatusCode::BAD_REQUEST)),
            Err(_) => Err(gone(session)),
        }
    }

    fn post_response(&self, request: &Checked<'_>) -> Response<Body> {
        let mut response = Response::new(Body::from("ok"));
        // Not text/plain, which some browsers offer to download.
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        polling_headers(&request.parts.headers, response.headers_mut());
        self.decorate(request.parts, &mut response, false);
        response
    }

    async fn poll_response(&self, request: &Checked<'_>, polled: Polled) -> Response<Body> {
        let Polled { answer, loan } = polled;
        let PollAnswer::Payload { mut body, binary, compress } = answer else {
            return status(StatusCode::BAD_REQUEST);
        };
        let mut response = Response::new(Body::default());
        let content_type = match &request.handshake.jsonp {
            Some(_) => "text/javascript; charset=UTF-8",
            None if binary => "application/octet-stream",
            None => "text/plain; charset=UTF-8",
        };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        polling_headers(&request.parts.headers, response.headers_mut());
        if let Some(index) = &request.handshake.jsonp {
            let mut script = Vec::new();
            jsonp::encode(index, &body, &mut script);
            body = script.into();
        }
        if compress {
            body = self.compress(request, body, response.headers_mut()).await;
        }
        if let Some(loan) = loan {
            body = loan.attach(body);
        }
        *response.body_mut() = Body::from(body);
        response
    }

    async fn compress(&self, request: &Checked<'_>, body: Bytes, headers: &mut HeaderMap) -> Bytes {
        let applies = self.options.compression.is_some_and(|compression| compression.applies_to(body.len()));
        let accepted = request.parts.headers.get_all(header::ACCEPT_ENCODING);
        let Some(encoding) = applies.then(|| compression::negotiate(accepted)).flatten() else {
            return body;
        };
        let compressed = if body.len() <= COMPRESS_INLINE {
            compression::compress(encoding, &body).ok()
        } else {
            let body = body.clone();
            tokio::task::spawn_blocking(move || compression::compress(encoding, &body).ok())
                .await
                .ok()
                .flatten()
        };
        match compressed {
            Some(compressed) => {
                headers.insert(header::CONTENT_ENCODING, encoding.header_value());
                compressed.into()
            }
            None => body,
        }
    }

    /// There are as many sessions as there may be.
    fn full(&self) -> Response<Body> {
        trace::full(self.options.max_sessions);
        unavailable()
    }

    fn open_packet(&self, session: &Session) -> Prepared {
        let mut json = Vec::with_capacity(128);
        OpenPacket::new(session.id(), session.transport(), &self.config).encode(&mut json);
        Prepared::control(PacketType::Open, &json)
    }

    async fn generate_id(&self, parts: &Parts) -> Result<Sid, RequestError> {
        let failed = |error: String| RequestError::from(BadRequest::IdGeneration { error });
        match &self.options.hooks.generate_id {
            Some(generate) => generate(parts).await.map_err(|error| failed(error.to_string())),
            None => {
                let mut bits = [0; 16];
                getrandom::fill(&mut bits).map_err(|error| failed(error.to_string()))?;
                Ok(Sid::from_random(bits))
            }
        }
    }
}

/// A session in the registry that has no driver yet. Should the application's `accept` panic, it is taken out again.
pub(crate) struct Registered {
    server: Arc<Shared>,
    pub(crate) session: Session,
    place: Option<Place>,
    opened: Instant,
    keep: bool,
}

impl Registered {
    fn insert(
        server: &Arc<Shared>,
        session: Session,
        place: Option<Place>,
        opened: Instant,
    ) -> Result<Self, NotAdded> {
        server.registry.insert(&session, server.options.max_sessions)?;
        Ok(Self { server: Arc::clone(server), session, place, opened, keep: false })
    }

    fn keep(mut self) -> (Session, Option<Place>) {
        self.keep = true;
        (self.session.clone(), self.place.take())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if !self.keep {
            self.session.close_mailbox();
            self.server.registry.remove(&self.session);
        }
    }
}

/// The session ended between the look into the registry and the driver's turn.
fn gone(session: &Session) -> RequestError {
    if session.transport() == Transport::WebSocket {
        return mismatch(Transport::Polling, session);
    }
    RequestError::UnknownSid { sid: session.id().as_str().to_owned() }
}

fn is(headers: &HeaderMap, name: header::HeaderName, value: &str) -> bool {
    headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
}

/// The server takes no more sessions, now.
fn unavailable() -> Response<Body> {
    let mut response = status(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// An address has as many sessions as it may.
fn too_many(peer: Option<SocketAddr>) -> Response<Body> {
    trace::too_many(peer);
    let mut response = status(StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

/// What every polling answer carries.
fn polling_headers(request: &HeaderMap, response: &mut HeaderMap) {
    response.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A payload is no script of a page, whatever the page takes it for.
    response.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Internet Explorer takes a payload that echoes the page's own script for an attack, and mangles it.
    let user_agent = request.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    if [&b";MSIE"[..], b"Trident/"].iter().any(|part| memchr::memmem::find(user_agent, part).is_some()) {
        response.insert(header::X_XSS_PROTECTION, HeaderValue::from_static("0"));
    }
}

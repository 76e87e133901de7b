//! The checks of a request, and its dispatch to the transport that it names.
//!
//! The order is that of the official server: CORS, resources, origins and middlewares, then the transport,
//! the session id, the method, then `allow_request`. A refused request for a WebSocket is answered before any
//! 101.

mod foreign;
mod open;
mod poll;
mod post;
mod probe;
mod register;
#[cfg(feature = "peers")]
mod relay;
pub(crate) mod translated;

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};

use super::request::hooks::Refusal;
use super::request::query::{Handshake, Query};
use super::request::request_error::{BadRequest, RequestError};
use super::response::body::Body;
use super::session::handle::Session;
use super::trace;
use crate::config::Transport;
use crate::http::InvalidOrigin;
use crate::http::list::has_token;
use crate::io::Upgrading;
#[cfg(feature = "peers")]
use crate::protocol::sid::Sid;
use crate::server::response::{merge, status};
use crate::server::shared::Shared;

/// Maximum length of a request target in bytes. hyper, for comparison, accepts 64 KiB.
const MAX_TARGET: usize = 8 * 1024;

/// A request that has passed the checks.
pub(crate) struct Checked<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) query: &'a Query,
    pub(crate) handshake: Handshake<'a>,
    pub(crate) transport: Transport,
    /// The connection, if the request is for a WebSocket.
    pub(crate) upgrading: Option<Upgrading>,
}

impl Shared {
    /// Answers a request. `upgrading` is its connection, if the request can be upgraded.
    pub(crate) async fn respond<B: http_body::Body>(
        self: Arc<Self>,
        request: Request<B>,
        upgrading: Option<Upgrading>,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let upgrading = upgrading.filter(|_| wants_upgrade(&parts.headers));
        let refuse = |error: RequestError| self.refuse(&parts, &error);
        let mut added = HeaderMap::new();
        let early = match self.prepare(&parts, &mut added).await {
            Ok(early) => early,
            Err(error) => Some(refuse(error)),
        };
        let mut response = match early {
            Some(response) => response,
            None => self.dispatch(&parts, upgrading, body).await.unwrap_or_else(refuse),
        };
        merge(response.headers_mut(), added);
        response
    }

    /// Applies CORS, resources, origins and middlewares. They add headers to the response, or respond
    /// themselves.
    pub(crate) async fn prepare(
        &self,
        parts: &Parts,
        added: &mut HeaderMap,
    ) -> Result<Option<Response<Body>>, RequestError> {
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
            return Ok(Some(status(StatusCode::URI_TOO_LONG)));
        }
        let chosen = match &self.options.hooks.cors {
            Some(choose) => choose(parts).await.map(Cow::Owned),
            None => self.options.cors.as_ref().map(Cow::Borrowed),
        };
        if let Some(cors) = chosen {
            let preflight = parts.method == Method::OPTIONS;
            if preflight && !cors.continues_preflight() {
                return Ok(Some(cors.preflight(&parts.headers).map(|()| Body::default())));
            }
            let decorate = if preflight { super::Cors::decorate_preflight } else { super::Cors::decorate };
            decorate(&cors, &parts.headers, added);
        }
        if !wants_upgrade(&parts.headers) {
            let below = self.below(parts.uri.path());
            let answer = self.options.hooks.resources.iter().find_map(|resource| resource(below, parts));
            if let Some(answer) = answer {
                return Ok(Some(answer.await));
            }
        }
        if self.options.origins.as_ref().is_some_and(|origins| !origins.allow(&parts.headers)) {
            return Err(RequestError::Forbidden { message: "this origin is not allowed".to_owned() });
        }
        for middleware in &self.options.hooks.middlewares {
            match middleware(parts).await {
                Ok(headers) => merge(added, headers),
                Err(Refusal::Respond(response)) => return Ok(Some(response)),
                Err(Refusal::Failed) => return Err(BadRequest::MiddlewareFailure.into()),
            }
        }
        Ok(None)
    }

    /// The part of a request's path below the path of the server. The whole path, if a router has removed the
    /// prefix.
    fn below<'p>(&self, path: &'p str) -> &'p str {
        let base = self.options.path.trim_end_matches('/');
        let below = path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
        below.or_else(|| path.strip_prefix('/')).unwrap_or(path)
    }

    async fn dispatch<B: http_body::Body>(
        self: &Arc<Self>,
        parts: &Parts,
        upgrading: Option<Upgrading>,
        body: B,
    ) -> Result<Response<Body>, RequestError> {
        let query = Query::from(&parts.uri);
        let handshake = query.handshake();
        let transport =
            handshake.transport.and_then(Transport::from_name).filter(|it| self.config.allows(*it));
        let Some(transport) = transport else {
            return Err(RequestError::UnknownTransport { transport: handshake.transport.map(str::to_owned) });
        };
        if handshake.jsonp.is_some() && transport == Transport::Polling && !self.options.jsonp {
            return Err(BadRequest::JsonpDisabled.into());
        }
        if let Some(InvalidOrigin(origin)) = parts.extensions.get() {
            return Err(BadRequest::InvalidOrigin { origin: origin.clone() }.into());
        }
        let Some(sid) = handshake.sid else {
            let request = Checked { parts, query: &query, handshake, transport, upgrading };
            self.check_handshake(&request).await?;
            return self.open(request).await;
        };
        let Some(session) = self.registry.find(sid) else {
            #[cfg(feature = "peers")]
            if let Some(linked) = self.peers.get() {
                let sid = Sid::from(sid);
                let request = Checked { parts, query: &query, handshake, transport, upgrading };
                // Boxed, so that the futures of other requests stay small.
                return Box::pin(self.relay(request, body, Arc::clone(linked), sid)).await;
            }
            return Err(unknown(sid));
        };
        if upgrading.is_none() && transport != session.transport() {
            return Err(mismatch(transport, &session));
        }
        // The protocol revision is fixed at the handshake. A request that names none speaks revision 3.
        let (protocol, previous) = (handshake.protocol, session.protocol());
        if protocol != previous {
            let (protocol, previous_protocol) = (protocol.number(), previous.number());
            return Err(BadRequest::ProtocolMismatch { protocol, previous_protocol }.into());
        }
        let request = Checked { parts, query: &query, handshake, transport, upgrading };
        match transport {
            Transport::WebSocket if request.upgrading.is_some() => self.probe(request, &session).await,
            Transport::Polling if request.upgrading.is_some() => Err(BadRequest::TransportHandshake.into()),
            // A WebSocket session accepts no plain requests.
            Transport::WebSocket => Err(BadRequest::TransportHandshake.into()),
            Transport::Polling => match parts.method {
                Method::GET => self.poll(request, &session).await,
                Method::POST => self.post(request, &session, body).await,
                _ => Ok(status(StatusCode::INTERNAL_SERVER_ERROR)),
            },
        }
    }

    async fn check_handshake(&self, request: &Checked<'_>) -> Result<(), RequestError> {
        if request.parts.method != Method::GET {
            return Err(RequestError::BadHandshakeMethod { method: request.parts.method.to_string() });
        }
        if request.upgrading.is_some() != (request.transport == Transport::WebSocket) {
            return Err(BadRequest::TransportHandshake.into());
        }
        self.allow(request.parts).await
    }

    /// Calls `allow_request` for a request that opens a session.
    pub(crate) async fn allow(&self, parts: &Parts) -> Result<(), RequestError> {
        match &self.options.hooks.allow_request {
            Some(allow) => allow(parts).await.map_err(|message| RequestError::Forbidden { message }),
            None => Ok(()),
        }
    }

    pub(crate) fn refuse(&self, parts: &Parts, error: &RequestError) -> Response<Body> {
        trace::refused(parts, error);
        if let Some(hook) = &self.options.hooks.connection_error {
            hook(parts, error);
        }
        if wants_upgrade(&parts.headers) { error.to_upgrade_response() } else { error.to_response() }
    }

    /// Runs the header hooks on a response that belongs to a session.
    pub(crate) fn decorate(&self, parts: &Parts, response: &mut Response<Body>, initial: bool) {
        let hooks = &self.options.hooks;
        for hook in
            [hooks.initial_headers.as_ref().filter(|_| initial), hooks.headers.as_ref()].into_iter().flatten()
        {
            hook(parts, response.headers_mut());
        }
    }
}

pub(crate) fn mismatch(transport: Transport, session: &Session) -> RequestError {
    let previous_transport = session.transport().as_str();
    BadRequest::TransportMismatch { transport: transport.as_str(), previous_transport }.into()
}

/// Whether a request is for an upgrade (RFC 9110, 7.8) to any protocol.
fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE) && has_token(headers, header::CONNECTION, "upgrade")
}

/// The error of a request whose session ended before the driver handled its command.
pub(super) fn session_ended(session: &Session) -> RequestError {
    if session.transport() == Transport::WebSocket {
        return mismatch(Transport::Polling, session);
    }
    unknown(session.id().as_str())
}

fn unknown(sid: &str) -> RequestError {
    RequestError::UnknownSid { sid: sid.to_owned() }
}

//! The limits that a new session has to pass, its id, and its entry in the registry.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};

use crate::config::Transport;
use crate::outbox::Outbox;
use crate::protocol::prepared::Dialect;
use crate::protocol::sid::Sid;
use crate::server::http::address_limit::CountedAddress;
use crate::server::http::peer_addr::PeerAddr;
use crate::server::request::head::RequestHead;
use crate::server::request::request_error::{BadRequest, RequestError};
use crate::server::response::body::Body;
use crate::server::response::{status, unavailable};
use crate::server::session::handle::{Session, SessionMemory};
use crate::server::session::registry::NotAdded;
use crate::server::shared::Shared;
use crate::server::trace;

/// A session in the registry that has no driver yet. It is removed on drop, so also if `accept` of the
/// application panics.
pub(crate) struct PendingSession {
    server: Arc<Shared>,
    pub(crate) session: Session,
    address: Option<CountedAddress>,
    pub(super) opened: Instant,
    keep: bool,
}

impl Shared {
    /// Creates a session and adds it to the registry. If a limit is reached, the inner error is the response.
    pub(crate) async fn register(
        self: &Arc<Self>,
        parts: &Parts,
        head: RequestHead,
        transport: Transport,
        dialect: Dialect,
    ) -> Result<Result<PendingSession, Response<Body>>, RequestError> {
        let address = match self.admit(PeerAddr::of(&parts.extensions)) {
            Ok(address) => address,
            Err(answer) => return Ok(Err(*answer)),
        };
        let sid = self.generate_id(parts).await?;
        match self.add(sid, head, transport, dialect, address) {
            Ok(Some(pending)) => Ok(Ok(pending)),
            Ok(None) => Ok(Err(unavailable())),
            // Other sessions may have reached the limit while the id was generated.
            Err(NotAdded::Full) => Ok(Err(self.full())),
            Err(NotAdded::Duplicate) => {
                Err(BadRequest::IdGeneration { error: "the id is taken".to_owned() }.into())
            }
        }
    }

    /// Checks the limits before a session exists, and counts its address.
    pub(super) fn admit(
        &self,
        peer: Option<SocketAddr>,
    ) -> Result<Option<CountedAddress>, Box<Response<Body>>> {
        if self.is_closing() {
            return Err(Box::new(unavailable()));
        }
        if self.registry.len() >= self.options.max_sessions {
            return Err(Box::new(self.full()));
        }
        match peer.map(|peer| self.options.sessions_per_address.enter(peer.ip())) {
            Some(None) => Err(Box::new(too_many(peer))),
            address => Ok(address.flatten()),
        }
    }

    /// Creates a session with this id and adds it to the registry. `None` if the server was closed meanwhile.
    pub(super) fn add(
        self: &Arc<Self>,
        sid: Sid,
        head: RequestHead,
        transport: Transport,
        dialect: Dialect,
        address: Option<CountedAddress>,
    ) -> Result<Option<PendingSession>, NotAdded> {
        // The heartbeat counts from here, before the client can have read its open packet.
        let now = tokio::time::Instant::now().into_std();
        let (limit, policy) = (self.config.max_buffered, self.config.slow_consumer);
        let outbox = Outbox::within(limit, policy, Arc::clone(&self.budget));
        let (received, counted) = (Arc::clone(&self.received), self.outboxes.enter());
        let on_create = self.options.observer.as_ref().map(|observing| Arc::clone(&observing.on_create));
        let memory = SessionMemory { outbox, received, counted, on_create };
        let session = Session::new(sid, dialect, transport, head, memory);
        let pending = PendingSession::insert(self, session, address, now)?;
        // A close of the server in the meantime either found the session in the registry, or is noticed here.
        Ok(Some(pending).filter(|_| !self.is_closing()))
    }

    async fn generate_id(&self, parts: &Parts) -> Result<Sid, RequestError> {
        let failed = |error: String| RequestError::from(BadRequest::IdGeneration { error });
        if let Some(generate) = &self.options.hooks.generate_id {
            return generate(parts).await.map_err(|error| failed(error.to_string()));
        }
        #[cfg(feature = "peers")]
        if let Some(linked) = self.peers.get() {
            return linked.link.session_id().map_err(|error| failed(error.to_string()));
        }
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(|error| failed(error.to_string()))?;
        Ok(Sid::from_random(bits))
    }

    /// The response when the limit on sessions is reached.
    fn full(&self) -> Response<Body> {
        trace::full(self.options.max_sessions);
        unavailable()
    }
}

impl PendingSession {
    fn insert(
        server: &Arc<Shared>,
        session: Session,
        address: Option<CountedAddress>,
        opened: Instant,
    ) -> Result<Self, NotAdded> {
        server.registry.insert(&session, server.options.max_sessions)?;
        Ok(Self { server: Arc::clone(server), session, address, opened, keep: false })
    }

    pub(super) fn keep(mut self) -> (Session, Option<CountedAddress>) {
        self.keep = true;
        (self.session.clone(), self.address.take())
    }
}

impl Drop for PendingSession {
    fn drop(&mut self) {
        if !self.keep {
            self.session.close_mailbox();
            self.server.registry.remove(&self.session);
        }
    }
}

/// The response when the limit on sessions of an address is reached.
fn too_many(peer: Option<SocketAddr>) -> Response<Body> {
    trace::too_many(peer);
    let mut response = status(StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

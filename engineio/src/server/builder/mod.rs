//! The settings of a server.

mod compression;
#[cfg(feature = "peers")]
mod peers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use super::Server;
use super::handler::Accept;
use super::http::address_limit::AddressLimit;
use super::observer::{Observer, Observing};
use super::options::Options;
use super::request::hooks::Refusal;
use super::request::origin_policy::OriginPolicy;
use super::request::request_error::RequestError;
use super::response::body::Body;
use super::response::cookie::Cookie;
use super::response::cors::Cors;
use super::shared::Shared;
use crate::config::{Config, SlowConsumer, Transport};
use crate::error::ConfigError;
use crate::protocol::packet::Message;
use crate::protocol::sid::Sid;

/// Collects the settings of a [`Server`]. All defaults are the official server's, except that of
/// [`jsonp`](Self::jsonp).
#[derive(Debug, Default)]
#[must_use]
pub struct ServerBuilder {
    config: Config,
    options: Options,
}

impl ServerBuilder {
    /// Replaces all settings of sessions at once. The methods below change single settings.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Changes any setting of sessions, also those without a method of their own.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// See [`Config::ping_interval`]. Default 25 s.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.config.ping_interval = interval;
        self
    }

    /// See [`Config::ping_timeout`]. Default 20 s.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.ping_timeout = timeout;
        self
    }

    /// See [`Config::upgrade_timeout`]. Default 10 s.
    pub fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.config.upgrade_timeout = timeout;
        self
    }

    /// The largest message in bytes on either transport (`maxHttpBufferSize`): see [`Config::max_payload`].
    /// Default 1,000,000.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.config.max_payload = bytes;
        self
    }

    /// See [`Config::transports`]. Default polling and WebSocket.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.config.transports = transports.into_iter().collect();
        self
    }

    /// See [`Config::allow_upgrades`]. Default true.
    pub fn allow_upgrades(mut self, allow: bool) -> Self {
        self.config.allow_upgrades = allow;
        self
    }

    /// See [`Config::allow_eio3`]. Default false.
    pub fn allow_eio3(mut self, allow: bool) -> Self {
        self.config.allow_eio3 = allow;
        self
    }

    /// The largest memory of one session's outbox, and the policy beyond it: see [`Config::max_buffered`].
    /// Default 8 MiB and [`SlowConsumer::Disconnect`].
    pub fn max_buffered(mut self, bytes: usize, policy: SlowConsumer) -> Self {
        self.config.max_buffered = bytes;
        self.config.slow_consumer = policy;
        self
    }

    /// A message that every client receives right after the open packet (`initialPacket`). Default none.
    pub fn initial_packet(mut self, message: impl Into<Message>) -> Self {
        self.options.initial_packet = Some(message.into());
        self
    }

    /// The path of Engine.IO requests when the server is in front of other routes. Default `/engine.io`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.options.path = path.into();
        self
    }

    /// Whether the path must be followed by a slash (`addTrailingSlash`). Default true: `/engine.io/` and
    /// paths below it.
    pub fn add_trailing_slash(mut self, add: bool) -> Self {
        self.options.trailing_slash = add;
        self
    }

    /// Lets pages of other origins read responses. Default: no CORS headers are sent. CORS refuses no
    /// request; use [`origins`](Self::origins) for that.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.options.cors = Some(cors);
        self
    }

    /// Chooses the settings of [`cors`](Self::cors) for each request, in place of one setting for all (the
    /// function in the official server's `cors`). `None`: the response has no CORS headers, and a preflight
    /// is a request like others. It runs before everything else, so it should be fast.
    ///
    /// A page must get the same answer to a preflight as to the request behind it. Caches need a `Vary`
    /// header for all that the choice depends on, except the origin.
    ///
    /// ```
    /// # use engineio::Cors;
    /// let builder = engineio::Server::builder().cors_by_request(|request| {
    ///     let is_public = request.uri.query().is_some_and(|query| query.contains("public=1"));
    ///     std::future::ready(is_public.then(Cors::any))
    /// });
    /// ```
    pub fn cors_by_request<F, Fut>(mut self, choose: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Cors>> + Send + 'static,
    {
        self.options.hooks.cors = Some(Box::new(move |request| Box::pin(choose(request))));
        self
    }

    /// The pages that may send requests: an [`Origins`](crate::Origins), or an [`OriginPolicy`] with further
    /// rules. Default: all pages, as with the official server.
    ///
    /// The check covers every request, handshakes and requests of sessions alike, before middlewares and
    /// [`allow_request`](Self::allow_request). Preflights of [`cors`](Self::cors) and requests that a
    /// [`resource`](Self::resource) answers are exempt. A refused request gets code 4 with status 403, or 400
    /// if it is a WebSocket request; its session is not affected. Cost: a look at three headers per request.
    ///
    /// Pages of other origins need [`cors`](Self::cors) too: see [`Origins::cors`](crate::Origins::cors).
    pub fn origins(mut self, origins: impl Into<OriginPolicy>) -> Self {
        self.options.origins = Some(origins.into());
        self
    }

    /// Whether polls may be JSONP, which browsers without CORS need (the parameter `j`). Default `false`: a
    /// poll with `j` is refused with 400 and code 3,
    /// [`BadRequest::JsonpDisabled`](crate::BadRequest::JsonpDisabled). The official server always allows
    /// JSONP.
    ///
    /// JSONP lets every page run a response as a script of its own, which [`cors`](Self::cors) does not
    /// prevent. With [`origins`](Self::origins), only pages of the same origin may use it, or all pages with
    /// [`Origins::Any`](crate::Origins::Any), because a script tag sends no origin.
    pub fn jsonp(mut self, allow: bool) -> Self {
        self.options.jsonp = allow;
        self
    }

    /// Sets a cookie with the session id on polling handshakes, for load balancers with sticky sessions by
    /// cookie. Default none.
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.options.cookie = Some(cookie);
        self
    }

    /// The time that the body of a POST may take to arrive. Default 30 s. On expiry the request is answered
    /// with 408 and the session ends. A client of [`serve`](Server::serve) may take the same time for each 16
    /// KiB of a response; then its connection is closed. Another HTTP server has its own timeouts; bytes that
    /// the client has not taken count towards [`max_buffered`](Self::max_buffered) there too.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.options.body_timeout = timeout;
        self
    }

    /// The time that [`serve`](Server::serve) waits for the head of a request. Default 10 s. On expiry the
    /// connection is closed, after a response of 408 if the head had begun.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.options.head_timeout = timeout;
        self
    }

    /// The largest number of open sessions. Default 250,000; further handshakes are answered with 503.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.options.max_sessions = sessions;
        self
    }

    /// The largest number of open sessions per address, from the handshake on. Default unlimited, since only
    /// the application knows whether its clients come through a proxy. Further handshakes are answered with
    /// 429 and `Retry-After`. The address is that of [`PeerAddr`](crate::PeerAddr); code that forwards
    /// requests can set it to the address that a proxy reports. Requests without an address are not counted.
    pub fn max_sessions_per_address(mut self, limit: impl Into<AddressLimit>) -> Self {
        self.options.sessions_per_address = limit.into();
        self
    }

    /// The largest number of connections of [`serve`](Server::serve) that speak HTTP. Default 20,000; further
    /// connections are closed at once. WebSocket connections do not count. An idle connection costs about 1
    /// KiB.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.options.max_connections = connections;
        self
    }

    /// The largest number of these connections per address. Default 1,000, without loopback addresses;
    /// further connections are closed at once. Behind a proxy on another machine all connections have the
    /// proxy's address, which then has to be [exempt](AddressLimit::exempt).
    pub fn max_connections_per_address(mut self, limit: impl Into<AddressLimit>) -> Self {
        self.options.connections_per_address = limit.into();
        self
    }

    /// The largest memory of all outboxes together, in bytes, counted as [`Config::max_buffered`] says and
    /// reported by [`Stats::queued_bytes`](crate::Stats::queued_bytes). Default 512 MiB, which suits a
    /// machine of 2 GiB.
    ///
    /// Three quarters are available to all sessions. The rest is reserved for sessions that hold less than an
    /// equal share of it. A message beyond the budget is refused with
    /// [`SendError::ServerFull`](crate::SendError::ServerFull). A session that holds its equal share of the
    /// three quarters or more is treated as slow by the policy of [`max_buffered`](Self::max_buffered); the
    /// others stay open. Messages that are written in the same turn of the session's task in which they were
    /// queued are not counted if they have less than 64 KiB, so broadcasts to clients that keep up cost
    /// nothing here.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.options.max_queued_bytes = bytes;
        self
    }

    /// The largest memory of received data of all clients together, in bytes: incomplete WebSocket messages,
    /// bodies of POST requests, and what handlers count by
    /// [`Session::received_bytes`](crate::Session::received_bytes). Default 256 MiB;
    /// [`Stats::received_bytes`](crate::Stats::received_bytes) reports it. Up to 4 KiB of a message are not
    /// counted.
    ///
    /// Three quarters are available to all clients. The rest is reserved for clients that hold less than an
    /// equal share of it, so that a few large uploads do not lock out the others. A WebSocket beyond the
    /// limit is closed with code 1013, a POST request is refused with 503.
    pub fn max_received_bytes(mut self, bytes: usize) -> Self {
        self.options.max_received_bytes = bytes;
        self
    }

    /// The status of [`serve`](Server::serve) for requests outside the path. Default 501, as the official
    /// `listen`.
    pub fn outside_path(mut self, status: StatusCode) -> Self {
        self.options.outside = status;
        self
    }

    /// Decides on each handshake before a session exists. The client receives the text of an error with code
    /// 4; an empty text becomes "Forbidden".
    pub fn allow_request<F, Fut>(mut self, allow: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.options.hooks.allow_request = Some(Box::new(move |request| Box::pin(allow(request))));
        self
    }

    /// Answers requests below [`path`](Self::path) that are not Engine.IO's, such as for a script that pages
    /// load.
    ///
    /// The function gets the part of the path behind [`path`](Self::path) and its slash, or the whole path if
    /// a router has shortened it before. If it returns `None`, the next resource answers, and in the end
    /// Engine.IO. It runs after [`cors`](Self::cors), whose headers its responses get, and before
    /// [`origins`](Self::origins) and all middlewares, so all pages may load its responses. It is not called
    /// for WebSocket requests. Each request costs one call, which must not block; the future may wait.
    ///
    /// ```
    /// # use engineio::Body;
    /// # use http::Response;
    /// let builder = engineio::Server::builder().resource(|below, _| {
    ///     (below == "version").then_some(async { Response::new(Body::from("1.0")) })
    /// });
    /// ```
    pub fn resource<F, Fut>(mut self, resource: F) -> Self
    where
        F: Fn(&str, &Parts) -> Option<Fut> + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        self.options.hooks.resources.push(Box::new(move |below, request| {
            let answer = resource(below, request)?;
            Some(Box::pin(answer))
        }));
        self
    }

    /// Runs for every request that no [`resource`](Self::resource) answers, before Engine.IO and in the order
    /// of addition. The returned headers are added to the response; an error ends the request.
    ///
    /// A tower layer around [`Server::service`] can do the same and more. A middleware is for code that needs
    /// to know that the request is Engine.IO's.
    pub fn middleware<F, Fut>(mut self, middleware: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HeaderMap, Refusal>> + Send + 'static,
    {
        self.options.hooks.middlewares.push(Box::new(move |request| Box::pin(middleware(request))));
        self
    }

    /// Makes the ids of sessions. Ids are secrets and must be unguessable. Default: 128 random bits, in 22
    /// characters. The official server's ids have 120 bits in 20 characters; nothing depends on the length.
    pub fn generate_id<F, Fut, E>(mut self, generate: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Sid, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.options.hooks.generate_id = Some(Box::new(move |request| {
            let id = generate(request);
            Box::pin(async move { id.await.map_err(Into::into) })
        }));
        self
    }

    /// Adds headers to the first response of each session (`initial_headers`).
    pub fn on_initial_headers(
        mut self,
        hook: impl Fn(&Parts, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.options.hooks.initial_headers = Some(Box::new(hook));
        self
    }

    /// Adds headers to every response of a session (`headers`).
    pub fn on_headers(mut self, hook: impl Fn(&Parts, &mut HeaderMap) + Send + Sync + 'static) -> Self {
        self.options.hooks.headers = Some(Box::new(hook));
        self
    }

    /// Runs for every refused request (`connection_error`).
    pub fn on_connection_error(
        mut self,
        hook: impl Fn(&Parts, &RequestError) + Send + Sync + 'static,
    ) -> Self {
        self.options.hooks.connection_error = Some(Box::new(hook));
        self
    }

    /// Observes all sessions: their packets, heartbeats, upgrades and ends. Several observers are called in the order
    /// of these calls. Unlike a [`Handler`](crate::Handler), they do not belong to one session, and a server of a
    /// protocol on top, such as Socket.IO, can have one too. Cost: a call for each event; nothing without an observer.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.options.observer = Some(Observing::with(self.options.observer.take(), observer));
        self
    }

    /// Builds the server. `accept` makes the handler of each session: a closure from `&Session`.
    pub fn build(self, accept: impl Accept) -> Result<Server, ConfigError> {
        self.config.validate()?;
        if !self.options.path.starts_with('/') {
            return Err(ConfigError::Path(self.options.path));
        }
        #[cfg(feature = "peers")]
        self.options.peer_settings.validate()?;
        let shared = Arc::new(Shared::new(self.config, self.options, Box::new(accept)));
        #[cfg(feature = "peers")]
        peers::open(&shared);
        Ok(Server::from_shared(shared))
    }
}

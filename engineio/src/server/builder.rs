//! Setting a server up.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use super::address_limit::AddressLimit;
use super::body::Body;
use super::compression::Compression;
use super::cookie::Cookie;
use super::cors::Cors;
use super::handler::Accept;
use super::hooks::{Hooks, Refusal};
use super::http_server::{MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS};
use super::origin_policy::OriginPolicy;
use super::request_error::RequestError;
use super::{Server, Shared};
use crate::config::{Config, SlowConsumer, Transport};
use crate::error::ConfigError;
use crate::packet::Message;
use crate::sid::Sid;

/// What a server is, apart from its sessions' [`Config`].
#[derive(Debug)]
pub(super) struct Options {
    pub(super) path: String,
    pub(super) trailing_slash: bool,
    pub(super) cors: Option<Cors>,
    pub(super) origins: Option<OriginPolicy>,
    pub(super) jsonp: bool,
    pub(super) cookie: Option<Cookie>,
    pub(super) compression: Option<Compression>,
    pub(super) initial_packet: Option<Message>,
    pub(super) body_timeout: Duration,
    pub(super) head_timeout: Duration,
    pub(super) max_sessions: usize,
    pub(super) sessions_per_address: AddressLimit,
    pub(super) max_connections: usize,
    pub(super) connections_per_address: AddressLimit,
    pub(super) max_queued_bytes: usize,
    pub(super) outside: StatusCode,
    pub(super) hooks: Hooks,
}

/// Collects the settings of a [`Server`]. Each has the official server's default, but for [`jsonp`](Self::jsonp).
#[derive(Debug)]
#[must_use]
pub struct ServerBuilder {
    config: Config,
    options: Options,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            options: Options {
                path: "/engine.io".to_owned(),
                trailing_slash: true,
                cors: None,
                origins: None,
                jsonp: false,
                cookie: None,
                compression: Some(Compression::new()),
                initial_packet: None,
                body_timeout: Duration::from_secs(30),
                head_timeout: Duration::from_secs(10),
                max_sessions: 250_000,
                sessions_per_address: AddressLimit::unlimited(),
                max_connections: MAX_CONNECTIONS,
                connections_per_address: MAX_CONNECTIONS_PER_ADDRESS.into(),
                max_queued_bytes: 512 << 20,
                outside: StatusCode::NOT_IMPLEMENTED,
                hooks: Hooks::default(),
            },
        }
    }
}

impl ServerBuilder {
    /// Replaces all settings of sessions at once; the methods below change single ones.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
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

    /// The largest message in bytes on either transport (`maxHttpBufferSize`), see [`Config::max_payload`].
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

    /// How many bytes may wait for one client, and what happens beyond that: see [`Config::max_buffered`].
    /// Default 8 MiB and [`SlowConsumer::Disconnect`].
    pub fn max_buffered(mut self, bytes: usize, policy: SlowConsumer) -> Self {
        self.config.max_buffered = bytes;
        self.config.slow_consumer = policy;
        self
    }

    /// A message that every client gets right after the open packet (`initialPacket`). Default none.
    pub fn initial_packet(mut self, message: impl Into<Message>) -> Self {
        self.options.initial_packet = Some(message.into());
        self
    }

    /// Which requests are ours when the server stands in front of other routes. Default `/engine.io`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.options.path = path.into();
        self
    }

    /// Whether the path must be followed by a slash (`addTrailingSlash`). Default true: `/engine.io/` and below.
    pub fn add_trailing_slash(mut self, add: bool) -> Self {
        self.options.trailing_slash = add;
        self
    }

    /// Lets pages of other origins read answers. Default: no CORS headers are sent. It refuses nobody; that is
    /// [`origins`](Self::origins).
    pub fn cors(mut self, cors: Cors) -> Self {
        self.options.cors = Some(cors);
        self
    }

    /// Whose pages may send requests: an [`Origins`](crate::Origins), or an [`OriginPolicy`] with further rules. Default:
    /// all, as with the official server.
    ///
    /// Every request is checked, handshakes and those of sessions alike, before middlewares and
    /// [`allow_request`](Self::allow_request); only preflights of [`cors`](Self::cors) and requests that a
    /// [`resource`](Self::resource) answers are not. A refused request is answered with code 4, by 403 or, if it wants a
    /// WebSocket, by 400; its session does not notice. Costs a look at three headers per request.
    ///
    /// Pages of other origins need [`cors`](Self::cors) too: see [`Origins::cors`](crate::Origins::cors).
    pub fn origins(mut self, origins: impl Into<OriginPolicy>) -> Self {
        self.options.origins = Some(origins.into());
        self
    }

    /// Whether polls may be JSONP, which browsers without CORS need (the parameter `j`). Default `false`: a poll with `j` is
    /// refused with 400 and code 3, [`BadRequest::JsonpDisabled`](crate::BadRequest::JsonpDisabled). The official server
    /// always allows it.
    ///
    /// JSONP lets every page run an answer as a script of its own, which [`cors`](Self::cors) does not prevent. With
    /// [`origins`](Self::origins) only pages of the same origin may use it, or all with
    /// [`Origins::Any`](crate::Origins::Any): a script tag names no origin.
    pub fn jsonp(mut self, allow: bool) -> Self {
        self.options.jsonp = allow;
        self
    }

    /// Sets a cookie with the session id on polling handshakes, for load balancers that stick by cookie. Default
    /// none.
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.options.cookie = Some(cookie);
        self
    }

    /// Compresses polling answers for clients that accept it (`httpCompression`). Default from 1024 bytes on;
    /// `None` turns it off. Costs CPU on the answering task, and needs the feature `compression`.
    pub fn http_compression(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.options.compression = compression.into();
        self
    }

    /// How long the body of a POST may take to arrive. Default 30 s; then the request is answered with 408 and the
    /// session ends. For as long, a client of [`serve`](Server::serve) may take over each 16 KiB of an answer; then its
    /// connection is closed. Behind another HTTP server that is the other server's business; what the client has not
    /// taken counts towards [`max_buffered`](Self::max_buffered) there too.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.options.body_timeout = timeout;
        self
    }

    /// How long [`serve`](Server::serve) waits for the head of a request. Default 10 s; then the connection is closed,
    /// after an answer of 408 if the head had begun.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.options.head_timeout = timeout;
        self
    }

    /// How many sessions may be open at once. Default 250,000; further handshakes are answered with 503.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.options.max_sessions = sessions;
        self
    }

    /// How many sessions each address may have at once, from the handshake on. Default any number, since only the
    /// application knows whether its clients come through a proxy; further handshakes are answered with 429 and
    /// `Retry-After`. The address is that of [`PeerAddr`](crate::PeerAddr), which whoever passes requests on can set to what
    /// a proxy says; without one nothing is counted.
    pub fn max_sessions_per_address(mut self, limit: impl Into<AddressLimit>) -> Self {
        self.options.sessions_per_address = limit.into();
        self
    }

    /// How many connections of [`serve`](Server::serve) may speak HTTP at once. Default 20,000; further ones are closed at
    /// once. Those that became WebSockets do not count. An idle one costs about 1 KiB.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.options.max_connections = connections;
        self
    }

    /// How many of these connections each address may have at once. Default 1,000, which does not count loopback
    /// addresses; further ones are closed at once. Behind a proxy on another machine all connections have the proxy's
    /// address, which then has to be [exempt](AddressLimit::exempt).
    pub fn max_connections_per_address(mut self, limit: impl Into<AddressLimit>) -> Self {
        self.options.connections_per_address = limit.into();
        self
    }

    /// How many bytes of memory may wait for all clients together, counted as [`Config::max_buffered`] says and shown by
    /// [`Stats::queued_bytes`](crate::Stats::queued_bytes). Default 512 MiB, which is for a machine of 2 GiB.
    ///
    /// Three quarters are for whoever needs them; the rest is for sessions for which less than an equal share of it waits.
    /// What is sent beyond that is refused with [`SendError::ServerFull`](crate::SendError::ServerFull). A session that has
    /// its equal share of the three quarters or more is treated as slow by the policy of
    /// [`max_buffered`](Self::max_buffered), the others go on. What leaves in the turn of its session's task that it came in
    /// is not counted if it is less than 64 KiB, so broadcasts to many who take them cost nothing here.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.options.max_queued_bytes = bytes;
        self
    }

    /// What [`serve`](Server::serve) answers to requests outside the path. Default 501, as the official `listen`.
    pub fn outside_path(mut self, status: StatusCode) -> Self {
        self.options.outside = status;
        self
    }

    /// Decides on each handshake, before a session exists. The text of an error reaches the client with code 4;
    /// an empty one reads "Forbidden".
    pub fn allow_request<F, Fut>(mut self, allow: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.options.hooks.allow_request = Some(Box::new(move |request| Box::pin(allow(request))));
        self
    }

    /// Answers requests below [`path`](Self::path) that are not Engine.IO's: for a script that pages load, say.
    ///
    /// It is given what follows the path and its slash, or the whole of a path that a router has shortened before; to
    /// what it returns `None` for, the next resource and in the end Engine.IO answers. It is asked after
    /// [`cors`](Self::cors), whose headers its answers get, and before [`origins`](Self::origins) and any middleware, so
    /// that all pages may load what it answers; never about requests that want a WebSocket. Each request pays for one call, which must not block; the future may take its time.
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

    /// Looks at every request that no [`resource`](Self::resource) answers, in the order in which middlewares were
    /// added, before Engine.IO does. The headers it returns are added to the answer; an error ends the request.
    ///
    /// A tower layer around [`Server::service`] can do all this and more; this is the place for what has to know
    /// that the request is Engine.IO's.
    pub fn middleware<F, Fut>(mut self, middleware: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HeaderMap, Refusal>> + Send + 'static,
    {
        self.options.hooks.middlewares.push(Box::new(move |request| Box::pin(middleware(request))));
        self
    }

    /// Makes the ids of sessions. They are secrets and have to be unguessable. Default: 128 random bits.
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

    /// Adds headers to the first answer of each session (`initial_headers`).
    pub fn on_initial_headers(
        mut self,
        hook: impl Fn(&Parts, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.options.hooks.initial_headers = Some(Box::new(hook));
        self
    }

    /// Adds headers to every answer of a session (`headers`).
    pub fn on_headers(mut self, hook: impl Fn(&Parts, &mut HeaderMap) + Send + Sync + 'static) -> Self {
        self.options.hooks.headers = Some(Box::new(hook));
        self
    }

    /// Is told of every refused request (`connection_error`).
    pub fn on_connection_error(
        mut self,
        hook: impl Fn(&Parts, &RequestError) + Send + Sync + 'static,
    ) -> Self {
        self.options.hooks.connection_error = Some(Box::new(hook));
        self
    }

    /// The server. `accept` makes the handler of each session: a closure from `&Session`.
    pub fn build(self, accept: impl Accept) -> Result<Server, ConfigError> {
        self.config.validate()?;
        if !self.options.path.starts_with('/') {
            return Err(ConfigError::Path(self.options.path));
        }
        Ok(Server::from_shared(Arc::new(Shared::new(self.config, self.options, Box::new(accept)))))
    }
}

//! An HTTP server for an application's routes, those of Engine.IO among them.

use std::future::{Future, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::address_limit::{AddressLimit, Place};
use super::connection::{self, Answering, Deadlines};
use super::reserve::{ACCEPT_PAUSE, Descriptors, Reserve, is_out_of_descriptors};
use super::routes::Routes;
use super::stats::{Count, Gauge};
use crate::net::Io;

/// How long a connection may take that a reserved descriptor was used for.
const RESERVED_TIME: Duration = Duration::from_secs(2);

/// How many connections may be in a handshake or speak HTTP at once, if nobody says otherwise.
pub(super) const MAX_CONNECTIONS: usize = 20_000;
/// And of each address.
pub(super) const MAX_CONNECTIONS_PER_ADDRESS: usize = 1_000;

type FailureHook = Arc<dyn Fn(&ConnectionFailure) + Send + Sync>;
type DescriptorsHook = Arc<dyn Fn(Descriptors) + Send + Sync>;

/// An HTTP/1.1 server for applications that have routes beside Engine.IO's.
///
/// It is the server behind [`Server::serve`](super::Server::serve), with the same limits and a deadline for each wait on
/// a client: for the TLS handshake, for the head of a request, for each 16 KiB of a body, for each 16 KiB of an answer.
/// Clones are the same server.
///
/// ```no_run
/// use engineio::{Body, HttpServer, RequestBody, Routes, Server};
/// use http::{Request, Response};
///
/// # async fn run(engine: Server, listener: tokio::net::TcpListener, stop: impl Future<Output = ()>) {
/// let routes = Routes::new(move |request: Request<RequestBody>| {
///     let engine = engine.clone();
///     async move {
///         if engine.matches(request.uri().path()) {
///             return engine.handle(request).await;
///         }
///         Response::new(Body::from("hello"))
///     }
/// });
/// HttpServer::new(routes).max_connections(10_000).serve(&listener, stop).await;
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a server does nothing before it serves"]
pub struct HttpServer {
    routes: Routes,
    deadlines: Deadlines,
    handshake_timeout: Duration,
    shutdown_timeout: Duration,
    max_connections: usize,
    per_address: AddressLimit,
    open: Count,
    reserve: usize,
    /// What answers where a reserved descriptor was used.
    reserved: Option<Routes>,
    on_failure: Option<FailureHook>,
    on_descriptors: Option<DescriptorsHook>,
}

/// How many connections a server has. Clones count the same server's.
#[derive(Clone, Debug)]
pub struct ConnectionCount(Count);

impl ConnectionCount {
    /// How many there are now.
    pub fn now(&self) -> usize {
        self.0.now()
    }
}

/// Why a connection was not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionFailure {
    /// The operating system did not hand it over. Mostly the process is out of file descriptors.
    #[error("a connection was not accepted")]
    Accept(#[source] io::Error),
    /// [`HttpServer::max_connections`] are open.
    #[error("as many connections are open as may be")]
    TooMany,
    /// This address has as many connections as [`HttpServer::max_connections_per_address`] says.
    #[error("{0} has as many connections as an address may have")]
    TooManyOfAddress(IpAddr),
    /// The TLS handshake failed, or what else is done before HTTP.
    #[error("the handshake failed")]
    Handshake(#[source] io::Error),
    /// The TLS handshake took longer than [`HttpServer::handshake_timeout`].
    #[error("the handshake took too long")]
    HandshakeTimeout,
}

impl ConnectionFailure {
    /// Whether the process has as many files and sockets open as it may.
    pub fn is_out_of_descriptors(&self) -> bool {
        matches!(self, Self::Accept(error) if is_out_of_descriptors(error))
    }
}

impl HttpServer {
    /// A server that answers every request by `routes`.
    pub fn new(routes: Routes) -> Self {
        Self {
            routes,
            deadlines: Deadlines { head: Duration::from_secs(10), body: Duration::from_secs(30) },
            handshake_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            max_connections: MAX_CONNECTIONS,
            per_address: MAX_CONNECTIONS_PER_ADDRESS.into(),
            open: Count::default(),
            reserve: 0,
            reserved: None,
            on_failure: None,
            on_descriptors: None,
        }
    }

    /// How long the head of a request may take, and a connection may be idle. Default 10 s.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.deadlines.head = timeout;
        self
    }

    /// How long each 16 KiB of a request's body may take to arrive, and each 16 KiB of an answer to be taken. Default
    /// 30 s; then the connection is closed.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.deadlines.body = timeout;
        self
    }

    /// How long what is done with a connection before HTTP may take: see [`serve_with`](Self::serve_with). Default 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long the answers that are under way at the end may take. Default 10 s; then they are cut off.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// How many connections may be in a handshake or speak HTTP at once. Default 20,000; further ones are closed at once.
    /// Those that became WebSockets do not count. An idle one costs about 1 KiB, with TLS about 10 KiB.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// How many of these connections each address may have at once. Default 1,000, which does not count loopback
    /// addresses; further ones are closed at once.
    ///
    /// Behind a proxy on another machine all connections have the proxy's address, which then has to be
    /// [exempt](AddressLimit::exempt).
    pub fn max_connections_per_address(mut self, limit: impl Into<AddressLimit>) -> Self {
        self.per_address = limit.into();
        self
    }

    /// Keeps file descriptors back, for when the process has no others left. Default none: then clients wait until
    /// there are some.
    ///
    /// With a reserve, connections are accepted even then, as many at a time as the reserve has descriptors. Each has two
    /// seconds for one request, and `routes` answers it: it should open nothing. Costs these descriptors for each listener.
    pub fn reserve(mut self, descriptors: usize, routes: Routes) -> Self {
        self.reserve = descriptors;
        self.reserved = Some(routes.mapped(|headers| {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }));
        self
    }

    /// Is told once that file descriptors have run out, and once when there are some again. It must not block.
    /// [`on_failure`](Self::on_failure) is told of each connection meanwhile. Needs a [`reserve`](Self::reserve).
    pub fn on_descriptors(mut self, hook: impl Fn(Descriptors) + Send + Sync + 'static) -> Self {
        self.on_descriptors = Some(Arc::new(hook));
        self
    }

    /// Is told of connections that are not served. It must not block.
    pub fn on_failure(mut self, hook: impl Fn(&ConnectionFailure) + Send + Sync + 'static) -> Self {
        self.on_failure = Some(Arc::new(hook));
        self
    }

    /// How many connections are in a handshake or speak HTTP: a counter that goes on when the server is dropped.
    pub fn connections(&self) -> ConnectionCount {
        ConnectionCount(self.open.clone())
    }

    /// Serves the connections of a listener until `end` resolves. A request that is being answered then is answered.
    pub async fn serve(&self, listener: &TcpListener, end: impl Future<Output = ()>) {
        self.serve_with(listener, |stream, _| ready(Ok(stream)), end).await;
    }

    /// The same for connections that something is done with before HTTP: `handshake` makes of a TCP stream what speaks
    /// HTTP, a TLS stream for example.
    pub async fn serve_with<H, F, S>(
        &self,
        listener: &TcpListener,
        handshake: H,
        end: impl Future<Output = ()>,
    ) where
        H: Fn(TcpStream, SocketAddr) -> F,
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (ending, ended) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut reserve = Reserve::new(listener, self.reserve);
        let mut end = pin!(end);
        loop {
            if reserve.recover() {
                self.tell(Descriptors::Back);
            }
            tokio::select! {
                () = &mut end => break,
                Some(_) = connections.join_next() => {}
                () = reserve.pause() => {}
                accepted = listener.accept() => {
                    let ((stream, peer), reserved) = match accepted {
                        Ok(accepted) => (accepted, None),
                        Err(error) => {
                            let Some((accepted, routes)) = self.accept_reserved(error, &mut reserve).await else {
                                tokio::time::sleep(ACCEPT_PAUSE).await;
                                continue;
                            };
                            (accepted, Some(routes))
                        }
                    };
                    let Some(places) = self.places(peer) else { continue };
                    // Answers are written whole; waiting to fill a segment would only delay them. A socket that
                    // refuses still works.
                    let _ = stream.set_nodelay(true);
                    let is_reserved = reserved.is_some();
                    let routes = reserved.unwrap_or_else(|| self.routes.clone());
                    let handshake = handshake(stream, peer);
                    let serving = self.clone().connection(handshake, peer, routes, places, ended.clone());
                    if is_reserved {
                        connections.spawn(async move {
                            let _ = tokio::time::timeout(RESERVED_TIME, serving).await;
                        });
                    } else {
                        connections.spawn(serving);
                    }
                }
            }
        }
        drop(reserve);
        ending.send_replace(true);
        let answers = async { while connections.join_next().await.is_some() {} };
        // What is left is cut off as the set is dropped.
        let _ = tokio::time::timeout(self.shutdown_timeout, answers).await;
    }

    /// Accepts with a reserved descriptor what could not be accepted otherwise, and says how it is answered.
    async fn accept_reserved(
        &self,
        error: io::Error,
        reserve: &mut Reserve<'_>,
    ) -> Option<((TcpStream, SocketAddr), Routes)> {
        // One connection's failure, or too many open files: the listener itself is still good.
        let Some(routes) = self.reserved.clone().filter(|_| is_out_of_descriptors(&error)) else {
            self.fail(&ConnectionFailure::Accept(error));
            return None;
        };
        if reserve.note_ran_out() {
            self.tell(Descriptors::RanOut);
        }
        // Without a descriptor the system does not say whether a client waits at all.
        let accepted = reserve.accept().await?;
        self.fail(&ConnectionFailure::Accept(error));
        Some((accepted, routes))
    }

    /// The places that a connection of this peer takes. `None` if there are none.
    fn places(&self, peer: SocketAddr) -> Option<(Gauge, Place)> {
        if self.open.now() >= self.max_connections {
            self.fail(&ConnectionFailure::TooMany);
            return None;
        }
        let Some(place) = self.per_address.enter(peer.ip()) else {
            self.fail(&ConnectionFailure::TooManyOfAddress(peer.ip().to_canonical()));
            return None;
        };
        Some((self.open.enter(), place))
    }

    async fn connection<F, S>(
        self,
        handshake: F,
        peer: SocketAddr,
        routes: Routes,
        places: (Gauge, Place),
        mut ended: watch::Receiver<bool>,
    ) where
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = match tokio::time::timeout(self.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.fail(&ConnectionFailure::Handshake(error)),
            Err(_) => return self.fail(&ConnectionFailure::HandshakeTimeout),
        };
        let end = async {
            // The sender goes with the server, which is its end too.
            let _ = ended.wait_for(|ended| *ended).await;
        };
        connection::run(Answering::Routes(routes), self.deadlines, Io::new(stream), peer, end).await;
        drop(places);
    }

    fn tell(&self, descriptors: Descriptors) {
        if let Some(hook) = &self.on_descriptors {
            hook(descriptors);
        }
    }

    fn fail(&self, failure: &ConnectionFailure) {
        if let Some(hook) = &self.on_failure {
            hook(failure);
        }
    }
}

impl std::fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpServer")
            .field("deadlines", &self.deadlines)
            .field("max_connections", &self.max_connections)
            .field("max_connections_per_address", &self.per_address)
            .finish_non_exhaustive()
    }
}

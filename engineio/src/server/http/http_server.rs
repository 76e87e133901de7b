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

use super::address_limit::{AddressLimit, CountedAddress};
use super::connection::{self, Deadlines};
use super::reserve::{ACCEPT_PAUSE, Descriptors, Reserve, is_out_of_descriptors};
use super::routes::Routes;
use crate::io::Io;
use crate::server::metrics::stats::{Count, Gauge};

/// The longest life of a connection that uses a reserved descriptor.
const RESERVED_TIME: Duration = Duration::from_secs(2);

/// The default limit on connections in a handshake or on HTTP.
pub(crate) const MAX_CONNECTIONS: usize = 20_000;
/// The default limit on these connections per address.
pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: usize = 1_000;

type FailureHook = Arc<dyn Fn(&ConnectionFailure) + Send + Sync>;
type DescriptorsHook = Arc<dyn Fn(Descriptors) + Send + Sync>;

/// An HTTP/1.1 server for applications with other routes than Engine.IO's.
///
/// [`Server::serve`](crate::Server::serve) uses the same server, with the same limits. Each wait for a client
/// has a deadline: for the TLS handshake, for the head of a request, for each 16 KiB of a body, for each 16
/// KiB of a response. Clones are the same server.
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
    accepting: Accepting,
    reserve: usize,
    /// The routes of connections on a reserved descriptor.
    reserved: Option<Routes>,
    on_failure: Option<FailureHook>,
    on_descriptors: Option<DescriptorsHook>,
}

/// The number of open connections of a server. Clones count the same server.
#[derive(Clone, Debug)]
pub struct ConnectionCount(Count);

impl ConnectionCount {
    /// The current number.
    pub fn now(&self) -> usize {
        self.0.now()
    }
}

/// Whether a server accepts connections. Clones are of the same server.
#[derive(Clone, Debug)]
pub struct Accepting(Arc<watch::Sender<bool>>);

impl Accepting {
    /// The server accepts no further connections. Open ones are served as before, until the end. For a listener that
    /// another process has too, and goes on with: nothing else takes connections that wait.
    pub fn stop(&self) {
        self.0.send_replace(false);
    }

    /// Whether [`stop`](Self::stop) was not called yet.
    pub fn now(&self) -> bool {
        *self.0.borrow()
    }

    async fn stopped(&self) {
        // It does not fail: the sender is in `self`.
        let _ = self.0.subscribe().wait_for(|accepting| !accepting).await;
    }
}

impl Default for Accepting {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }
}

/// The reason why a connection was not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionFailure {
    /// The operating system returned an error. Usually the process is out of file descriptors.
    #[error("a connection was not accepted")]
    Accept(#[source] io::Error),
    /// [`HttpServer::max_connections`] is reached.
    #[error("as many connections are open as may be")]
    TooMany,
    /// This address has as many connections as [`HttpServer::max_connections_per_address`] allows.
    #[error("{0} has as many connections as an address may have")]
    TooManyOfAddress(IpAddr),
    /// The TLS handshake failed, or another step before HTTP.
    #[error("the handshake failed")]
    Handshake(#[source] io::Error),
    /// The TLS handshake took longer than [`HttpServer::handshake_timeout`].
    #[error("the handshake took too long")]
    HandshakeTimeout,
}

impl ConnectionFailure {
    /// Whether the process has reached its limit of open files and sockets.
    pub fn is_out_of_descriptors(&self) -> bool {
        matches!(self, Self::Accept(error) if is_out_of_descriptors(error))
    }
}

impl HttpServer {
    /// A server that answers every request with `routes`.
    pub fn new(routes: Routes) -> Self {
        Self {
            routes,
            deadlines: Deadlines { head: Duration::from_secs(10), body: Duration::from_secs(30) },
            handshake_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            max_connections: MAX_CONNECTIONS,
            per_address: MAX_CONNECTIONS_PER_ADDRESS.into(),
            open: Count::default(),
            accepting: Accepting::default(),
            reserve: 0,
            reserved: None,
            on_failure: None,
            on_descriptors: None,
        }
    }

    /// The time that the head of a request may take, and that a connection may be idle. Default 10 s.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.deadlines.head = timeout;
        self
    }

    /// The time that each 16 KiB of a request's body may take to arrive, and that the client may take to read
    /// each 16 KiB of a response. Default 30 s; then the connection is closed.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.deadlines.body = timeout;
        self
    }

    /// The time that the handshake before HTTP may take: see [`serve_with`](Self::serve_with). Default 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// The time that responses in progress may take at the shutdown. Default 10 s; then they are cut off.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// The largest number of connections in a handshake or on HTTP. Default 20,000; further connections are
    /// closed at once. WebSocket connections do not count. An idle connection costs about 1 KiB, with TLS
    /// about 10 KiB.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// The largest number of these connections per address. Default 1,000, without loopback addresses;
    /// further connections are closed at once.
    ///
    /// Behind a proxy on another machine all connections have the proxy's address, which then has to be
    /// [exempt](AddressLimit::exempt).
    pub fn max_connections_per_address(mut self, limit: impl Into<AddressLimit>) -> Self {
        self.per_address = limit.into();
        self
    }

    /// Reserves file descriptors for times when the process has none left. Default none: clients then wait
    /// until some are free.
    ///
    /// With a reserve, connections are accepted even then, as many at a time as the reserve has descriptors.
    /// Each connection has two seconds for one request, which `routes` answers; `routes` should open no files
    /// or sockets. Cost: these descriptors, for each listener.
    pub fn reserve(mut self, descriptors: usize, routes: Routes) -> Self {
        self.reserve = descriptors;
        self.reserved = Some(routes.mapped(|headers| {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }));
        self
    }

    /// Runs once when file descriptors have run out, and once when some are free again. It must not block.
    /// [`on_failure`](Self::on_failure) runs for each connection meanwhile. Needs a
    /// [`reserve`](Self::reserve).
    pub fn on_descriptors(mut self, hook: impl Fn(Descriptors) + Send + Sync + 'static) -> Self {
        self.on_descriptors = Some(Arc::new(hook));
        self
    }

    /// Runs for each connection that is not served. It must not block.
    pub fn on_failure(mut self, hook: impl Fn(&ConnectionFailure) + Send + Sync + 'static) -> Self {
        self.on_failure = Some(Arc::new(hook));
        self
    }

    /// The number of connections in a handshake or on HTTP. The counter stays valid after the server is
    /// dropped.
    pub fn connections(&self) -> ConnectionCount {
        ConnectionCount(self.open.clone())
    }

    /// A handle that stops the acceptance of connections. It stays valid after the server is dropped.
    pub fn accepting(&self) -> Accepting {
        self.accepting.clone()
    }

    /// Serves the connections of a listener until `end` resolves. Requests in progress are still answered
    /// then.
    pub async fn serve(&self, listener: &TcpListener, end: impl Future<Output = ()>) {
        self.serve_with(listener, |stream, _| ready(Ok(stream)), end).await;
    }

    /// As [`serve`](Self::serve), for connections with a handshake before HTTP: `handshake` turns a TCP
    /// stream into the stream that carries HTTP, such as a TLS stream.
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
        let mut stopped = pin!(self.accepting.stopped());
        let mut accepting = true;
        loop {
            if reserve.recover() {
                self.tell(Descriptors::Back);
            }
            tokio::select! {
                () = &mut end => break,
                Some(_) = connections.join_next() => {}
                () = reserve.pause() => {}
                () = &mut stopped, if accepting => accepting = false,
                accepted = listener.accept(), if accepting => {
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
                    let Some(counted) = self.admit(peer) else { continue };
                    // Responses are written whole, so Nagle's algorithm would only delay them. A socket that
                    // refuses the option still works.
                    let _ = stream.set_nodelay(true);
                    let is_reserved = reserved.is_some();
                    let routes = reserved.unwrap_or_else(|| self.routes.clone());
                    let handshake = handshake(stream, peer);
                    let serving = self.clone().connection(handshake, peer, routes, counted, ended.clone());
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
        // Dropping the set cuts off the remaining responses.
        let _ = tokio::time::timeout(self.shutdown_timeout, answers).await;
    }

    /// Accepts a connection with a reserved descriptor after a failed accept, and returns the routes that
    /// answer it.
    async fn accept_reserved(
        &self,
        error: io::Error,
        reserve: &mut Reserve<'_>,
    ) -> Option<((TcpStream, SocketAddr), Routes)> {
        // The failure of one connection, or a lack of file descriptors: the listener itself stays valid.
        let Some(routes) = self.reserved.clone().filter(|_| is_out_of_descriptors(&error)) else {
            self.fail(&ConnectionFailure::Accept(error));
            return None;
        };
        if reserve.note_ran_out() {
            self.tell(Descriptors::RanOut);
        }
        // Without a descriptor the system does not report whether a client waits.
        let accepted = reserve.accept().await?;
        self.fail(&ConnectionFailure::Accept(error));
        Some((accepted, routes))
    }

    /// Counts a connection of this peer. `None` if a limit is reached.
    fn admit(&self, peer: SocketAddr) -> Option<(Gauge, CountedAddress)> {
        if self.open.now() >= self.max_connections {
            self.fail(&ConnectionFailure::TooMany);
            return None;
        }
        let Some(address) = self.per_address.enter(peer.ip()) else {
            self.fail(&ConnectionFailure::TooManyOfAddress(peer.ip().to_canonical()));
            return None;
        };
        Some((self.open.enter(), address))
    }

    async fn connection<F, S>(
        self,
        handshake: F,
        peer: SocketAddr,
        routes: Routes,
        counted: (Gauge, CountedAddress),
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
            // The sender is dropped with the server, which ends the wait too.
            let _ = ended.wait_for(|ended| *ended).await;
        };
        connection::run(routes, self.deadlines, Io::new(stream), peer, end).await;
        drop(counted);
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

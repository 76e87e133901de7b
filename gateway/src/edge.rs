//! The edge: connections come in, and each request goes to whom it is for.
//!
//! What lies below the path of Socket.IO is Socket.IO's, any other request that wants a WebSocket gets the native
//! protocol, and the rest is HTTP.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::{ConnectionFailure, HttpServer, PeerAddr, Query, RequestBody, Routes};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body;
use tokio::net::TcpListener;

use crate::answer::{self, Answer};
use crate::door::Door;
use crate::gateway::Gateway;
use crate::log_limit::LogLimiter;
use crate::{http as web, native};

/// How long the answers may take that are under way at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

impl Gateway {
    /// Serves the connections of a listener until the gateway is [drained](Self::drain), by TLS if the settings name a
    /// certificate.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.accept_clients(&listener, Door::Public).await;
        Ok(())
    }

    /// The same on a port that is for clients alone: both protocols, and to whatever else is asked there what this is
    /// and how it is. There is no API, no page and no metrics.
    pub async fn serve_clients(&self, listener: TcpListener) -> io::Result<()> {
        self.accept_clients(&listener, Door::Clients).await;
        Ok(())
    }

    /// Answers a request below `server.path` as the gateway's own ports do, with the same checks of origins and the same
    /// limits: for programs that have a port of their own. `peer` is whose connection it is.
    pub async fn socketio<B: Body>(&self, mut request: Request<B>, peer: SocketAddr) -> Answer {
        // Requests with a session id, and those that only ask what they may do, open nothing.
        let is_handshake = request.method() == Method::GET && Query::from(request.uri()).opens_session();
        let answer = match admit(self, request.headers(), peer, is_handshake) {
            Ok(client) => {
                request.extensions_mut().insert(PeerAddr(client));
                self.io().engine().handle(request).await
            }
            Err(refused) => *refused,
        };
        if is_handshake {
            self.tallies().handshakes.add("socketio", answer.status());
        }
        answer
    }

    async fn accept_clients(&self, listener: &TcpListener, door: Door) {
        match self.tls() {
            Some(tls) => {
                let watched = Arc::clone(tls).watch();
                tokio::select! {
                    () = self.accept(listener, door) => {}
                    () = watched => {}
                }
            }
            None => self.accept(listener, door).await,
        }
    }

    /// Serves a port of its own for operators: metrics, health and API, without TLS. There are no clients here, so it
    /// is there until the last of them is gone.
    ///
    /// With `internal.allow_without_key` the listener has to be on a loopback address; otherwise this is an error.
    pub async fn serve_internal(&self, listener: TcpListener) -> io::Result<()> {
        if self.config().internal.allow_without_key && !listener.local_addr()?.ip().is_loopback() {
            let message = "internal.allow_without_key needs a loopback address";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.accept(&listener, Door::Internal).await;
        Ok(())
    }

    async fn accept(&self, listener: &TcpListener, door: Door) {
        let server = self.http_server(door);
        self.add_port(server.connections());
        let tls = self.tls().filter(|_| door != Door::Internal).map(Arc::clone);
        match tls {
            Some(tls) => {
                let handshake = |stream, _| {
                    let acceptor = tls.acceptor().clone();
                    async move { acceptor.accept(stream).await }
                };
                server.serve_with(listener, handshake, self.closed()).await;
            }
            None => server.serve(listener, self.closed()).await,
        }
    }

    fn http_server(&self, door: Door) -> HttpServer {
        let gateway = self.clone();
        let routes = Routes::new(move |request: Request<RequestBody>| {
            let gateway = gateway.clone();
            async move { respond(&gateway, request, door).await }
        });
        let gateway = self.clone();
        let log = LogLimiter::default();
        let config = self.config();
        HttpServer::new(routes)
            .body_timeout(Duration::from_millis(config.transport.body_timeout_ms))
            .max_connections(config.server.max_connections)
            .shutdown_timeout(LAST_ANSWERS)
            .on_failure(move |failure| match failure {
                // Whoever looks what is on this port fails in the handshake, too.
                ConnectionFailure::Handshake(error) => {
                    gateway.tallies().tls_failures.add();
                    tracing::debug!(%error, "TLS");
                }
                ConnectionFailure::HandshakeTimeout => gateway.tallies().tls_failures.add(),
                ConnectionFailure::TooMany => {
                    gateway.tallies().excess.add("server_connections");
                    warn(&log, failure);
                }
                failure => warn(&log, failure),
            })
    }
}

/// Logs why connections are refused. A line for each would fill the log.
fn warn(log: &LogLimiter, failure: &ConnectionFailure) {
    if let Some(suppressed) = log.admits("accept", Instant::now()) {
        let source = failure.source().map(tracing::field::display);
        tracing::warn!(error = %failure, source, suppressed, "connections are refused");
    }
}

async fn respond(gateway: &Gateway, request: Request<RequestBody>, door: Door) -> Answer {
    let Some(PeerAddr(peer)) = request.extensions().get::<PeerAddr>().copied() else {
        return answer::failure(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the peer is not known");
    };
    if door == Door::Internal {
        return web::respond(gateway, request, door).await;
    }
    let engine = gateway.io().engine();
    if engine.matches(request.uri().path()) {
        return gateway.socketio(request, peer).await;
    }
    if wants_websocket(request.headers()) {
        let answer = match admit(gateway, request.headers(), peer, true) {
            Ok(client) => native::upgrade(gateway.config(), engine, request, client).await,
            Err(refused) => *refused,
        };
        gateway.tallies().handshakes.add("native", answer.status());
        return answer;
    }
    web::respond(gateway, request, door).await
}

/// Whether somebody may connect, and who it is.
fn admit(
    gateway: &Gateway,
    headers: &HeaderMap,
    peer: SocketAddr,
    is_handshake: bool,
) -> Result<SocketAddr, Box<Answer>> {
    if !gateway.origins().allow(headers) {
        let message = "pages of this origin may not connect";
        return Err(Box::new(answer::failure(StatusCode::FORBIDDEN, "forbidden_origin", message)));
    }
    let client = SocketAddr::new(gateway.proxies().client(peer.ip(), headers), peer.port());
    if is_handshake {
        let knocked = gateway.crowd().knocks(client.ip(), Instant::now());
        knocked.map_err(|wait| Box::new(too_often(wait)))?;
    }
    Ok(client)
}

fn too_often(wait: Duration) -> Answer {
    let message = "too many handshakes from this address";
    let mut answer = answer::failure(StatusCode::TOO_MANY_REQUESTS, "too_many_handshakes", message);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    answer
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let is_websocket = |value: &HeaderValue| {
        let mut tokens = value.as_bytes().split(|byte| *byte == b',');
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    };
    headers.get_all(header::UPGRADE).iter().any(is_websocket)
}

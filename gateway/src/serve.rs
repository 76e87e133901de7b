//! Edge of the gateway: accepts connections and dispatches their requests.
//!
//! Requests below the path of Socket.IO go to the Socket.IO server, other WebSocket upgrades to the native
//! protocol, and the rest to the HTTP routes.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::{
    ConnectionFailure, HttpServer, PeerAddr, Query, RequestBody, Routes, Secure, is_websocket_request,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body;
use tokio::net::TcpListener;

use crate::endpoints::Endpoints;
use crate::gateway::Gateway;
use crate::http::security_headers::SecurityHeaders;
use crate::listen::certificate::Certificate;
use crate::listen::{Listener, Program};
use crate::log::limit::LogLimits;
use crate::response::{self, HttpResponse};
use crate::{http as web, native};

/// Number of file descriptors that each port reserves, so that its health can be checked when all others are
/// in use.
const RESERVE: usize = 8;
/// Timeout for responses that are in progress when the gateway closes.
const LAST_RESPONSES: Duration = Duration::from_secs(2);

impl Gateway {
    /// Serves the connections of a listener until the gateway is [drained](Self::drain), over TLS if the
    /// settings name a certificate.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.accept_clients(&listener, Listener::Public, None).await;
        Ok(())
    }

    /// The same as [`serve`](Self::serve), with further HTTP endpoints.
    pub async fn serve_with(&self, listener: TcpListener, endpoints: Arc<dyn Endpoints>) -> io::Result<()> {
        self.accept_clients(&listener, Listener::Public, Some(endpoints)).await;
        Ok(())
    }

    /// Serves a port for clients only, over both protocols. Other requests get health checks, and information
    /// that names the program. API, page and metrics do not exist there.
    pub async fn serve_clients(&self, listener: TcpListener, program: Program) -> io::Result<()> {
        self.accept_clients(&listener, Listener::Clients(program), None).await;
        Ok(())
    }

    /// Handles a request below `server.path` with the origin checks and limits of the gateway's own ports,
    /// for programs that listen on a port of their own. `peer` is the remote address of the connection.
    pub async fn socketio<B: Body>(&self, mut request: Request<B>, peer: SocketAddr) -> HttpResponse {
        report_tls(self, &mut request, peer);
        // Requests with a session id and CORS preflights open no session.
        let is_handshake = request.method() == Method::GET && Query::from(request.uri()).opens_session();
        let response = match admit(self, request.headers(), peer, is_handshake) {
            Ok(client) => {
                request.extensions_mut().insert(PeerAddr(client));
                let response = self.io().engine().handle(request).await;
                if is_handshake { with_body(self, response, client.ip()) } else { response }
            }
            Err(refused) => *refused,
        };
        if is_handshake {
            self.counters().handshakes.add("socketio", response.status());
        }
        response
    }

    async fn accept_clients(
        &self,
        listener: &TcpListener,
        kind: Listener,
        endpoints: Option<Arc<dyn Endpoints>>,
    ) {
        // A gateway that does not know this one would refuse requests for its sessions.
        self.cluster().peers_ready().await;
        tokio::select! {
            () = self.accept(listener, kind, endpoints) => {}
            () = self.watch_certificates() => {}
        }
    }

    /// Reads certificates again when their files change, and never completes unless it is dropped.
    async fn watch_certificates(&self) {
        let of_clients = self.tls().map(|tls| tls.certificate());
        let watch = async |certificate: Option<&Arc<Certificate>>| match certificate {
            Some(certificate) => Arc::clone(certificate).watch().await,
            None => std::future::pending().await,
        };
        tokio::join!(watch(of_clients), watch(self.cluster().peers_certificate()));
    }

    /// Serves a separate port for operators: metrics, health and API, without TLS. The port has no clients,
    /// so it stays open until the drain has ended.
    ///
    /// With `internal.allow_without_key` the listener must be bound to a loopback address; otherwise this is
    /// an error.
    pub async fn serve_internal(&self, listener: TcpListener) -> io::Result<()> {
        if self.config().internal.allow_without_key && !listener.local_addr()?.ip().is_loopback() {
            let message = "internal.allow_without_key needs a loopback address";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.accept(&listener, Listener::Internal, None).await;
        Ok(())
    }

    async fn accept(&self, listener: &TcpListener, kind: Listener, endpoints: Option<Arc<dyn Endpoints>>) {
        let tls = self.tls().filter(|_| kind != Listener::Internal).map(Arc::clone);
        let server = self.http_server(kind, tls.is_some(), endpoints);
        self.add_port(server.connections(), server.accepting());
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

    fn http_server(&self, kind: Listener, tls: bool, endpoints: Option<Arc<dyn Endpoints>>) -> HttpServer {
        let gateway = self.clone();
        let security_headers = Arc::new(SecurityHeaders::new(self.config(), self.origins(), tls));
        let routes = Routes::new(move |mut request: Request<RequestBody>| {
            if tls {
                request.extensions_mut().insert(Secure);
            }
            let (gateway, security_headers) = (gateway.clone(), Arc::clone(&security_headers));
            let endpoints = endpoints.clone();
            async move {
                let is_socketio = gateway.io().engine().matches(request.uri().path());
                let mut response = match endpoints {
                    Some(endpoints) => respond_with(&gateway, request, kind, &*endpoints).await,
                    None => respond(&gateway, request, kind).await,
                };
                security_headers.add(response.headers_mut(), is_socketio);
                if gateway.is_handed_over() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    // The next request of the client reaches the process that goes on.
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        });
        let gateway = self.clone();
        let reserved = Routes::new(move |request: Request<RequestBody>| {
            let gateway = gateway.clone();
            async move { web::respond_reserved(&gateway, request, kind).await }
        });
        let observer = self.clone();
        let gateway = self.clone();
        let log = LogLimits::default();
        let config = self.config();
        let head = Duration::from_millis(config.transport.head_timeout_ms);
        HttpServer::new(routes)
            .handshake_timeout(head)
            .head_timeout(head)
            .body_timeout(Duration::from_millis(config.transport.body_timeout_ms))
            .max_connections(config.server.max_connections)
            .max_connections_per_address(self.address_limits().connections())
            .reserve(RESERVE, reserved)
            .on_descriptors(move |descriptors| observer.descriptors().note(descriptors))
            .shutdown_timeout(LAST_RESPONSES)
            .on_failure(move |failure| match failure {
                // Port scanners cause failed handshakes too, so the log level is debug.
                ConnectionFailure::Handshake(error) => {
                    gateway.counters().tls_failures.add();
                    tracing::debug!(%error, "TLS");
                }
                ConnectionFailure::HandshakeTimeout => gateway.counters().tls_failures.add(),
                ConnectionFailure::TooMany => {
                    gateway.counters().refused.add("server_connections");
                    warn(&log, failure);
                }
                ConnectionFailure::TooManyOfAddress(address) => {
                    gateway.address_limits().refuse("connections", *address);
                }
                // A separate log line reports that descriptors have run out.
                failure if failure.is_out_of_descriptors() => gateway.counters().refused.add("descriptors"),
                failure => warn(&log, failure),
            })
    }
}

/// Logs the cause of refused connections, at a limited rate.
fn warn(log: &LogLimits, failure: &ConnectionFailure) {
    if let Some(suppressed) = log.admits("accept", Instant::now()) {
        let source = failure.source().map(tracing::field::display);
        tracing::warn!(error = %failure, source, suppressed, "connections are refused");
    }
}

/// A trusted proxy knows whether its client uses TLS; the connection from the proxy does not matter then.
fn report_tls<B>(gateway: &Gateway, request: &mut Request<B>, peer: SocketAddr) {
    match gateway.proxies().is_https(peer.ip(), request.headers()) {
        Some(true) => drop(request.extensions_mut().insert(Secure)),
        Some(false) => drop(request.extensions_mut().remove::<Secure>()),
        None => {}
    }
}

/// Handles a request with the endpoints of the embedding program.
async fn respond_with(
    gateway: &Gateway,
    request: Request<RequestBody>,
    listener: Listener,
    endpoints: &dyn Endpoints,
) -> HttpResponse {
    if !endpoints.admits(request.headers()) {
        let message = "this origin may not connect";
        return response::failure(StatusCode::FORBIDDEN, "forbidden_origin", message);
    }
    let path = request.uri().path();
    if gateway.io().engine().matches(path) || is_websocket_request(request.headers()) {
        return respond(gateway, request, listener).await;
    }
    match endpoints.methods(path) {
        Some(methods) => web::respond_with(gateway, request, endpoints, methods).await,
        None => respond(gateway, request, listener).await,
    }
}

async fn respond(gateway: &Gateway, mut request: Request<RequestBody>, listener: Listener) -> HttpResponse {
    let Some(PeerAddr(peer)) = request.extensions().get::<PeerAddr>().copied() else {
        return response::failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the peer address is unknown",
        );
    };
    if listener == Listener::Internal {
        return web::respond(gateway, request, listener).await;
    }
    let engine = gateway.io().engine();
    if engine.matches(request.uri().path()) {
        return gateway.socketio(request, peer).await;
    }
    if is_websocket_request(request.headers()) {
        let response = match admit(gateway, request.headers(), peer, true) {
            Ok(client) => {
                report_tls(gateway, &mut request, peer);
                let response = native::upgrade(gateway.config(), engine, request, client).await;
                with_body(gateway, response, client.ip())
            }
            Err(refused) => *refused,
        };
        gateway.counters().handshakes.add("native", response.status());
        return response;
    }
    web::respond(gateway, request, listener).await
}

/// Checks the origin and the rate of handshakes of a request, and determines the client address.
fn admit(
    gateway: &Gateway,
    headers: &HeaderMap,
    peer: SocketAddr,
    is_handshake: bool,
) -> Result<SocketAddr, Box<HttpResponse>> {
    if !gateway.origins().allow(headers) {
        let message = "this origin may not connect";
        return Err(Box::new(response::failure(StatusCode::FORBIDDEN, "forbidden_origin", message)));
    }
    let client = SocketAddr::new(gateway.proxies().client(peer.ip(), headers), peer.port());
    if is_handshake {
        let taken = gateway.address_limits().take_handshake(client.ip(), Instant::now());
        taken.map_err(|wait| Box::new(too_many_handshakes(wait)))?;
    }
    Ok(client)
}

/// Adds a body to the engine's 429 for too many sessions of an address, which has none.
fn with_body(gateway: &Gateway, response: HttpResponse, client: IpAddr) -> HttpResponse {
    let headers = response.headers();
    if response.status() != StatusCode::TOO_MANY_REQUESTS || headers.contains_key(header::CONTENT_TYPE) {
        return response;
    }
    gateway.address_limits().refuse("sessions", client);
    let message = "too many sessions from this address";
    let failure = response::failure(response.status(), "too_many_sessions", message);
    let (mut parts, _) = response.into_parts();
    parts.headers.extend(failure.headers().clone());
    HttpResponse::from_parts(parts, failure.into_body())
}

fn too_many_handshakes(wait: Duration) -> HttpResponse {
    let message = "too many handshakes from this address";
    let mut response = response::failure(StatusCode::TOO_MANY_REQUESTS, "too_many_handshakes", message);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

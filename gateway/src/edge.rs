//! The edge: connections come in, and each request goes to whom it is for.
//!
//! What lies below the path of Socket.IO is Socket.IO's, any other request that wants a WebSocket gets the native
//! protocol, and the rest is HTTP.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::{PeerAddr, Query, RequestBody, Routes};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::{self, Answer};
use crate::door::Door;
use crate::gateway::Gateway;
use crate::{http as web, native};

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The time between two log lines about connections that are not accepted.
const WARN_PAUSE: Duration = Duration::from_secs(10);
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
                // Only our own native connections have it.
                request.headers_mut().remove(native::MARK);
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
        let mut connections = JoinSet::new();
        let mut warned = None;
        let mut closed = pin!(self.closed());
        loop {
            tokio::select! {
                () = &mut closed => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => match self.connection_slot(connections.len()) {
                        Some(slot) => {
                            let served = welcome(self.clone(), stream, peer, door);
                            connections.spawn(async move {
                                served.await;
                                drop(slot);
                            });
                        }
                        None => {
                            self.tallies().excess.add("server_connections");
                            warn(&mut warned, &"server.max_connections is reached");
                        }
                    },
                    // One connection's failure, or too many open files: the listener itself is still good.
                    Err(error) => {
                        warn(&mut warned, &error);
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        // The last answers are on their way: to polls, that the session is over, and to whoever asked the API.
        let _ =
            tokio::time::timeout(LAST_ANSWERS, async { while connections.join_next().await.is_some() {} })
                .await;
    }
}

/// Logs why connections are not taken, at most once in a while: at every one it would fill the log.
fn warn(warned: &mut Option<Instant>, error: &dyn std::fmt::Display) {
    if warned.is_none_or(|at| at.elapsed() >= WARN_PAUSE) {
        *warned = Some(Instant::now());
        tracing::warn!(%error, "connections are not accepted");
    }
}

async fn welcome(gateway: Gateway, stream: TcpStream, peer: SocketAddr, door: Door) {
    let tls = gateway.tls().filter(|_| door != Door::Internal).map(|tls| tls.acceptor().clone());
    let Some(tls) = tls else { return connection(gateway, stream, peer, door).await };
    // Answers are written whole; waiting to fill a segment would only delay them.
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection(gateway, stream, peer, door).await,
        // Whoever looks what is on this port fails here, too.
        Ok(Err(error)) => {
            gateway.tallies().tls_failures.add();
            tracing::debug!(%error, %peer, "TLS");
        }
        Err(_) => gateway.tallies().tls_failures.add(),
    }
}

async fn connection<S>(gateway: Gateway, stream: S, peer: SocketAddr, door: Door)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let engine = gateway.io().engine().clone();
    let answering = gateway.clone();
    let routes = Routes::new(move |request| {
        let gateway = answering.clone();
        async move { respond(&gateway, request, peer, door).await }
    });
    let end = async move { gateway.closed().await };
    engine.connect_with(stream, peer, routes, end).await;
}

async fn respond(gateway: &Gateway, request: Request<RequestBody>, peer: SocketAddr, door: Door) -> Answer {
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

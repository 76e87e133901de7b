//! The server's connections, from the accept to the close.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::connection::Connection;
use crate::endpoint::{Endpoint, Outgoing, raised};
use crate::handshake::{self, Identity, Refusal};
use crate::message::Message;
use crate::places::Place;
use crate::registry::{NoPlace, Room};
use crate::server::{Server, ServerEvent};
use crate::state::{CloseReason, ConnectionState};
use crate::wire;

impl Server {
    /// Accepts connections until the server is closed, over TLS if the options have a certificate, then waits until all of
    /// them have ended. Connections beyond the limits of an address and of handshakes are closed at once.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let mut closing = self.closing();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = raised(&mut closing) => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        // Queued messages are already written together.
                        let _ = stream.set_nodelay(true);
                        if let Some(places) = self.place(peer) {
                            let server = self.clone();
                            connections.spawn(async move { server.secure(stream, peer, places).await });
                        }
                    }
                    Err(error) => {
                        // The process has no free file descriptors, or the client disconnected at once. The
                        // pause prevents a busy loop.
                        warn!(%error, "a connection was not accepted");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }

    /// The places of a new connection; `None` if it is beyond a limit.
    fn place(&self, peer: SocketAddr) -> Option<(OwnedSemaphorePermit, Place)> {
        let refuse = |cause| {
            self.counters().refused.add(cause);
            debug!(%peer, cause, "refused");
        };
        let Ok(handshake) = Arc::clone(self.handshakes()).try_acquire_owned() else {
            refuse("handshakes");
            return None;
        };
        let max = self.options().max_connections_per_address;
        let Some(place) = self.addresses().take(peer.ip(), max) else {
            refuse("address_connections");
            return None;
        };
        Some((handshake, place))
    }

    /// Serves a connection of a listener, over TLS if there is a certificate.
    async fn secure(&self, stream: TcpStream, peer: SocketAddr, places: (OwnedSemaphorePermit, Place)) {
        let (handshake, _place) = places;
        let Some(certificate) = &self.options().certificate else {
            return self.serve_one(stream, Some(peer), Some(handshake)).await;
        };
        let mut closing = self.closing();
        let secured = tokio::select! {
            secured = timeout(self.options().handshake_timeout, certificate.acceptor().accept(stream)) => secured,
            // A pending handshake does not delay the shutdown.
            () = raised(&mut closing) => return,
        };
        match secured {
            Ok(Ok(stream)) => self.serve_one(stream, Some(peer), Some(handshake)).await,
            // Port scanners cause failed handshakes too, so the log level is debug.
            Ok(Err(error)) => {
                self.counters().refused.add("tls");
                debug!(%peer, %error, "no secure connection");
            }
            Err(_) => self.counters().refused.add("tls"),
        }
    }

    /// Serves a connection of any other kind, for example over TLS: reads its request, and runs it to its
    /// end.
    pub async fn accept<S>(&self, stream: S, peer: Option<SocketAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.serve_one(stream, peer, None).await;
    }

    /// `pending` is the place among the connections whose handshake is not complete.
    async fn serve_one<S>(&self, stream: S, peer: Option<SocketAddr>, pending: Option<OwnedSemaphorePermit>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let options = self.options();
        let asked = async {
            let asked = handshake::read(stream, peer).await?;
            let decided = asked.judge(options.path.as_deref(), &options.origins, self.decide()).await;
            let admitted = match decided {
                Ok(identity) => self.admit(identity, peer),
                Err(refusal) => Err(refusal),
            };
            let (guest, outgoing) = match admitted {
                Ok(admitted) => admitted,
                Err(refusal) => {
                    debug!(%refusal, ?peer, "refused");
                    self.counters().refused.add(cause(refusal.status));
                    asked.refuse(&refusal).await;
                    return None;
                }
            };
            let ws = asked.accept(wire::config(&options.connection)).await?;
            Some((ws, guest, outgoing))
        };
        let mut closing = self.closing();
        let accepted = tokio::select! {
            accepted = timeout(options.handshake_timeout, asked) => accepted,
            // A pending handshake does not delay the shutdown.
            () = raised(&mut closing) => return,
        };
        let Ok(Some((ws, guest, outgoing))) = accepted else {
            if accepted.is_err() {
                self.counters().refused.add("handshake_timeout");
            }
            return;
        };
        drop(pending);
        self.counters().opened.fetch_add(1, Ordering::Relaxed);
        let connection = guest.connection.clone();
        connection.endpoint().open();
        debug!(id = connection.id(), user = connection.user(), ?peer, "connected");
        let (inbox, messages) = mpsc::channel(options.connection.max_unhandled.max(1));
        let handlers = tokio::spawn(handle(self.clone(), connection.clone(), messages));
        let reason = wire::drive(ws, connection.endpoint(), outgoing, inbox, &options.connection, None).await;
        self.counters().closed.add(reason.label());
        let left = guest.leave(reason.clone());
        debug!(id = connection.id(), %reason, "disconnected");
        // A panic of a handler has already been reported by the panic hook; the other handlers still receive
        // the disconnect.
        let _ = handlers.await;
        for room in left {
            self.events().emit(ServerEvent::RoomLeave(self.clone(), connection.clone(), room)).await;
        }
        self.events().emit(ServerEvent::Disconnect(self.clone(), connection, reason)).await;
    }

    /// Registers a connection.
    fn admit(&self, identity: Identity, peer: Option<SocketAddr>) -> Result<(Guest, Outgoing), Refusal> {
        let unavailable = |text: &str| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text);
        let id = new_id().ok_or_else(|| unavailable("no random numbers"))?;
        let (endpoint, outgoing) =
            Endpoint::new(&self.options().connection, Arc::clone(&self.counters().traffic));
        let connection = Connection::new(id, identity.user.map(Arc::from), identity.metadata, peer, endpoint);
        let registered = self.registry().insert(&connection, self.options().max_connections);
        registered.map_err(|no_place| match no_place {
            NoPlace::Full => unavailable("no place for another connection"),
            NoPlace::ShuttingDown => unavailable("the server is shutting down"),
        })?;
        Ok((Guest { server: self.clone(), connection }, outgoing))
    }
}

/// The name of a refusal in metrics.
fn cause(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "forbidden",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        StatusCode::UPGRADE_REQUIRED | StatusCode::NOT_FOUND => "no_websocket",
        _ => "other",
    }
}

/// A registered connection. It is removed from the registry however its task ends.
struct Guest {
    server: Server,
    connection: Connection,
}

impl Guest {
    /// Removes the connection. Returns the rooms that it was in.
    fn leave(self, reason: CloseReason) -> Vec<Room> {
        let left = self.server.registry().remove(&self.connection);
        self.connection.endpoint().closed(reason);
        left
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if self.connection.state() != ConnectionState::Closed {
            self.server.registry().remove(&self.connection);
            self.connection.endpoint().closed(CloseReason::Lost);
        }
    }
}

/// Calls the handlers for the events of one connection, in order.
async fn handle(server: Server, connection: Connection, mut messages: mpsc::Receiver<Message>) {
    server.events().emit(ServerEvent::Connect(server.clone(), connection.clone())).await;
    while let Some(message) = messages.recv().await {
        server.heard(&connection, message).await;
    }
}

/// 128 random bits.
fn new_id() -> Option<Arc<str>> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let mut id = String::with_capacity(32);
    for byte in bytes {
        write!(id, "{byte:02x}").ok()?;
    }
    Some(id.into())
}
